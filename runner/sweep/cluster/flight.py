"""The jobs of a sweep on their way to the workers of a cluster and back."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from runner.errors import RunnerError
from runner.store import layout
from runner.sweep.cluster.scheduler import cannot, distributed
from runner.sweep.places import Row
from runner.sweep.work import Work

if TYPE_CHECKING:
    from runner.sweep.cluster.crew import Crew

_TRIES = 10  # of a job that was not begun: what died had been doing something else


class Flight:
    """The jobs of one sweep on their way.

    Of a worker that died, all jobs it was handed are suspects: each goes alone from then on, so
    that the one that does it again is known, and the others are not lost.

    Args:
        crew: whom they are handed to.
        work: the sweep.
        name: by which the workers know it.
        numbers: of the jobs.
    """

    def __init__(self, crew: Crew, work: Work, name: str, numbers: Sequence[int]) -> None:
        self._crew = crew
        self._work = work
        self._name = name
        self._left = deque(numbers)
        self._suspects: deque[int] = deque()
        self._tries: dict[int, int] = {}
        self._handed_out = 0
        self._flying: dict[Any, list[int]] = {}

    def rows(self) -> Iterator[Row]:
        """Hands the jobs out, and gives what comes back."""
        ended: SimpleQueue[Any] = SimpleQueue()
        while True:
            for future in self._hand_out():
                future.add_done_callback(ended.put)
            if not self._flying:
                return
            future = ended.get()
            yield from self._taken_in(future, self._flying.pop(future))

    def cancel(self) -> None:
        """Takes back what has not begun."""
        self._crew.cancel(list(self._flying))

    def interrupted(self, signal_number: int) -> None:
        """Records the jobs whose workers were ended in the middle of them."""
        for number in [number for batch in self._flying.values() for number in batch]:
            if self._work.was_begun(number):
                reason = f"interrupted by signal {signal_number}"
                self._work.bury(number, reason, layout.INTERRUPTED)
        self._flying.clear()

    def _hand_out(self) -> Iterator[Any]:
        """As much as keeps the workers busy while the answers are on their way."""
        while (self._left or self._suspects) and len(self._flying) < 2 * self._crew.slots:
            if self._suspects:
                batch = [self._suspects.popleft()]
            else:
                size = self._crew.size(len(self._left))
                batch = [self._left.popleft() for _ in range(min(size, len(self._left)))]
            future = self._crew.submit(self._name, batch, self._handed_out)
            self._handed_out += 1
            self._flying[future] = batch
            yield future

    def _taken_in(self, future: Any, batch: list[int]) -> Iterator[Row]:
        if future.status == "finished":
            try:
                rows, seconds = future.result()
            except OSError as error:  # it went after it had said that there is a result
                raise self._crew.lost() from error
            self._crew.took(len(rows), seconds)
            yield from rows
            self._left.extendleft(
                sorted(set(batch) - {row["number"] for row in rows}, reverse=True)
            )
        elif future.status == "error":
            yield from self._died(future.exception(), batch)
        else:
            raise self._crew.lost()

    def _died(self, error: BaseException, batch: list[int]) -> Iterator[Row]:
        if not isinstance(error, distributed().KilledWorker):
            if isinstance(error, RunnerError):
                raise error
            raise cannot(self._crew.address, error)
        for number in batch:
            self._tries[number] = self._tries.get(number, 0) + 1
        # One of several may be what kills its workers: each goes alone.
        number, tries = batch[0], self._tries[batch[0]]
        if len(batch) > 1 or tries == 1 or (tries < _TRIES and not self._work.was_begun(number)):
            self._suspects.extend(batch)
        else:
            at = error.last_worker.address
            yield self._work.bury(number, f"its worker died whenever it was tried, at last {at}")
