"""``python -m tests.crash NAME [--n N] [--seed S]``: tries to break what the store promises."""

from __future__ import annotations

import argparse
import inspect
import os
import sys
import tempfile
from importlib import import_module
from pathlib import Path

from tests.crash.report import Report

NAMES = ("kills", "points", "power", "faults", "corruption", "starts", "soak")


def main(argv: list[str] | None = None) -> int:
    """Runs the harnesses that are named; 1 if a promise was broken, 77 if one could not run."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.crash",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=__doc__ + "\n\n" + "\n".join(_told(name) for name in NAMES),
    )
    parser.add_argument("names", nargs="+", choices=[*NAMES, "all"], metavar="NAME")
    parser.add_argument("--n", type=int, help="how many; without it the long form")
    parser.add_argument("--seed", type=int, default=0, help="of what is drawn")
    parser.add_argument("--keep", type=Path, help="work in this folder, and leave it there")
    args = parser.parse_args(argv)
    code = 0
    for name in NAMES if "all" in args.names else args.names:
        with tempfile.TemporaryDirectory(prefix="crash-") as made:
            folder = (args.keep or Path(made)).resolve()
            folder.mkdir(parents=True, exist_ok=True)
            os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
            report: Report = import_module(f"tests.crash.{name}").crash(folder, args.n, args.seed)
        sys.stdout.write(report.line() + "\n")
        sys.stdout.flush()
        code = 1 if report.findings else code or (77 if report.missing else 0)
    return code


def _told(name: str) -> str:
    module = import_module(f"tests.crash.{name}")
    return (inspect.getdoc(module) or "").splitlines()[0]


if __name__ == "__main__":
    sys.exit(main())
