"""The verbs: what one asks of runs that are stored. None of them loads Hydra.

Each is a module of its own with ``arguments(parser)`` and ``do(args)``, which gives the exit code;
but ``reproduce``, which composes and runs, is :mod:`runner.app.reproduce`.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

from runner.cli.help import VERBS, parser
from runner.ending import answering
from runner.errors import UsageError, clip, nearest

__all__ = ["VERBS", "main"]


def _signed(arguments: Sequence[str]) -> list[str]:
    """`--sort -KEY` as argparse takes it, which would look for an option called -KEY."""
    joined: list[str] = []
    for text in arguments:
        if joined and joined[-1] == "--sort":
            joined[-1] = f"--sort={text}"
        else:
            joined.append(text)
    return joined


def main(argv: Sequence[str]) -> int:
    """Does what the verb asks for; gives the exit code."""
    return answering(lambda: _main(argv))


def _main(argv: Sequence[str]) -> int:
    verb, *rest = argv
    if verb not in VERBS:
        match = nearest(verb, VERBS)
        hint = f"did you mean {match}?" if match else f"verbs: {', '.join(VERBS)}"
        if rest and rest[0].startswith("="):
            hint = f"no blanks around the =: {clip(verb, 60)}=…"
        shown = verb if verb.isprintable() and verb.strip() else ascii(verb)
        raise UsageError(f"{clip(shown, 60)}: neither a verb nor key=value; {hint} (see --help)")
    asked = parser(verb).parse(_signed(rest))
    code: int = import_module(f"runner.cli.{verb}").do(asked)
    return code
