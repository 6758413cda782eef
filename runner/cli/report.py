"""``report``: a run, two runs or a sweep as one page to look at."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from runner import console
from runner.errors import UsageError

FOLDER = Path("outputs") / "reports"


def arguments(parser: ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("path", metavar="RUN|SWEEP", help="a run, or a sweep")
    parser.add_argument("other", metavar="RUN", nargs="?", help="a run to compare it with")
    parser.add_argument(
        "--out",
        metavar="FILE",
        type=Path,
        help="the page's file; outputs/reports/ID.html otherwise",
    )
    parser.add_argument("--runs", action="store_true", help="of a sweep: a page for each run, too")


def do(args: Namespace) -> int:
    """Writes it; the last line on stdout says where it is."""
    from runner.report.page import check_place, write
    from runner.store import load, resolve
    from runner.store.sweeps import is_sweep

    if args.out is not None:
        check_place(args.out)
    path = resolve(args.path)
    if args.runs and (args.other is not None or not is_sweep(path)):
        raise UsageError("report: --runs goes with a sweep")
    if args.other is not None:
        from runner.report.pair import page_of_pair

        a, b = load(path), load(args.other)
        name, text = f"{a.id}-{b.id}", page_of_pair(a, b)
    elif is_sweep(path):
        from runner.report.sweep import name_of_sweep, page_of_sweep

        name = name_of_sweep(path)
        out = args.out or FOLDER / f"{name}.html"
        if args.runs:
            _pages_of_runs(path, out.parent)
        text = page_of_sweep(path, out.parent)
    else:
        from runner.report.run import page_of_run

        run = load(path)
        name, text = run.id, page_of_run(run)
    console.give(write(args.out or FOLDER / f"{name}.html", text).absolute())
    return 0


def _pages_of_runs(sweep: Path, folder: Path) -> None:
    """A page for each run of a sweep that can be read, beside the sweep's own."""
    from runner.report.page import write
    from runner.report.run import page_of_run
    from runner.store import layout, load
    from runner.store.index import sound_rows

    stored = [row for row in sound_rows(sweep) if row["status"] in layout.STORED_STATUSES]
    bar = console.Progress(len(stored), "pages")
    for row in stored:
        run = load(row["path"])
        write(folder / f"{run.id}.html", page_of_run(run))
        bar.advance(1)
    bar.close()
