"""What can be told of a sweep before its first job, and before its directory is made."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from runner import job
from runner.app.instantiate import HydraInstantiate
from runner.errors import ConfigError, RunnerError
from runner.job import Job
from runner.schema import BY_TARGET
from runner.sweep.again import some_of
from runner.sweep.compose import Composer

_LONG = 16_000_000  # bytes of a table


def check_some(jobs: Sequence[tuple[str, ...]], composer: Composer) -> None:
    """Refuses a sweep of which no job can be run, as far as looking at a few of them tells.

    A job that fails stops no other: so a bad value among good ones is let pass. Nothing of the
    user's is imported here.

    Raises:
        RunnerError: what the first one is refused for.
    """
    first: RunnerError | None = None
    for number in some_of(jobs):
        try:
            composed = composer.compose(number, jobs[number])
            if _has_code(composed.config) or _is_long(composed.config):
                return
            work = Job(composed.config, composed.stored, (), Path(composed.directory), False)
            try:
                job.prepare(work, HydraInstantiate())
            except RunnerError as error:
                work.secrets.hide_in(error)
                raise
        except RunnerError as error:
            first = first or error
        else:
            return
    if first is not None:
        raise first


def check_apart(master: DictConfig, jobs: Sequence[tuple[str, ...]]) -> None:
    """Refuses one directory for all jobs.

    Raises:
        ConfigError: its name looks nothing up.
    """
    sweep: Any = OmegaConf.to_container(master.hydra.sweep, resolve=False)
    if len(jobs) > 1 and "${" not in str(sweep["subdir"]):
        problem = "is one directory for all jobs: add ${hydra.job.num}"
        raise ConfigError("hydra.sweep.subdir", sweep["subdir"], problem)


def _is_long(config: Mapping[str, Any]) -> bool:
    """Whether looking at the data takes about as long as a job does."""
    path = config["data"].get("path") if isinstance(config["data"], Mapping) else None
    try:
        return isinstance(path, str) and os.path.getsize(path) > _LONG
    except (OSError, ValueError):
        return False


def _has_code(config: Mapping[str, Any]) -> bool:
    entries = [config["data"], *(config["layers"] or {}).values()]
    targets = [entry.get("_target_") for entry in entries if isinstance(entry, Mapping)]
    return bool(config["trust"]) and any(target not in BY_TARGET for target in targets)
