"""``python -m tests.benchmarks [NAME …]``: measures and prints a table in Markdown for each."""

from __future__ import annotations

import argparse
import datetime as dt
import platform
import sys
import tempfile
from importlib import import_module
from pathlib import Path

from tests.benchmarks.measure import Course, Module, markdown, measure

NAMES = (
    "compare",
    "composition",
    "growth",
    "reading",
    "reports",
    "safety",
    "single_run",
    "streaming",
    "sweep",
    "sweep_growth",
    "sweep_on_disk",
    "tracking",
    "tracking_on_disk",
    "writing",
    "writing_wide",
)
"""The modules here that are benchmarks."""


def main(argv: list[str] | None = None) -> int:
    """Runs the benchmarks that are named, or all of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: does it work at all?")
    parser.add_argument(
        "--page", type=Path, help="put the tables in their places in this file as well"
    )
    args = parser.parse_args(argv)
    unknown = set(args.names) - set(NAMES)
    if unknown:
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    machine = _machine()
    sys.stdout.write(f"{machine}\n\n")
    for name in args.names or NAMES:
        section = _measured(name, quick=args.quick)
        sys.stdout.write(f"{section}\n")
        sys.stdout.flush()
        if args.page:
            page = args.page.read_text(encoding="utf-8")
            args.page.write_text(placed(page, name, f"{section}\n{machine}\n"), encoding="utf-8")
    return 0


def _measured(name: str, *, quick: bool) -> str:
    module: Module = import_module(f"tests.benchmarks.{name}")
    with (
        tempfile.TemporaryDirectory() as folder,
        module.benchmark(Path(folder), quick=quick) as benchmark,
    ):
        if isinstance(benchmark, Course):
            return benchmark.markdown()
        return markdown(benchmark, measure(benchmark))


def placed(page: str, name: str, section: str) -> str:
    """The page with this section between its two comments, instead of what is there.

    Raises:
        ValueError: the page has no place of that name.
    """
    begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"no place for {name} in the page: {begin.strip()} … {end}")
    return f"{before}{begin}{section}{end}{after}"


def _machine() -> str:
    from runner.provenance.environment import environment

    facts = {key.removeprefix("env."): value for key, value in environment().items()}
    libraries = ", ".join(f"{name} {facts[name]}" for name in ("numpy", "hydra", "pyarrow"))
    return (
        f"Measured on {dt.datetime.now(dt.UTC).date().isoformat()}: "
        f"{facts['cpu'] or platform.machine()}, {facts['cores']} cores, {facts['platform']}; "
        f"{facts['python']}, {libraries}."
    )


if __name__ == "__main__":
    sys.exit(main())
