"""Where Hydra reads configuration: files of the user's within limits, a run's without its powers.

Hydra keeps a table of sources by scheme. While a session of ours lasts, ours stand in it.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra._internal.core_plugins.importlib_resources_config_source import (
    ImportlibResourcesConfigSource,
)
from hydra._internal.core_plugins.structured_config_source import StructuredConfigSource
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigResult
from omegaconf import DictConfig

from runner.app.folders import add_current_folder, config_directory
from runner.app.yaml_file import check_file
from runner.errors import ConfigError, UntrustedError, UsageError, clip
from runner.store import layout
from runner.store.sweeps import INDEX_FILE
from runner.store.sweeps.spec import SPEC_FILE

_SAVED = ("config.yaml", "hydra.yaml", "overrides.yaml")
_OF_RUNS = (layout.RUN_FILE, INDEX_FILE, SPEC_FILE)
_POWERS = ("trust", "hydra", "defaults")
_INSTALLED = ("hydra", "hydra_plugins", "runner")
_IMPORTING = ("pkg", "structured")
"""Schemes of places that Hydra imports: the first to look in it, the second for what it adds."""


def check_package(key: str, place: str, trust: Collection[str]) -> None:
    """Refuses a place for configuration that is a module, which would be imported to look there.

    Args:
        key: what names it, for messages.
        place: ``pkg://PACKAGE`` or ``structured://MODULE``; any other is of no matter here.
        trust: the modules that the user named.

    Raises:
        UntrustedError: the module is not one of them, nor below one.
    """
    scheme, sign, path = place.partition("://")
    package = _module(path)
    if not sign or scheme not in _IMPORTING or package.split(".")[0] in ("", *_INSTALLED):
        return
    if not any(f"{package}.".startswith(f"{name}.") for name in trust):
        raise UntrustedError(
            f"{key}={clip(place, 60)}: would be imported; "
            f"if you mean it, add trust=[{clip(package, 45)}]"
        )
    add_current_folder()


class CheckedFiles(FileConfigSource):
    """A folder of YAML files.

    Attributes:
        beside: the user's folder (``-cd``), which is searched after the one we start from.
        says_mode: whether a file that was read since a session began sets ``hydra.mode``.
    """

    beside: ClassVar[Path | None] = None
    says_mode: ClassVar[bool] = False

    def load_config(self, config_path: str) -> ConfigResult:
        """A file of it, within our limits; see :mod:`runner.app.yaml_file`."""
        folder = Path(self.path)
        name = self._normalize_file_name(config_path)
        if self.provider == "main" and self.beside and (self.beside / name).is_file():
            there = clip(str(self.beside), 60, keep_end=True)
            if (self.beside / "overrides.yaml").is_file():
                run = os.path.relpath(self.beside.parent)
                raise UsageError(
                    f"--config-dir {there}: is of a run; to do that again: "
                    f"runner reproduce {clip(run, 80, keep_end=True)}"
                )
            raise UsageError(
                f"--config-dir {there}: its {name} would not be read, the one of --config-path "
                f"comes first: give yours another name"
            )
        if folder == config_directory():
            return self._noted(super().load_config(config_path), config_path)
        check_file(folder / name)
        found = self._noted(super().load_config(config_path), config_path)
        return _without_powers(found, config_path) if comes_with_a_run(folder) else found

    @staticmethod
    def _noted(found: ConfigResult, config_path: str) -> ConfigResult:
        mode = ("mode",) if config_path.startswith("hydra/") else ("hydra", "mode")
        node: Any = found.config
        for key in mode:
            node = node._get_node(key) if isinstance(node, DictConfig) else None
        CheckedFiles.says_mode |= node is not None
        return found


class CheckedPackages(ImportlibResourcesConfigSource):
    """A package with YAML files, which is imported to find them."""

    def __init__(self, provider: str, path: str) -> None:
        _check_by_file(provider, path)
        super().__init__(provider, path)


class CheckedSchemas(StructuredConfigSource):
    """What is registered in this process; with a path, a module is imported that registers more."""

    def __init__(self, provider: str, path: str) -> None:
        _check_by_file(provider, path)
        super().__init__(provider, path)


# Hydra tells the sources of a scheme apart by their names alone, and a worker of joblib, which is
# sent the table as it stands here, registers its own beside them.
CheckedFiles.__name__ = FileConfigSource.__name__
CheckedPackages.__name__ = ImportlibResourcesConfigSource.__name__
CheckedSchemas.__name__ = StructuredConfigSource.__name__


@contextmanager
def checked_sources(beside: str | None) -> Iterator[None]:
    """Has Hydra read through these classes as long as the block runs.

    Args:
        beside: the folder of ``-cd``.
    """
    Plugins.instance()  # registers Hydra's own, if that has not been done
    registry = SourcesRegistry.instance()
    before = registry.types
    ours = {"file": CheckedFiles, "pkg": CheckedPackages, "structured": CheckedSchemas}
    registry.types = {**before, **ours}
    outer = CheckedFiles.beside, CheckedFiles.says_mode
    CheckedFiles.beside, CheckedFiles.says_mode = Path(beside) if beside else None, False
    try:
        yield
    finally:
        registry.types = before
        CheckedFiles.beside, CheckedFiles.says_mode = outer


def _module(path: str) -> str:
    return path.strip("/").replace("/", ".")


def _check_by_file(provider: str, path: str) -> None:
    """What a file says is searched is imported only where it is installed with us."""
    module = _module(path.partition("://")[2]).split(".")[0]
    if provider == "hydra.searchpath in main" and module not in ("", *_INSTALLED):
        problem = "would be imported because a file says so: name it on the command line"
        raise ConfigError("hydra.searchpath", path, problem)


def comes_with_a_run(folder: Path) -> bool:
    """Whether a folder is what a run or a sweep left: its ``.hydra``, or a place within it."""
    folder = folder.resolve()
    if all((folder / name).is_file() for name in _SAVED):
        return True
    return any(
        place.name == ".hydra" or any((place / name).exists() for name in _OF_RUNS)
        for place in (folder, *folder.parents)
    )


def _without_powers(found: ConfigResult, config_path: str) -> ConfigResult:
    """What was saved says what is run: not what may be imported, nor what goes on around it."""
    if (found.header.get("package") or "").startswith("hydra") or config_path.startswith("hydra/"):
        found.config = DictConfig({})
    elif isinstance(found.config, DictConfig):
        for key in _POWERS:
            found.config.pop(key, None)
        if "/" not in config_path:
            found.config["trust"] = []  # a saved configuration brings no schema that would say so
    return found
