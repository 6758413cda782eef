"""Which compositions may be kept: those in which nothing depends on what no key holds."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from runner.app import cache
from runner.app.cache import FILES, NOW, OUTPUT_DIR, Composition
from runner.job import Job

# Other keys of the composition. A resolver can depend on the environment, the clock, or itself.
_KEY = re.compile(r"\$\{\.*[A-Za-z_][\w.\[\]-]*\}")
_TIMED = (("hydra", "run", "dir"), ("hydra", "sweep", "dir"))
# Texts that nobody resolves, and that are in the key.
_TYPED = ("hydra", "overrides", "hydra")
_PROVIDERS = {"hydra", "main", "command-line", "schema"}


def composition(cfg: DictConfig, work: Job, directory: Path) -> Composition | None:
    """What may be kept of a run that needs nothing of Hydra but the composing.

    Args:
        cfg: the whole configuration.
        work: the run, its texts for ``.hydra`` included.
        directory: the one that it was given.

    Returns:
        None: another run with the same arguments may have to be composed otherwise.
    """
    raw: Any = OmegaConf.to_container(cfg, resolve=False)
    hydra = raw["hydra"]
    pattern = str(hydra["run"]["dir"])
    line = "\n    output_dir: {}\n"
    text = work.hydra_files["hydra.yaml"]
    if (
        work.config["trust"] != []
        # They are two where something comes from the environment.
        or work.stored is not work.config
        or hydra["searchpath"] != []
        or {source["provider"] for source in hydra["runtime"]["config_sources"]} - _PROVIDERS
        or any(_looks_up(path, value) for path, value in _texts(raw))
        or "${" in NOW.sub("", pattern)
        or not cache.fits(directory)
        or text.count(line.format(directory)) != 1
        or any(OUTPUT_DIR in other for other in work.hydra_files.values())
    ):
        return None
    files = {name: work.hydra_files[name] for name in FILES}
    files["hydra.yaml"] = text.replace(line.format(directory), line.format(OUTPUT_DIR))
    return Composition(dict(work.config), list(work.overrides), pattern, files)


def _looks_up(path: tuple[Any, ...], text: str) -> bool:
    if path[:3] == _TYPED:
        return False
    if path in _TIMED:
        text = NOW.sub("", text)
    return "${" in _KEY.sub("", text)


def _texts(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], str]]:
    """Every text in a tree, with the way to it."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from _texts(value, (*path, key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _texts(value, (*path, index))
    elif isinstance(node, str):
        yield path, node
