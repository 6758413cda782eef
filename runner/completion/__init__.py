"""What the shell offers when TAB is pressed: verbs, options, runs, groups and keys.

Turned on as for any program of Hydra's, ``eval "$(runner -sc install=bash)"``, but answered from
the files of the configuration, without Hydra, which would take most of a second each time.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from runner import console
from runner.completion.candidate import Candidate
from runner.errors import RunnerError, UnknownKeyError, UsageError


def main(arguments: Sequence[str]) -> int:
    """Prints the script that a shell evaluates, or what fits the line in ``COMP_LINE``."""
    from runner.completion.shells import INSTALL, UNINSTALL

    try:
        asked = [
            text
            for text in arguments
            if text.partition("=")[0] in ("install", "uninstall", "query")
        ]
        if len(asked) != 1:
            example = "install=bash, uninstall=zsh, …"
            raise UsageError(f"--shell-completion needs one thing to do: {example}")
        what, _, shell = asked[0].partition("=")
        if shell not in INSTALL:
            raise UnknownKeyError(f"--shell-completion {what}", shell, shell, INSTALL)
    except RunnerError as error:
        console.say(error.line())
        return error.exit_code
    if what != "query":
        console.give((INSTALL if what == "install" else UNINSTALL)[shell].rstrip())
        return 0
    from runner.completion.answer import answer

    line = os.environ.get("COMP_LINE", "")
    # In characters; bash counts bytes, and passes none beyond the cursor.
    point = os.environ.get("COMP_POINT", "")
    for candidate in answer(line[: int(point)] if point.isdecimal() else line):
        if candidate.word.isprintable():
            console.give(_as_line(candidate, shell))
    return 0


def _as_line(candidate: Candidate, shell: str) -> str:
    """bash and zsh put in what they get, so what they would act on is escaped; fish does that."""
    plain = {"bash": r"[^\w@%+=:,./~\[\]-]", "zsh": r"[^\w@%+=:,./-]"}.get(shell)
    word = re.sub(plain, lambda found: f"\\{found[0]}", candidate.word) if plain else candidate.word
    if shell == "bash":
        return word if candidate.open else f"{word} "
    return f"{word}\t{candidate.about}" if candidate.about else word
