"""One job of a sweep: composed, run and committed, in whatever process it is handed to."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import chdir, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from hydra._internal.callbacks import Callbacks

from runner import job
from runner.app.instantiate import HydraInstantiate
from runner.data.table import paths_from
from runner.errors import (
    InterruptedRunError,
    RunnerError,
    WriteError,
    one_line,
)
from runner.job import Job, Result, value_of
from runner.job.interrupts import held_back
from runner.provenance import Gathering
from runner.store import layout
from runner.store.claim import Claim
from runner.store.claim.remains import remove
from runner.store.commit import Sealed, commit_all, sync_ends, tidy
from runner.store.shared import SharedInputs
from runner.store.sweeps import job_row
from runner.sweep.around import inside_run_job
from runner.sweep.compose.by_hydra import JobConfig
from runner.sweep.places import Places, Row, job_of, reason_of

_Ended = tuple[Row, Sealed | None]

_GROUP_SECONDS = 0.2  # how long a run that has ended may wait for others to be committed with


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
class Work(Places):
    """The jobs of a sweep, to be done by number.

    Attributes:
        threads: tiles computed at once in each job.
        facts: what the runs' records say of the machine.
        callbacks: of the sweep, for the jobs around which Hydra has something to do.
        only: stop before the first job that this refuses; None: do all of them.
    """

    threads: int
    facts: SharedFacts
    callbacks: Callbacks = field(default_factory=Callbacks)
    only: Callable[[JobConfig], bool] | None = None
    shared: SharedInputs = field(default_factory=SharedInputs, init=False, repr=False)

    def __call__(self, numbers: Iterable[int]) -> Iterator[Row]:
        """Does jobs; gives their rows in order, also of those that fail.

        Jobs that end close together are committed together, and none is told of before it is.

        Raises:
            InterruptedRunError: a signal; the job in flight is committed as INTERRUPTED.
        """
        ended: list[_Ended] = []
        begun = time.monotonic()
        try:
            for number in numbers:
                # A class of the reader's may go elsewhere; relative paths are meant from here.
                with chdir("."):
                    ended.append(self._do(number))
                if time.monotonic() - begun > _GROUP_SECONDS:
                    yield from self._committed(ended)
                    begun = time.monotonic()
            yield from self._committed(ended)
        except _ElsewhereError:
            yield from self._committed(ended)
        except InterruptedRunError:
            self._committed(ended, again=False)
            raise

    def _do(self, number: int, *, alone: bool = False) -> _Ended:
        """A job's row, and its run if that is yet to be committed: never where it is alone."""
        rows: list[Row] = []
        sealed: list[Sealed] = []
        directory = str(number)
        composed: JobConfig | None = None
        try:
            composed = self._composed(number)
            if self.only and not self.only(composed):
                raise _ElsewhereError
            work = job_of(composed)
            directory = os.path.relpath(work.directory, self.sweep)
            if work.directory.exists():  # seldom: a look at all that might be there costs more
                done = self._found_done(number, directory, work)
                if done:
                    return done, None
            do = partial(
                job.execute,
                work,
                self._claimed(number, work.directory),
                HydraInstantiate(),
                threads=self.threads,
                facts=self.facts,
                shared=self.shared,
                ended=lambda record: rows.append(job_row(number, directory, record)),
            )
            if composed.usual:
                do(put_in_place=None if alone else sealed.append)
            else:
                self._by_hydra(number, work, do, rows)
        except _ElsewhereError:
            raise
        except InterruptedRunError as error:
            if sealed:
                commit_all(sealed)
            elif not rows and composed is not None and self._is_ours(job_of(composed).directory):
                # Between the claim and the first line of the run.
                reason = f"interrupted by signal {error.exit_code - 128}"
                self.bury(number, reason, layout.INTERRUPTED)
            raise
        except BaseException as error:  # noqa: BLE001 - no job of a sweep may stop the others
            if not rows:
                return self._not_begun(number, directory, composed, reason_of(error)), None
            if not isinstance(error, RunnerError):
                rows[0]["error"] = reason_of(error)
        return rows[0], sealed[0] if sealed else None

    def _not_begun(
        self, number: int, directory: str, composed: JobConfig | None, reason: str
    ) -> Row:
        """The row of a job that failed before it had any."""
        anothers = composed is not None and self._is_anothers(job_of(composed).directory)
        if composed is not None and not composed.usual and not anothers:
            return self.bury(number, reason)  # Hydra failed, and left its files
        if composed is not None and self._is_ours(job_of(composed).directory):
            Claim(job_of(composed).directory, ()).abandon()
        return self._unrecorded(number, directory, reason)

    def _by_hydra(self, number: int, work: Job, do: Callable[..., Result], rows: list[Row]) -> None:
        """A job inside Hydra's ``run_job``, which writes ``.hydra`` and the log itself."""
        work.hydra_files.clear()
        objective, here = work.config["objective"], Path.cwd()

        def application() -> float | None:
            with paths_from(here):
                do(own_log=False)
            return value_of(rows[0], objective) if objective else None

        tree = self.composer.tree(number, self.points[number - self.first])
        inside_run_job(tree, self.composer.loader, self.callbacks, application)

    def _committed(self, ended: list[_Ended], *, again: bool = True) -> list[Row]:
        """Commits what has ended, and empties the list."""
        mine = ended[:]
        ended.clear()
        try:
            with held_back():
                commit_all([run for _, run in mine if run])
        except WriteError as error:
            return [self._alone(row, run, error, again=again) for row, run in mine]
        return [row for row, _ in mine]

    def _alone(self, row: Row, run: Sealed | None, error: WriteError, *, again: bool) -> Row:
        """A job's row after the commit of several failed: one's failure is not the others'.

        What was written may be lost by now, whatever another flush would say: the job is done
        once more, unless its run is in place.
        """
        if run is None:
            return row
        try:
            if (run.directory / layout.RUN_FILE).exists():
                sync_ends(run)
                tidy(run)
                return row
        except WriteError as failure:
            return {**row, "status": layout.FAILED, "error": one_line(str(failure))}
        if again:
            with suppress(WriteError):
                remove(run.directory)
                return self._do(row["number"], alone=True)[0]
        run.claim.abandon()
        return {**row, "status": layout.FAILED, "error": one_line(str(error)), "run_id": None}


class _ElsewhereError(Exception):
    """A job is not to be done here."""
