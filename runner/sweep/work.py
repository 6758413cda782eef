"""One job of a sweep: composed, run and committed, in whatever process it is handed to."""

from __future__ import annotations

import os
import shutil
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner import job
from runner.app.hints import translate
from runner.app.instantiate import HydraInstantiate
from runner.errors import InterruptedRunError, RunnerError, UsageError, one_line
from runner.job import Job
from runner.provenance import Gathering
from runner.store import layout
from runner.store.claim import Claim, claim, is_alive
from runner.store.sweeps import job_row
from runner.sweep.by_hydra import JobConfig
from runner.sweep.compose import Composer

Row = dict[str, Any]


class SharedFacts(Gathering):
    """Where the runs of a sweep come from, gathered once for all of them."""

    def __init__(self, *, threads: int) -> None:
        super().__init__(threads=threads)
        self.start()
        self._known = super().result()

    def result(self, wait: float = 0.0) -> dict[str, object]:
        """The facts."""
        return self._known


@dataclass(frozen=True)
class Work:
    """The jobs of a sweep, to be done by number.

    Attributes:
        composer: gives a job's configuration.
        points: the overrides of each job.
        first: the number of the first of them.
        sweep: the directory.
        threads: tiles computed at once in each job.
        facts: what the runs' records say of the machine.
    """

    composer: Composer
    points: Sequence[tuple[str, ...]]
    first: int
    sweep: Path
    threads: int
    facts: SharedFacts

    def __call__(self, number: int) -> Row:
        """Does a job; gives its row of the index, also when it fails.

        Raises:
            InterruptedRunError: a signal; the run is committed as INTERRUPTED.
        """
        rows: list[Row] = []
        directory = str(number)
        try:
            composed = self._composed(number)
            work = _job(composed)
            directory = os.path.relpath(work.directory, self.sweep)
            job.execute(
                work,
                self._claimed(work.directory),
                HydraInstantiate(),
                threads=self.threads,
                facts=self.facts,
                ended=lambda record: rows.append(job_row(number, directory, record)),
            )
        except InterruptedRunError:
            raise
        except BaseException as error:  # noqa: BLE001 - no job of a sweep may stop the others
            if not rows:
                return self._unrecorded(number, directory, _reason(error))
            if not isinstance(error, RunnerError):
                rows[0]["error"] = _reason(error)
        return rows[0]

    def bury(self, number: int, reason: str) -> Row:
        """Records a job whose process is gone as FAILED; gives its row."""
        directory = str(number)
        try:
            work = _job(self._composed(number))
            directory = os.path.relpath(work.directory, self.sweep)
            claimed = self._claimed(work.directory, dead=True)
            return job_row(number, directory, job.record_failure(work, claimed, reason))
        except (RunnerError, OSError) as error:
            return self._unrecorded(number, directory, f"{reason}; not recorded: {_reason(error)}")

    def _composed(self, number: int) -> JobConfig:
        overrides = self.points[number - self.first]
        try:
            return self.composer.compose(number, overrides)
        except RunnerError:
            raise
        except Exception as error:
            raise translate(error, overrides, {}) from error

    def _claimed(self, directory: Path, *, dead: bool = False) -> Claim:
        """The job's directory, without what an earlier try left there."""
        inside = directory.is_relative_to(self.sweep) and directory != self.sweep
        if inside and directory.is_dir() and (directory / layout.CLAIM_FILE).exists():
            if not dead and is_alive(directory):
                raise UsageError(f"job {directory.name} is being done by another process")
            shutil.rmtree(directory, ignore_errors=True)
        elif inside and (directory / layout.RUN_FILE).exists():
            shutil.rmtree(directory)  # FAILED or INTERRUPTED, and taken up again
        return claim(directory, stamped=False)

    def _unrecorded(self, number: int, directory: str, reason: str) -> Row:
        overrides = [text for text in self.points[number - self.first] if not _is_hydras(text)]
        record = {"status": layout.FAILED, "error": reason, "overrides": overrides, "tags": []}
        return job_row(number, directory, record)


def _job(composed: JobConfig) -> Job:
    return Job(
        composed.config,
        composed.stored,
        overrides=tuple(text for text in composed.overrides if not _is_hydras(text)),
        directory=Path(composed.directory).absolute(),
        stamped=False,
        hydra_files=dict(composed.hydra_files),
    )


def _is_hydras(override: str) -> bool:
    return override.lstrip("+~").startswith(("hydra.", "hydra/"))


def _reason(error: BaseException) -> str:
    if isinstance(error, RunnerError):
        return one_line(str(error))
    last = traceback.extract_tb(error.__traceback__)[-1:]
    place = f" ({Path(last[0].filename).name}:{last[0].lineno})" if last else ""
    return one_line(f"{type(error).__name__}: {error}{place}")
