"""Signals wait while a run is put in place: it ends whole or not at all."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def held_back() -> Iterator[None]:
    """A first SIGINT or SIGTERM takes effect when the block is left; a second one at once.

    Whatever handler is set is called then, as if the signal came that late. Only the main thread
    ever sees signals, so in any other one this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[int] = []

    def note(number: int, _: Any) -> None:
        arrived.append(number)
        for each in before:
            signal.signal(each, signal.SIG_DFL)

    # A signal that ends the process at once goes on doing so: it is the second one.
    found = {each: signal.getsignal(each) for each in _SIGNALS}
    before = {each: handler for each, handler in found.items() if callable(handler)}
    try:
        for each in before:
            signal.signal(each, note)
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    if arrived:
        signal.raise_signal(arrived[0])
