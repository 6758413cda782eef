"""Work that must be done in order, beside the work that makes it: lanes of bounded length."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Thread
from types import TracebackType
from typing import Self

from runner.store.waiting import Waiting

Task = Callable[[], None]


class Lanes:
    """Threads that each do what they are given, in order, and hold up those who give too much.

    Leaving the block waits until all is done; leaving it with an exception drops what waits, so
    that nothing touches a file once the block is left.

    Args:
        rooms: for each lane, how many tasks may wait in it. None at all: every task is done at
            once, by who gives it, and no thread is started.
    """

    def __init__(self, rooms: Sequence[int]) -> None:
        self._queues = [Waiting[Task](max(1, room)) for room in rooms]
        self._threads = [
            Thread(target=self._work, args=[queue], name=f"lane_{number}", daemon=True)
            for number, queue in enumerate(self._queues)
        ]
        self._failure: BaseException | None = None
        self._dropping = False

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._dropping = error is not None
        for queue in self._queues:
            queue.end()
        for thread in self._threads:
            thread.join()
        if error is None:
            self._check()

    def put(self, lane: int, task: Task) -> None:
        """Gives a task to a lane, once there is room.

        Raises:
            BaseException: what a task before it raised.
        """
        if not self._queues:
            task()
            return
        self._check()
        self._queues[lane].put(task)

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _work(self, queue: Waiting[Task]) -> None:
        for task in queue:
            if self._dropping or self._failure is not None:
                continue
            try:
                task()
            except BaseException as error:  # noqa: BLE001 - raised again where tasks come from
                self._failure = error


def spread(weights: Sequence[float], lanes: int) -> list[int]:
    """For each weight the number of a lane, so that all lanes carry about the same."""
    loads = [0.0] * lanes
    found = [0] * len(weights)
    for index in sorted(range(len(weights)), key=lambda i: -weights[i]):
        found[index] = loads.index(min(loads))
        loads[found[index]] += weights[index]
    return found
