"""``python -m tests.benchmarks [NAME …]``: measures and prints a table in Markdown for each."""

from __future__ import annotations

import argparse
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
    parser.add_argument("--out", type=Path, help="write the tables to this file as well")
    args = parser.parse_args(argv)
    unknown = set(args.names) - set(NAMES)
    if unknown:
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    text = f"{_machine()}\n\n"
    for name in args.names or NAMES:
        module: Module = import_module(f"tests.benchmarks.{name}")
        with (
            tempfile.TemporaryDirectory() as folder,
            module.benchmark(Path(folder), quick=args.quick) as benchmark,
        ):
            if isinstance(benchmark, Course):
                text += benchmark.markdown() + "\n"
            else:
                text += markdown(benchmark, measure(benchmark)) + "\n"
    sys.stdout.write(text)
    if args.out:
        args.out.write_text(text, encoding="utf-8")
    return 0


def _machine() -> str:
    from runner.provenance.environment import environment

    facts = {key.removeprefix("env."): value for key, value in environment().items()}
    libraries = ", ".join(f"{name} {facts[name]}" for name in ("numpy", "hydra", "pyarrow"))
    return (
        f"{facts['cpu'] or platform.machine()}, {facts['cores']} cores, {facts['platform']}; "
        f"{facts['python']}, {libraries}."
    )


if __name__ == "__main__":
    sys.exit(main())
