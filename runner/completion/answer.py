"""From the line up to the cursor to the words that fit."""

from __future__ import annotations

import shlex
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from runner.cli import VERBS
from runner.completion import overrides, verbs
from runner.completion.candidate import Candidate

LONGEST = 10.0
"""Seconds: a tree of a hundred thousand runs that was never listed shall not hold the shell up."""


def answer(line: str) -> list[Candidate]:
    """Every word that the last one on the line may become; empty where nothing is known."""
    words = _words(line)
    if words is None:
        return []
    *before, word = words
    found: dict[str, Candidate] = {}
    # Whatever goes wrong: a half-written YAML file, a damaged run. TAB is no place to tell of it.
    with _in_time():
        try:
            for candidate in _candidates(before, word):
                if candidate.word.startswith(word):
                    found.setdefault(candidate.word, candidate)
        except Exception:  # noqa: BLE001, S110
            pass
    return list(found.values())


def _candidates(before: list[str], word: str) -> Iterator[Candidate]:
    if before and before[0] in VERBS:
        yield from verbs.candidates(before[0], before[1:], word)
        return
    if not before:
        yield from verbs.names()
    yield from overrides.candidates(before, word)


def _words(line: str) -> list[str] | None:
    """The words after the program's name, the last one as far as it was typed; None: in quotes."""
    try:
        words = shlex.split(line, posix=True)
    except ValueError:
        return None
    if line[-1:].isspace() and not line.endswith("\\ "):
        words.append("")
    # What came before it on the line: variables for it alone, `command`, `time`.
    at = next((i for i, word in enumerate(words) if word.rpartition("/")[2] == "runner"), 0)
    return words[at + 1 :] or None


class _TimeIsUpError(BaseException):
    """Not an ``Exception``, so that nothing on the way takes it for its own."""


@contextmanager
def _in_time() -> Iterator[None]:
    def give_up(*_: object) -> None:
        raise _TimeIsUpError

    signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, LONGEST)
    try:
        yield
    except _TimeIsUpError:
        pass
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
