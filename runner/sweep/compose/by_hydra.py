"""One job of a sweep as Hydra composes it: the reference that every short cut has to equal."""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import env_override
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from runner.app.allowed import check_job_directory, check_log_files
from runner.app.plain import environment_in, hidden, plain
from runner.app.single import is_usual


@dataclass(frozen=True)
class JobConfig:
    """All that a job needs to start.

    Attributes:
        number: of the job in its sweep, from 0.
        overrides: of the task, as Hydra's launcher gets them.
        config: the task's configuration as plain dicts and lists, every interpolation resolved.
        stored: the same as it may go to disk, with the text of the interpolation where a value
            comes from the environment; the very same object where none does.
        directory: of the job, as ``run_job`` computes it: relative if it is configured so.
        hydra_files: name -> text of what Hydra writes into ``.hydra``; empty if
            ``hydra.output_subdir`` is null, when Hydra writes nothing.
        by_hydra: composed by Hydra itself.
        usual: Hydra has nothing to do around the job: no callbacks, no other folder, no variables,
            no logging of the user's own.
    """

    number: int
    overrides: tuple[str, ...]
    config: dict[str, Any]
    stored: dict[str, Any]
    directory: str
    hydra_files: dict[str, str]
    by_hydra: bool
    usual: bool = True

    def same_as(self, other: JobConfig) -> bool:
        """Whether two compositions of a job agree, types and the order of keys included."""
        return repr(replace(self, by_hydra=other.by_hydra)) == repr(other)


def compose_by_hydra(
    loader: ConfigLoader, master: DictConfig, number: int, overrides: Sequence[str]
) -> tuple[JobConfig, DictConfig, DictConfig]:
    """Composes a job as Hydra's basic launcher and ``run_job`` do, without touching the disk.

    Returns:
        The job; the whole configuration, with the ``hydra`` key; the task's, without it.

    Raises:
        Exception: whatever Hydra raises when it composes these overrides.
        ConfigError: a value is missing, or an interpolation cannot be resolved.
    """
    cfg = loader.load_sweep_config(master, list(overrides))
    with open_dict(cfg):
        cfg.hydra.job.id = number
        cfg.hydra.job.num = number
    known = HydraConfig.instance()
    outer = known.cfg
    try:
        known.set_config(cfg)
        sweep, subdir = (str(OmegaConf.select(cfg, f"hydra.sweep.{k}")) for k in ("dir", "subdir"))
        pairs = environment_in(cfg, "hydra.sweep.subdir")  # first: what is refused is shown
        check_job_directory(sweep, subdir)
        directory = os.path.join(sweep, subdir)
        with read_write(cfg.hydra.runtime), open_dict(cfg.hydra.runtime):
            cfg.hydra.runtime.output_dir = os.path.abspath(directory)
        known.set_config(cfg)
        task = copy.deepcopy(cfg)
        with read_write(task), open_dict(task):
            del task["hydra"]
        files: dict[str, str] = {}
        if cfg.hydra.output_subdir is not None:
            files = {
                "config.yaml": OmegaConf.to_yaml(task),
                "hydra.yaml": hidden(OmegaConf.to_yaml(copy.deepcopy(known.cfg)), pairs),
                "overrides.yaml": OmegaConf.to_yaml(cfg.hydra.overrides.task),
            }
        # Hydra calls the application with these variables set.
        with env_override(cfg.hydra.job.env_set):
            config, stored = plain(task)
        usual = is_usual(cfg)
        if not usual:
            check_log_files(cfg, "job_logging", Path(directory))
    finally:
        known.cfg = outer
    job = JobConfig(
        number,
        tuple(overrides),
        config,
        stored,
        directory,
        files,
        by_hydra=True,
        usual=usual,
    )
    return job, cfg, task
