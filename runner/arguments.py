"""The arguments of a verb."""

from __future__ import annotations

from argparse import Action, ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from typing import Any, NoReturn

from runner import console
from runner.errors import UsageError

A_RUN = "a path, a run id or the start of one, a name, or latest"
"""What a verb takes for a run, for its help."""


class _Once(Action):
    """Takes a value; of an option's two, argparse would heed the last without a word."""

    def __call__(
        self, parser: ArgumentParser, namespace: Namespace, values: Any, option: str | None = None
    ) -> None:
        if option is not None:
            given: set[str] = namespace.__dict__.setdefault("_given", set())
            if self.dest in given:
                parser.error(f"{option} is given twice: say which")
            given.add(self.dest)
        setattr(namespace, self.dest, values)


class Parser(ArgumentParser):
    """argparse, whose complaints are one line of ours; its options may stand anywhere.

    Args:
        verb: the first word.
        what: what it does, in a line.
        examples: calls of it, from the verb on.
    """

    def __init__(self, verb: str, what: str, examples: Sequence[str]) -> None:
        super().__init__(
            prog=f"runner {verb}",
            description=what,
            epilog="\n  python -m runner ".join(["examples:", *examples]),
            formatter_class=RawDescriptionHelpFormatter,
        )
        for name in (None, "store"):
            self.register("action", name, _Once)

    def parse(self, arguments: Sequence[str]) -> Namespace:
        """What the arguments say.

        Raises:
            UsageError: they can't be meant as they stand.
        """
        return self.parse_intermixed_args(arguments)

    def error(self, message: str) -> NoReturn:
        """Turns a complaint into an error of ours."""
        raise UsageError(f"{self.prog.removeprefix('runner ')}: {message}; see {self.prog} --help")

    def _print_message(self, message: str, file: Any = None) -> None:
        console.out(message.rstrip("\n"))  # argparse would not say that it can't be written
