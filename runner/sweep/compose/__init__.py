"""The jobs of a sweep, composed a hundred times faster than Hydra does, and equal to the byte.

Hydra composes the first job of each *shape*: the same groups, the same keys, whatever the values.
For the others the values are set on a copy. Where that could come out differently, Hydra composes
the job as well.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any

from hydra._internal.config_repository import IConfigRepository
from hydra.core.config_loader import ConfigLoader
from hydra.core.default_element import GroupDefault
from omegaconf import DictConfig, OmegaConf

from runner.app.compose import CheckedLoader
from runner.app.plain import environment_in, hidden
from runner.sweep.compose import override
from runner.sweep.compose.by_hydra import JobConfig as JobConfig
from runner.sweep.compose.by_hydra import compose_by_hydra
from runner.sweep.compose.override import Line
from runner.sweep.compose.shape import Shape

_REMEMBERED_LINES = 8192
_REMEMBERED_SHAPES = 512  # 40 kB each, 160 kB while only one job had it


class Composer:
    """Composes the jobs of one sweep.

    It reads the configuration's files when a shape of jobs is first met, and not again. It is
    to be used by one thread at a time.

    Args:
        config_loader: of the sweep.
        master_config: of the sweep, as Hydra hands it to launchers.
    """

    def __init__(self, config_loader: ConfigLoader, master_config: DictConfig) -> None:
        self._loader = config_loader
        self._master = master_config
        # As Hydra's launchers do: so `${now:…}` is the same in every job.
        OmegaConf.select(master_config, "hydra.sweep.dir")
        self._hidden = environment_in(master_config, "hydra.sweep.dir")
        self._repository = _repository(config_loader, master_config)
        self._is_group: Callable[[str], bool] | None = None
        if self._repository is not None:
            # Tells config groups from keys.
            self._is_group = lru_cache(_REMEMBERED_LINES)(self._repository.group_exists)
        self._lines: dict[str, Line] = {}
        self._shapes: OrderedDict[tuple[str, ...], Callable[[], Shape | None]] = OrderedDict()

    def compose(self, number: int, overrides: Sequence[str]) -> JobConfig:
        """One job; see :meth:`_compose`. What a directory has from the environment is hidden."""
        composed = self._compose(number, overrides)
        text = composed.hydra_files.get("hydra.yaml")
        if self._hidden and text is not None:
            composed.hydra_files["hydra.yaml"] = hidden(text, self._hidden)
        return composed

    def _compose(self, number: int, overrides: Sequence[str]) -> JobConfig:
        """One job.

        Args:
            number: of the job in the sweep, from 0.
            overrides: of the task, as a launcher gets them.

        Raises:
            Exception: what Hydra raises for these overrides.
            ConfigError: a value is missing, or an interpolation cannot be resolved.
        """
        read = self._read(overrides)
        if read is None:
            return self.compose_by_hydra(number, overrides)
        key, lines = read
        if key not in self._shapes:
            return self._first_of_shape(key, number, lines)
        self._shapes.move_to_end(key)
        shape = self._shapes[key]()
        if shape is not None:
            # Where a value is refused, for whatever reason, Hydra has the words for it.
            with suppress(Exception):
                return shape.compose(number, lines)
        return self.compose_by_hydra(number, overrides)

    def check(self, number: int, overrides: Sequence[str]) -> None:
        """Raises what :meth:`compose` would, without making the job where its shape is known."""
        read = self._read(overrides)
        if read is not None:
            known = self._shapes.get(read[0])
            shape = known() if known else None
            if shape is not None and shape.takes(read[1]):
                return
        self.compose(number, overrides)

    def compose_by_hydra(self, number: int, overrides: Sequence[str]) -> JobConfig:
        """The same job without any short cut, to check against (:meth:`JobConfig.same_as`)."""
        return compose_by_hydra(self._loader, self._master, number, overrides)[0]

    def shape(self, overrides: Sequence[str]) -> tuple[str, ...] | None:
        """What jobs have in common of which Hydra composes one; None: it composes each of them."""
        read = self._read(overrides)
        return read[0] if read else None

    def equals_hydras(self, number: int, overrides: Sequence[str]) -> bool:
        """Whether a job is composed as Hydra composes it."""
        job = self.compose(number, overrides)
        return job.by_hydra or job.same_as(self.compose_by_hydra(number, overrides))

    def overridden_by(self, text: str) -> list[str]:
        """The groups for which the defaults of what an override chooses say ``override``."""
        key, _, option = text.partition("=")
        group = key.lstrip("+").partition("@")[0]
        found = None
        if self._repository is not None and self._repository.group_exists(group):
            found = self._repository.load_config(f"{group}/{option}")
        defaults = found.defaults_list if found else None
        overrides = [each for each in defaults or () if isinstance(each, GroupDefault)]
        return [str(each.group).lstrip("/") for each in overrides if each.override]

    def leave_to_hydra(self) -> None:
        """From now on Hydra composes every job."""
        self._is_group = None

    @property
    def by_hydra(self) -> bool:
        """Whether Hydra composes every job."""
        return self._is_group is None

    def tree(self, number: int, overrides: Sequence[str]) -> DictConfig:
        """The job's whole configuration as Hydra hands it to ``run_job``, ``hydra`` included."""
        return compose_by_hydra(self._loader, self._master, number, overrides)[1]

    @property
    def loader(self) -> ConfigLoader:
        """Hydra's, of the sweep."""
        return self._loader

    @property
    def master(self) -> DictConfig:
        """The configuration of the sweep."""
        return self._master

    def _read(self, overrides: Sequence[str]) -> tuple[tuple[str, ...], list[Line]] | None:
        """A job's shape and its overrides; None where Hydra has to compose it."""
        if self._is_group is None:
            return None
        lines = [self._line(text, self._is_group) for text in overrides]
        if any(line.hopeless for line in lines):
            return None
        # Hydra writes the current directory into every job's configuration.
        return (os.getcwd(), *(line.shape for line in lines)), lines

    def _line(self, text: str, is_group: Callable[[str], bool]) -> Line:
        line = self._lines.get(text)
        if line is None:
            line = override.read(text, is_group)
            if len(self._lines) >= _REMEMBERED_LINES:
                self._lines.clear()
            self._lines[text] = line
        return line

    def _first_of_shape(
        self, key: tuple[str, ...], number: int, lines: Sequence[Line]
    ) -> JobConfig:
        job, cfg, task = compose_by_hydra(
            self._loader, self._master, number, [line.text for line in lines]
        )

        def build() -> Shape | None:
            # Not before a second job needs it: there are sweeps in which no two are alike.
            shape = None
            with suppress(Exception):
                if not self._order_matters(lines):
                    shape = Shape(lines, job, cfg, task)
            self._shapes[key] = lambda: shape
            return shape

        self._shapes[key] = build
        if len(self._shapes) > _REMEMBERED_SHAPES:
            self._shapes.popitem(last=False)
        return job

    def _order_matters(self, lines: Sequence[Line]) -> bool:
        """Whether what one override does may depend on a value that one before it sets."""
        tree: Any = None
        for index, line in enumerate(lines):
            before = lines[:index]
            values = [other for other in before if other.plain]
            if not line.fragile or not values:
                continue
            if any(line.overlaps(other) for other in values):
                return True
            if any("${" in other.text for other in before if other.fragile):
                return True
            if tree is None:
                tree = self._tree_of_groups(lines)
            if _passes_lookup(tree, line.path):
                return True
        return False

    def _tree_of_groups(self, lines: Sequence[Line]) -> Any:
        groups = [line.text for line in lines if line.group]
        return OmegaConf.to_container(self._loader.load_sweep_config(self._master, groups))


def _repository(loader: ConfigLoader, master: DictConfig) -> IConfigRepository | None:
    """The files of the configuration, with what ``hydra.searchpath`` adds."""
    if type(loader) is not CheckedLoader:
        return None  # we only know what Hydra's own one does
    # Not by iterating, which would resolve what is an interpolation in an override's text.
    overrides: Any = OmegaConf.to_container(master.hydra.overrides.hydra)
    return loader._parse_overrides_and_create_caching_repo(master.hydra.job.config_name, overrides)[
        1
    ]


def _passes_lookup(tree: Any, path: Sequence[str]) -> bool:
    for key in path:
        if isinstance(tree, str):
            break
        if isinstance(tree, list) and key.isdecimal() and int(key) < len(tree):
            tree = tree[int(key)]
        elif isinstance(tree, dict) and key in tree:
            tree = tree[key]
        else:
            return False
    return isinstance(tree, str) and "${" in tree
