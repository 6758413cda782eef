"""What a sweep is begun with, as plain values, and its configuration composed from them again."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra._internal.hydra import Hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from runner.app.compose import compose
from runner.app.folders import config_directory
from runner.store import layout


def spec_of(master: DictConfig, arguments: Sequence[str]) -> dict[str, Any]:
    """What it takes to compose the sweep again: in another process, on another day.

    Args:
        master: the sweep's configuration, from Hydra.
        arguments: the overrides of the task.
    """
    return {
        layout.FACT_VERSION: layout.LAYOUT_VERSION,
        "config_name": master.hydra.job.config_name,
        **sources_of(master),
        "folder": os.getcwd(),
        "task": list(arguments),
        "hydra": hydra_overrides(master),
        "now": [[*key, value] for key, value in OmegaConf.get_cache(master)["now"].items()],
    }


def sources_of(config: DictConfig) -> dict[str, str | None]:
    """``config_path`` and ``config_dir``, as they were typed; None: they were not."""
    sources = {source.provider: source.path for source in config.hydra.runtime.config_sources}
    return {
        "config_path": unless_ours(sources.get("main")),
        "config_dir": sources.get("command-line"),
    }


def unless_ours(config_path: str | None) -> str | None:
    """A folder of the reader's; None: ours, wherever it lies in this installation."""
    return None if config_path == str(config_directory()) else config_path


def is_trust(override: str) -> bool:
    """Whether an override says which modules may be imported."""
    return override.lstrip("+~").partition("=")[0].partition(".")[0].strip() == "trust"


def hydra_overrides(config: DictConfig) -> list[str]:
    """The overrides that are Hydra's, as they were typed."""
    # Not by iterating, which would look up what is an interpolation in a text.
    found: Any = OmegaConf.to_container(config.hydra.overrides.hydra, resolve=False)
    return list(found)


def recomposed(hydra: Hydra, spec: dict[str, Any], directory: Path) -> DictConfig:
    """The configuration the sweep was begun with, the clock's readings included."""
    overrides = [*spec["hydra"], *spec["task"]]
    master = compose(hydra, spec["config_name"], overrides, multirun=True)
    _set_clock(master, spec["now"])
    if not is_same_place(master.hydra.sweep.dir, directory):
        others = [text for text in spec["hydra"] if not text.startswith("hydra.sweep.dir=")]
        overrides = [*others, f"hydra.sweep.dir='{directory}'", *spec["task"]]
        master = compose(hydra, spec["config_name"], overrides, multirun=True)
        _set_clock(master, spec["now"])
    return master


def is_same_place(one: object, other: Path) -> bool:
    """Whether two paths lead to the same place, links followed."""
    return os.path.realpath(str(one)) == os.path.realpath(other)


def _set_clock(master: DictConfig, readings: Sequence[Sequence[str]]) -> None:
    HydraConfig.instance().set_config(master)
    OmegaConf.get_cache(master)["now"].update({(key,): value for key, value in readings})
