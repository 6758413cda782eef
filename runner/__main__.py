"""Looks at the first word: a verb of ours goes to ``cli``, the rest is Hydra's and goes to ``app``."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """The program; gives its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    first = arguments[0] if arguments else ""
    if first in ("-h", "--help") or "--help" in arguments or "-h" in arguments:
        from runner.cli import HELP, VERBS

        if first not in VERBS:
            print(HELP)
            return 0
    if "--version" in arguments:
        import runner

        print(f"runner {runner.__version__}")
        return 0
    if first and not first.startswith("-") and "=" not in first and not first.startswith("~"):
        from runner import cli

        return cli.main(arguments)
    from runner.app.start import main as app

    return app(arguments)


if __name__ == "__main__":
    sys.exit(main())
