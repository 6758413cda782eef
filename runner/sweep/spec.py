"""What a sweep is begun with, as plain values, and its configuration composed from them again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra._internal.hydra import Hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from runner.app.compose import compose
from runner.store import layout


def spec_of(master: DictConfig, arguments: Sequence[str]) -> dict[str, Any]:
    """What it takes to compose the sweep again: in another process, on another day.

    Args:
        master: the sweep's configuration, from Hydra.
        arguments: the overrides of the task.
    """
    sources = {source.provider: source.path for source in master.hydra.runtime.config_sources}
    return {
        layout.FACT_VERSION: layout.LAYOUT_VERSION,
        "config_name": master.hydra.job.config_name,
        "config_path": sources.get("main"),
        "config_dir": sources.get("command-line"),
        "task": list(arguments),
        "hydra": hydra_overrides(master),
        "now": [[*key, value] for key, value in OmegaConf.get_cache(master)["now"].items()],
    }


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
    if Path(str(master.hydra.sweep.dir)).absolute() != directory:
        others = [text for text in spec["hydra"] if not text.startswith("hydra.sweep.dir=")]
        overrides = [*others, f"hydra.sweep.dir='{directory}'", *spec["task"]]
        master = compose(hydra, spec["config_name"], overrides, multirun=True)
        _set_clock(master, spec["now"])
    return master


def _set_clock(master: DictConfig, readings: Sequence[Sequence[str]]) -> None:
    HydraConfig.instance().set_config(master)
    OmegaConf.get_cache(master)["now"].update({(key,): value for key, value in readings})
