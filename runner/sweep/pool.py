"""Warm worker processes that are handed jobs in batches, and may die without harm.

Of a worker that died, all unanswered jobs are suspects: each is handed out again alone, so that
the one that does it again is known, and the others are not lost. Jobs may therefore be begun more
than once; what they do has to stand that.
"""

from __future__ import annotations

import ctypes
import itertools
import multiprocessing
import os
import signal
import sys
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

from runner import console
from runner.errors import InterruptedRunError

Item = TypeVar("Item")
Answer = TypeVar("Answer")

_BATCH_SECONDS = 0.1  # how much work to hand out at a time: long against a message, short to wait
_LARGEST_BATCH = 64
_GRACE_SECONDS = 1.0  # for the jobs in flight to be recorded after an interrupt

_PR_SET_PDEATHSIG = 1  # of Linux

_ENDING = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True)
class Died:
    """A worker that ended in the middle of a job.

    Attributes:
        exit_code: as :mod:`multiprocessing` gives it: negative for a signal.
    """

    exit_code: int | None

    def __str__(self) -> str:
        if self.exit_code is not None and self.exit_code < 0:
            name = signal.Signals(-self.exit_code).name
            hint = " (out of memory?)" if self.exit_code == -signal.SIGKILL else ""
            return f"its worker process was killed by {name}{hint}"
        return f"its worker process ended with exit code {self.exit_code}"


@dataclass
class _Worker(Generic[Item]):
    process: Any
    pipe: Connection
    lifeline: Connection  # closed with the parent, whatever ends it
    items: deque[Item] = field(default_factory=deque)
    since: float = 0.0
    alone: bool = False  # it has a suspect, and nothing else


