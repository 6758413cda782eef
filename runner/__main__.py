"""Looks at the first word: a verb of ours goes to ``cli``, what is Hydra's goes to ``app``."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """The program; gives its exit code."""
    # What is loaded until somebody else takes them is ours to leave without a word.
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, _leave)
    from runner import console
    from runner.errors import RunnerError

    console.open_streams()
    try:
        code = _answer(list(sys.argv[1:] if argv is None else argv))
        console.flush()
    except RunnerError as error:
        console.say(error.line())
        return error.exit_code
    return code


def _answer(arguments: Sequence[str]) -> int:
    from runner import console

    first = arguments[0] if arguments else ""
    if "--help" in arguments or "-h" in arguments:
        from runner.cli.help import VERBS, whole

        if first not in VERBS:
            from runner.app.folders import config_directory

            console.out(whole(config_directory()))
            return 0
    if "--version" in arguments:
        import runner

        console.out(f"runner {runner.__version__}")
        return 0
    if any(text.partition("=")[0] in ("-sc", "--shell-completion") for text in arguments):
        from runner.completion import main as completion

        return completion(arguments)
    _be_somewhere()
    if first == "reproduce":
        from runner.app.reproduce import main as reproduce

        return reproduce(arguments)
    if first and not first.startswith("-") and "=" not in first and not first.startswith("~"):
        from runner import cli

        return cli.main(arguments)
    # BLAS starts threads that we leave idle: they are to sleep at once, not to spin for 25 ms.
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")
    # Nothing of what is imported becomes garbage; looking for it takes a tenth of a small run.
    gc.disable()
    from runner.app.start import main as app

    return app(arguments)


def _be_somewhere() -> None:
    """Outputs, tables and modules are looked for in the current folder."""
    from runner.errors import UsageError

    try:
        os.getcwd()
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(f"the current folder is gone ({reason}): cd to another") from None


def _leave(number: int, _: object) -> None:
    os._exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
