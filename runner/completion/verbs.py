"""Words for the verbs: their names, their options, runs, folders and keys."""

from __future__ import annotations

import os
from argparse import Action, ArgumentParser
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from runner.cli import VERBS
from runner.cli.help import parser as verb_parser
from runner.completion.candidate import Candidate
from runner.completion.paths import paths

ROOT = "outputs"
NEWEST = 20
"""So many ids are offered before the first letter of one is typed."""

_KEYS = ("KEY", "A,B")
_NOTHING_TO_SAY = ("SQL", "S,T", "I,J", "MODULE")


def names() -> Iterator[Candidate]:
    """The verbs."""
    yield from (Candidate(verb, about) for verb, about in VERBS.items())


def candidates(verb: str, before: Sequence[str], word: str) -> Iterator[Candidate]:
    """Words after a verb that the last one may become."""
    actions = _parser(verb)._actions
    options = {name: action for action in actions for name in action.option_strings}
    name, equals, value = word.partition("=")
    if equals and name in options:
        yield from _values(options[name], value, f"{name}=")
        return
    pending, places = None, 0
    for typed in before:
        if pending is not None:
            pending = None
        elif typed in options:
            pending = options[typed] if options[typed].nargs != 0 else None
        elif not typed.startswith("-"):
            places += 1
    if pending is not None:
        yield from _values(pending, word)
        if pending.nargs != "?":
            return
    if word.startswith("-"):
        for option, action in options.items():
            if option.startswith("--") and option not in before:
                yield Candidate(option, (action.help or "").replace("%%", "%"))
        return
    positional = [action for action in actions if not action.option_strings]
    if positional and (places < len(positional) or positional[-1].nargs in ("*", "+")):
        yield from _values(positional[min(places, len(positional) - 1)], word)


def _parser(verb: str) -> ArgumentParser:
    if verb == "reproduce":
        from runner.app.reproduce import parser

        return parser()
    return verb_parser(verb)


def _values(action: Action, word: str, before: str = "") -> Iterator[Candidate]:
    if action.choices is not None:
        yield from (Candidate(f"{before}{choice}") for choice in action.choices)
    elif action.metavar in _KEYS:
        yield from _keys(word, before)
    elif action.type is Path:
        yield from paths(word, before)
    elif action.type is None and action.metavar not in _NOTHING_TO_SAY:
        yield from _runs(word, before)


def _runs(word: str, before: str) -> Iterator[Candidate]:
    if "/" in word or word.startswith((".", "~")):
        yield from paths(word, before, folders_only=True)
        return
    if os.path.lexists(f"{ROOT}/latest"):
        yield Candidate(f"{before}latest", "the newest that finished")
    if word:
        yield from paths(word, before, folders_only=True)
    stored = [row for row in _rows() if row["run_id"]]
    for row in stored:
        if row["name"]:
            yield Candidate(f"{before}{row['name']}", _about(row))
    for row in islice(stored, None if word else NEWEST):
        yield Candidate(f"{before}{row['run_id']}", _about(row))


def _about(row: dict[str, Any]) -> str:
    words = " ".join(row["overrides"] or ())
    about = f"{row['start_time']:%Y-%m-%d %H:%M} {row['status']} {words}"
    return "".join(c for c in about if c.isprintable())[:70]


def _keys(word: str, before: str) -> Iterator[Candidate]:
    """Columns of the runs, without ``params.``; after a comma, or a minus, another one."""
    head = word[: word.rfind(",") + 1]
    sign = "-" if word[len(head) :].startswith("-") else ""
    found = dict.fromkeys(key for row in _rows() for key in row)
    for key in found:
        yield Candidate(f"{before}{head}{sign}{key.removeprefix('params.')}")


def _rows() -> list[dict[str, Any]]:
    from runner.store import rows

    return rows(ROOT) if os.path.isdir(ROOT) else []
