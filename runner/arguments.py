"""The arguments of a verb."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import Any, NoReturn

from runner import console
from runner.errors import UsageError


class Parser(ArgumentParser):
    """argparse, whose complaints are one line of ours; its options may stand anywhere."""

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
