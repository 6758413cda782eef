"""How a call of the program ends: its exit code, and the one line that says why."""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from runner import console
from runner.errors import (
    InterruptedRunError,
    LayerFailedError,
    RunnerError,
    interruption,
    no_way,
    refusal,
)


def answering(do: Callable[[], int]) -> int:
    """Gives the exit code of what is done, or of the error that it ends in, which is told."""
    try:
        with interruptible():
            return do()
    except BaseException as error:
        if isinstance(error, SystemExit) and not error.code:
            return 0  # the help was asked for
        signalled = interruption(error)
        if signalled is not None:
            return _leave(getattr(signalled, "exit_code", 130))
        if not isinstance(error, RunnerError):
            refused = refusal(error) or no_way(error)
            if refused is None:
                raise
            error = refused
        if isinstance(error, LayerFailedError):
            _trace(error)
        console.say(error.line())
        return error.exit_code


def _leave(code: int) -> int:
    console.say("runner: interrupted")
    if threading.active_count() > 1:
        # A product that is in the works cannot be ended, only left.
        with suppress(OSError, ValueError):
            sys.stdout.flush()
        os._exit(code)
    return code


def _trace(error: LayerFailedError) -> None:
    """The traceback of the reader's code, which is theirs to mend."""
    if error.trace:
        console.say(error.trace.rstrip())
    elif error.__cause__ is not None:
        console.say("".join(traceback.format_exception(error.__cause__)).rstrip())


@contextmanager
def interruptible() -> Iterator[None]:
    """SIGINT and SIGTERM end what runs inside in order; a second one at once."""

    def interrupt(number: int, _: object) -> None:
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_DFL)
        raise InterruptedRunError(number)

    before = {each: signal.signal(each, interrupt) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
