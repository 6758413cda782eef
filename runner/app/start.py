"""``python -m runner [OVERRIDES]`` at its start: without Hydra, where this was composed before."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from runner import console
from runner.app import cache
from runner.app.cache import Composition
from runner.app.fingerprint import fingerprint
from runner.app.work import usual
from runner.errors import InterruptedRunError, LayerFailedError, RunnerError, interruption, refusal


def main(argv: Sequence[str]) -> int:
    """Does what the arguments ask for; gives the exit code."""
    return answering(lambda: _start(argv))


def answering(do: Callable[[], int]) -> int:
    """Gives the exit code of what is done, or of the error that it ends in, which is told."""
    try:
        with interruptible():
            return do()
    except BaseException as error:
        signalled = interruption(error)
        if signalled is not None:
            return _leave(getattr(signalled, "exit_code", 130))
        if not isinstance(error, RunnerError):
            refused = refusal(error)
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
        sys.stdout.flush()
        os._exit(code)
    return code


def _trace(error: LayerFailedError) -> None:
    """The traceback of the reader's code, which is theirs to mend."""
    if error.trace:
        console.say(error.trace.rstrip())
    elif error.__cause__ is not None:
        traceback.print_exception(error.__cause__)


def _start(argv: Sequence[str]) -> int:
    key = fingerprint(argv) if cache.enabled() else None
    found = cache.load(key) if key else None
    if found is not None and cache.fits((work := found.job()).directory):
        _collect_again()
        result = usual(work, found.files_in)
        console.give(result.directory)
        return 0
    from runner.app.main import by_hydra

    _collect_again()

    def keep(composition: Composition) -> None:
        # The files may have been changed while Hydra was reading them.
        if key and fingerprint(argv) == key:
            cache.save(key, composition)

    return by_hydra(argv, keep if key else None)


def _collect_again() -> None:
    """Ends the pause that ``__main__`` began; what is there by now is never looked at again."""
    gc.freeze()
    gc.enable()


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
