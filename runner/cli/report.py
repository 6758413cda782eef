"""``report``: a run, two runs or a sweep as one page to look at."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from runner import console

FOLDER = Path("outputs") / "reports"


def arguments(parser: ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("path", metavar="RUN", help="a run")
    parser.add_argument("--out", metavar="FILE", type=Path, help="the page's file")


def do(args: Namespace) -> int:
    """Writes it; the last line on stdout says where it is."""
    from runner.report.page import write
    from runner.report.run import page_of_run
    from runner.store import load, resolve

    run = load(resolve(args.path))
    path = write(args.out or FOLDER / f"{run.id}.html", page_of_run(run))
    console.give(path.absolute())
    return 0