class Pool(Generic[Item, Answer]):
    """Does ``work`` on items in ``n_workers`` processes.

    Args:
        work: called in a worker with a batch of items; gives a small answer for each, in order,
            and may keep them back to give several at once. With processes that are forked it may
            be any callable, and what it holds is shared as it is now.
        n_workers: processes, at least 1.

    Attributes:
        cut_off: the items that were handed out and have no answer, once it has ended early.
    """

    def __init__(self, work: Callable[[Sequence[Item]], Iterator[Answer]], n_workers: int) -> None:
        self._work = work
        self._n_workers = n_workers
        # Forked workers start warm, with everything imported and composed; macOS can't.
        method = "fork" if sys.platform == "linux" else "spawn"
        self._context: Any = multiprocessing.get_context(method)
        self._workers: list[_Worker[Item]] = []
        self._seconds_per_item = _BATCH_SECONDS
        self.cut_off: list[Item] = []

    def run(self, items: Iterable[Item]) -> Generator[tuple[Item, Answer | Died], None, None]:
        """The answers, as they come; every item is answered exactly once.

        Ends all workers before it ends itself, also when it is left early or interrupted.
        """
        source = iter(items)
        suspects: deque[Item] = deque()
        try:
            # After handing out, nobody has work only if there is none left anywhere.
            while self._hand_out(source, suspects):
                yield from self._collect(suspects)
        finally:
            self._end()

    def _hand_out(self, source: Iterator[Item], suspects: deque[Item]) -> bool:
        """Fills up the workers; whether any of them has something to do."""
        size = int(min(_LARGEST_BATCH, max(1, _BATCH_SECONDS / max(self._seconds_per_item, 1e-6))))
        for number in range(self._n_workers):
            worker = self._workers[number] if number < len(self._workers) else None
            if worker and worker.items and (suspects or worker.alone):
                continue
            if worker and len(worker.items) > size // 2:
                continue
            alone = bool(suspects)
            batch = [suspects.popleft()] if alone else list(itertools.islice(source, size))
            if not batch:
                break
            if worker is None:
                worker = self._start()
            if not worker.items:
                worker.since = time.monotonic()
            worker.items.extend(batch)
            worker.alone = alone
            # If it died, the collector will see that and give its items to another.
            with suppress(BrokenPipeError, ConnectionResetError):
                worker.pipe.send(batch)
        return any(worker.items for worker in self._workers)

    def _collect(self, suspects: deque[Item]) -> Iterator[tuple[Item, Answer | Died]]:
        """Takes in the answers that are there, waiting for at least one."""
        pipes = {worker.pipe: worker for worker in self._workers}
        for ready in wait(list(pipes)):
            worker = pipes[ready]  # type: ignore[index]
            try:
                while worker.items:
                    answer = worker.pipe.recv()
                    item = worker.items.popleft()
                    now = time.monotonic()
                    self._seconds_per_item += 0.2 * (now - worker.since - self._seconds_per_item)
                    worker.since = now
                    yield item, answer
                    if not worker.pipe.poll():
                        break
            except (EOFError, ConnectionResetError):
                yield from self._bury(worker, suspects)

    def _bury(self, worker: _Worker[Item], suspects: deque[Item]) -> Iterator[tuple[Item, Died]]:
        worker.process.join()
        self._workers.remove(worker)
        worker.pipe.close()
        worker.lifeline.close()
        if worker.alone and worker.items:
            yield worker.items.popleft(), Died(worker.process.exitcode)
        suspects.extend(worker.items)

    def _start(self) -> _Worker[Item]:
        ours, theirs = self._context.Pipe()
        listened, lifeline = self._context.Pipe(duplex=False)
        # What a forked worker inherits of the others' lifelines it has to close, or they'd live on.
        inherited = [lifeline, ours, *(c for w in self._workers for c in (w.lifeline, w.pipe))]
        process = self._context.Process(
            target=_serve, args=(self._work, theirs, listened, inherited), daemon=True
        )
        with warnings.catch_warnings():
            # Python 3.12 warns of the BLAS threads; the library restarts its own after a fork.
            warnings.simplefilter("ignore", DeprecationWarning)
            with _signals_waiting():
                process.start()
        theirs.close()
        listened.close()
        worker: _Worker[Item] = _Worker(process, ours, lifeline)
        self._workers.append(worker)
        return worker

    def _end(self) -> None:
        """No worker outlives this; asked first, so that a job in flight is recorded."""
        deadline = time.monotonic() + _GRACE_SECONDS
        for worker in self._workers:
            if worker.items:
                worker.process.terminate()
            worker.pipe.close()
        for worker in self._workers:
            worker.process.join(max(0.0, deadline - time.monotonic()))
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
            worker.lifeline.close()
            self.cut_off += worker.items
        self._workers.clear()


def _serve(
    work: Callable[[Sequence[Any]], Iterator[Any]],
    pipe: Connection,
    lifeline: Connection,
    inherited: list[Connection],
) -> None:
    """A worker's life: until its parent closes the pipe, is gone, or says so by SIGTERM."""
    for connection in inherited:
        connection.close()
    console.in_worker()
    # Ctrl-C on a terminal reaches everybody; the parent alone decides what happens.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _interrupted)
    _be_killed_with_parent()
    threading.Thread(target=_die_with_parent, args=(lifeline,), daemon=True).start()
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
        while True:
            for answer in work(pipe.recv()):
                pipe.send(answer)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        code = 0
    except OSError:  # the pipe itself: whoever is at the other end sees a worker that died
        code = 1
    except InterruptedRunError as error:
        code = error.exit_code
    # Not sys.exit: what the parent had registered to happen at exit is the parent's.
    os._exit(code)


@contextmanager
def _signals_waiting() -> Iterator[None]:
    """Signals that come meanwhile wait: a worker that begins has the handlers of its parent yet."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _interrupted(number: int, _frame: Any) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise InterruptedRunError(number)


def _be_killed_with_parent() -> None:
    """By the system, where it can: a thread of ours gets no turn while C code holds the GIL."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _die_with_parent(lifeline: Connection) -> None:
    try:
        lifeline.recv_bytes()
    except (EOFError, OSError):
        os._exit(1)
