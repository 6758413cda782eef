"""What waits for another thread is taken by it, whatever a signal interrupts."""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import suppress
from typing import Any

import pytest

from runner.store.waiting import Waiting


class _SignalError(Exception):
    pass


@pytest.mark.skipif(
    sys.gettrace() is not None,
    reason="a signal may strike where the tracer holds a lock of its own",
)
def test_no_signal_leaves_the_other_thread_asleep() -> None:
    def interrupt(number: int, frame: Any) -> None:
        raise _SignalError

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        for turn in range(400):
            waiting: Waiting[int] = Waiting(2)
            taken: list[int] = []
            thread = threading.Thread(target=lambda: taken.extend(waiting), daemon=True)  # noqa: B023
            thread.start()
            signal.setitimer(signal.ITIMER_REAL, 0.0002 + turn % 40 * 0.00001)
            with suppress(_SignalError):
                for number in range(100_000):
                    waiting.put(number)
            waiting.end()
            thread.join(5)
            assert not thread.is_alive()
            assert taken == list(range(len(taken)))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_there_is_no_more_than_there_is_room_for() -> None:
    waiting: Waiting[str] = Waiting(2)
    for word in ("one", "two"):
        waiting.put(word)
    late = threading.Thread(target=waiting.put, args=["three"], daemon=True)
    late.start()
    late.join(0.1)
    assert late.is_alive()
    words = iter(waiting)
    assert next(words) == "one"
    late.join(5)
    waiting.end()
    assert [*words] == ["two", "three"]
