"""A sweep, whichever of Hydra's sweepers and launchers does it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra._internal.callbacks import Callbacks
from hydra._internal.hydra import Hydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.core.utils import configure_log
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from runner import job
from runner.app.compose import compose
from runner.app.instantiate import HydraInstantiate
from runner.app.plain import plain
from runner.job import Job
from runner.store.claim import adopt, claim_sweep
from runner.store.commit import point_latest


def run_sweep(hydra: Hydra, config_name: str | None, overrides: Sequence[str]) -> int:
    """Composes the sweep, claims its directory and hands it to the sweeper that was chosen."""
    asked = any(text.startswith("hydra.mode=") for text in overrides)
    overrides = list(overrides) if asked else [*overrides, "hydra.mode=MULTIRUN"]
    cfg = compose(hydra, config_name, overrides, multirun=True)
    HydraConfig.instance().set_config(cfg)
    directory = claim_sweep(Path(str(cfg.hydra.sweep.dir)).absolute())
    with read_write(cfg.hydra), open_dict(cfg.hydra):
        cfg.hydra.sweep.dir = str(directory)
    configure_log(cfg.hydra.hydra_logging, cfg.hydra.verbose)
    callbacks = Callbacks(cfg)
    callbacks.on_multirun_start(config=cfg, config_name=config_name)
    sweeper = Plugins.instance().instantiate_sweeper(
        config=cfg,
        hydra_context=HydraContext(config_loader=hydra.config_loader, callbacks=callbacks),
        task_function=task,
    )
    arguments: Any = OmegaConf.to_container(cfg.hydra.overrides.task, resolve=False)
    sweeper.sweep(arguments=arguments)
    callbacks.on_multirun_end(config=cfg, config_name=config_name)
    point_latest(Path("outputs"), directory)
    print(directory, flush=True)
    return 0


def task(cfg: DictConfig) -> Any:
    """One job of a sweep on one of Hydra's own launchers, inside its ``run_job``."""
    hydra = HydraConfig.get()
    directory = Path(hydra.runtime.output_dir)
    work = Job(
        *plain(cfg),
        overrides=tuple(hydra.overrides.task),
        directory=directory,
        stamped=False,
    )
    instantiate = HydraInstantiate()
    result = job.execute(work, adopt(directory), instantiate, own_log=False)
    return result.metrics.get(str(cfg.objective)) if cfg.objective else None
