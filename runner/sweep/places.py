"""What is on disk of the jobs of a sweep: looked for, cleared away, recorded."""

from __future__ import annotations

import os
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner import job
from runner.app.hints import translate
from runner.errors import ConfigError, DamagedError, RunnerError, UsageError, one_line
from runner.job import Job
from runner.store import layout
from runner.store.claim import Claim, claim
from runner.store.claim.owner import is_alive, read_claim, told_alive
from runner.store.claim.remains import is_abandoned, remove
from runner.store.commit import tidy_up
from runner.store.sweeps import job_row, row_of_run
from runner.store.sweeps.job_folders import has_lost_its_run, job_number
from runner.sweep.compose import Composer
from runner.sweep.compose.by_hydra import JobConfig

Row = dict[str, Any]


@dataclass(frozen=True)
class Places:
    """The jobs of a sweep by number, and the directory of each.

    Attributes:
        composer: gives a job's configuration.
        points: the overrides of each job.
        first: the number of the first of them.
        sweep: the directory.
    """

    composer: Composer
    points: Sequence[tuple[str, ...]]
    first: int
    sweep: Path

    def make_way(self, number: int) -> Row | None:
        """Clears a job's directory for a launcher of Hydra's.

        Returns:
            The row of a job that is finished, or can't be done; None: it is to be done.
        """
        directory = str(number)
        try:
            work = job_of(self._composed(number))
            directory = os.path.relpath(work.directory, self.sweep)
            if work.directory.exists():
                done = self._found_done(number, directory, work)
                if done:
                    return done
                self._clear(number, work.directory)
        except RunnerError as error:
            return self._unrecorded(number, directory, reason_of(error))
        return None

    def recorded(self, number: int) -> Row | None:
        """The row of a job by what is on disk of it; None: no run of it is."""
        try:
            work = job_of(self._composed(number))
            directory = os.path.relpath(work.directory, self.sweep)
            return self._row_in(number, directory, work)
        except RunnerError:
            return None

    def bury(self, number: int, reason: str, status: str = layout.FAILED) -> Row:
        """Records a job whose process is gone; gives its row. One that is finished stays so."""
        directory = str(number)
        try:
            work = job_of(self._composed(number))
            directory = os.path.relpath(work.directory, self.sweep)
            done = self._done_before(number, directory, work)
            if done:
                return done
            claimed = self._claimed(number, work.directory)
            return job_row(number, directory, job.record_failure(work, claimed, reason, status))
        except (RunnerError, OSError) as error:
            return self._unrecorded(
                number, directory, f"{reason}; not recorded: {reason_of(error)}"
            )

    def was_begun(self, number: int) -> bool:
        """Whether a job has been claimed, and not committed."""
        try:
            directory = job_of(self._composed(number)).directory
        except RunnerError:
            return False  # it fails again where it is recorded
        claimed, run = directory / layout.CLAIM_FILE, directory / layout.RUN_FILE
        return self._is_inside(directory) and claimed.exists() and not run.exists()

    def _found_done(self, number: int, directory: str, work: Job) -> Row | None:
        """The row of a job that is finished: a worker has died between that and saying so.

        Raises:
            UsageError: somebody is at it.
            RunnerError: see :meth:`_row_in`.
        """
        self._check_free(work.directory)
        done = self._done_before(number, directory, work)
        if done:
            tidy_up(work.directory)
        return done

    def _done_before(self, number: int, directory: str, work: Job) -> Row | None:
        row = self._row_in(number, directory, work)
        return row if row and row["status"] == layout.FINISHED else None

    def _row_in(self, number: int, directory: str, work: Job) -> Row | None:
        """The row of the job's run, however it ended; None: there is none.

        Raises:
            RunnerError: there is one that is another job's, or can't be read: it is left alone.
        """
        try:
            row = row_of_run(number, directory, self.sweep)
        except FileNotFoundError:
            return None
        except DamagedError:
            if has_lost_its_run(self.sweep / directory, number):
                return None
            raise
        stored = job_number(self.sweep / directory)
        if list(row["overrides"]) != list(work.overrides) or stored not in (None, number):
            problem = "another job is there: make it differ, with ${hydra.job.num}"
            raise ConfigError("hydra.sweep.subdir", directory, problem)
        return row

    def _check_free(self, directory: Path) -> None:
        """Sees to it that nobody who lives is at the job."""
        if self._is_inside(directory) and is_alive(directory):
            raise UsageError(f"job {directory.name} is {told_alive(directory)}")

    def _is_ours(self, directory: Path) -> bool:
        """Whether this process has claimed the directory and left no run in it."""
        owner = read_claim(directory) if self._is_inside(directory) else None
        return owner is not None and owner.get("pid") == os.getpid()

    def _is_anothers(self, directory: Path) -> bool:
        """Whether a process that lives, and is not this one, is at the directory."""
        return self._is_inside(directory) and is_alive(directory) and not self._is_ours(directory)

    def _is_inside(self, directory: Path) -> bool:
        return directory.is_relative_to(self.sweep) and directory != self.sweep

    def _composed(self, number: int) -> JobConfig:
        overrides = self.points[number - self.first]
        try:
            return self.composer.compose(number, overrides)
        except RunnerError:
            raise
        except Exception as error:
            raise translate(error, overrides) from error

    def _claimed(self, number: int, directory: Path) -> Claim:
        """The job's directory, without what an earlier try left there."""
        self._clear(number, directory)
        return claim(directory, stamped=False)

    def _clear(self, number: int, directory: Path) -> None:
        """Takes away a run that was killed or is no more, and one that is FAILED or INTERRUPTED."""
        there = (layout.CLAIM_FILE, layout.RUN_FILE)
        left = any((directory / name).exists() for name in there) or is_abandoned(directory)
        if self._is_inside(directory) and (left or has_lost_its_run(directory, number)):
            remove(directory)

    def _unrecorded(self, number: int, directory: str, reason: str) -> Row:
        overrides = [text for text in self.points[number - self.first] if not is_hydras(text)]
        record = {"status": layout.FAILED, "error": reason, "overrides": overrides, "tags": []}
        return job_row(number, directory, record)


def job_of(composed: JobConfig) -> Job:
    """The job as it is run."""
    return Job(
        composed.config,
        composed.stored,
        overrides=tuple(text for text in composed.overrides if not is_hydras(text)),
        directory=Path(composed.directory).absolute(),
        stamped=False,
        hydra_files=dict(composed.hydra_files),
    )


def is_hydras(override: str) -> bool:
    """Whether an override is about Hydra's own configuration, which a run does not keep."""
    return override.lstrip("+~").startswith(("hydra.", "hydra/"))


def reason_of(error: BaseException) -> str:
    """What a job failed for, in one line."""
    if isinstance(error, RunnerError):
        return one_line(str(error))
    last = traceback.extract_tb(error.__traceback__)[-1:]
    place = f" ({Path(last[0].filename).name}:{last[0].lineno})" if last else ""
    return one_line(f"{type(error).__name__}: {error}{place}")
