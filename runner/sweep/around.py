"""A job of a sweep inside Hydra's own ``run_job``: callbacks, variables, chdir, other logging."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any

from hydra._internal.callbacks import Callbacks
from hydra.core.config_loader import ConfigLoader
from hydra.core.utils import JobStatus, run_job
from hydra.types import HydraContext
from omegaconf import DictConfig

from runner.app.single import logging_restored, speaking_of_logging


def inside_run_job(
    tree: DictConfig, loader: ConfigLoader, callbacks: Callbacks, do: Callable[[], Any]
) -> None:
    """Does a job as Hydra's launchers do.

    Args:
        tree: the job's whole configuration, with ``hydra.runtime.output_dir``.
        loader: of the sweep.
        callbacks: of the sweep.
        do: the job; what it gives is what callbacks get as its return value.

    Raises:
        BaseException: what the job raised, once the callbacks were told of it.
    """
    with logging_restored(), speaking_of_logging(), redirect_stdout(sys.stderr):
        outcome = run_job(
            task_function=lambda _: do(),
            config=tree,
            job_dir_key="hydra.runtime.output_dir",
            job_subdir_key=None,
            hydra_context=HydraContext(config_loader=loader, callbacks=callbacks),
        )
    if outcome.status is JobStatus.FAILED:
        raise outcome._return_value


@contextmanager
def hydra_log_aside() -> Iterator[None]:
    """Keeps what jobs log away from the console that Hydra logs its own doings to."""
    with logging_restored():
        logging.getLogger().handlers.clear()
        yield
