"""Runs that need not be done again: finished ones of the same configuration, inputs and code."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from runner import job
from runner.app.instantiate import HydraInstantiate
from runner.errors import DamagedError, RunnerError
from runner.job import Job
from runner.store import layout, load, rows, sums
from runner.store.read import Run
from runner.store.sweeps import row_of_run
from runner.sweep.compose import Composer
from runner.sweep.places import Row, job_of
from runner.sweep.work import SharedFacts

_SAME = ("env.runner", "env.python", "env.numpy", "env.nnfs", "env.libc", "env.machine", "env.blas",
         "env.blas_version", "env.blas_kernel", "env.simd")  # fmt: skip
"""The facts that have to be the same: those that can change a bit."""


class Reuse:
    """Finished runs anywhere below ``outputs``, by the hash of their configuration.

    Args:
        sweep: the sweep that asks, whose own runs are not looked at.
        facts: of this machine.
    """

    def __init__(self, sweep: Path, facts: SharedFacts) -> None:
        self._sweep = sweep
        self._facts = facts.result()
        self._known: dict[str, list[Path]] = {}
        root = Path("outputs")
        for row in rows(root) if root.is_dir() else []:
            path = Path(row["path"]).absolute()
            if row["status"] == layout.FINISHED and not path.is_relative_to(sweep):
                self._known.setdefault(row["config_hash"], []).append(path)

    def find(self, number: int, composer: Composer, overrides: Sequence[str]) -> Row | None:
        """The row of a run that may stand for this job; None: it has to be done."""
        try:
            work = job_of(composer.compose(number, overrides))
            now = self._origin(work) if work.is_told_by_hash else None
        except (RunnerError, FileNotFoundError):
            return None  # it fails again where that is recorded
        if now is None:
            return None
        for path in self._known[work.config_hash]:
            # One that is damaged, or was taken away since, stands for nothing.
            with suppress(RunnerError, FileNotFoundError):
                run = load(path)
                facts = run.metadata
                if all(facts.get(key) == value for key, value in now.items()):
                    _check_whole(run)
                    return self._row(number, work, path)
        return None

    def _origin(self, work: Job) -> dict[str, object] | None:
        """What has to be the same of a run; None: no run can be known to be this job."""
        if work.config_hash not in self._known:
            return None
        origin = job.origin(work, HydraInstantiate())
        if None in origin.values():
            return None
        return {**origin, **{key: self._facts[key] for key in _SAME}}

    def _row(self, number: int, work: Job, path: Path) -> Row:
        """The run's row, and of the job what does not change the result."""
        row = row_of_run(number, os.path.relpath(path, self._sweep), self._sweep)
        row |= {f"params.{key}": value for key, (value, _) in work.params().items()}
        given = {"name": work.stored["name"], "tags": work.tags, "overrides": list(work.overrides)}
        return {**row, **given, "reused": True}


def _check_whole(run: Run) -> None:
    """Looks at a run's files, without reading the outputs.

    Raises:
        DamagedError: one is missing, or not what was written.
    """
    for layer in run.layers.values():
        layer.check_size()
    for name in sums.read(run.path):
        if not (run.path / name).is_file():
            raise DamagedError(run.path / name, "is missing")
    _ = run.inputs_matrix, run.parameters
