"""Runs that need not be done again: finished ones of the same configuration, inputs and code."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from runner import job
from runner.app.instantiate import HydraInstantiate
from runner.errors import RunnerError
from runner.job import Job
from runner.store import layout, load, rows
from runner.store.sweeps import row_of_run
from runner.sweep.compose import Composer
from runner.sweep.places import Row
from runner.sweep.work import SharedFacts

_SAME = ("runner", "python", "numpy", "nnfs", "libc", "machine", "blas", "blas_version",
         "blas_kernel", "simd")  # fmt: skip
"""The ``env.*`` facts that have to be the same: those that can change a bit."""


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
            composed = composer.compose(number, overrides)
            work = Job(composed.config, composed.stored, tuple(overrides), self._sweep, False)
            same = self._known.get(work.config_hash, ()) if work.is_told_by_hash else ()
            for path in same:
                if self._is_same(path, work):
                    name = os.path.relpath(path, self._sweep)
                    return {**row_of_run(number, name, self._sweep), "reused": True}
        except (RunnerError, FileNotFoundError):
            return None  # it fails again where that is recorded
        return None

    def _is_same(self, path: Path, work: Job) -> bool:
        stored = load(path).metadata
        if any(stored.get(f"env.{name}") != self._facts[f"env.{name}"] for name in _SAME):
            return False
        now = job.origin(work, HydraInstantiate())
        return all(value is not None and stored.get(key) == value for key, value in now.items())
