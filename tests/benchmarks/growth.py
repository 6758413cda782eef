"""How time and memory of one run grow with samples, width and depth."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import runner
from tests.benchmarks.measure import Course
from tests.benchmarks.processes import environment_in
from tests.benchmarks.streaming import overrides

_LAUNCHER = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[1:])
_, status, usage = os.wait4(process.pid, 0)
print(usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""
"""Starts a process from a small one: the most memory of a process counts from before its ``exec``,
when it still had that of the process that started it."""

COLUMNS = ("varied", "to", "time", "a unit of work", "to the first", "peak memory")


@contextmanager
def benchmark(folder: Path, *, quick: bool) -> Iterator[Course]:
    """10^3 to 10^7 samples, 16 to 4,096 neurons, 1 to 256 layers."""
    yield Course(
        title="Growth of one run",
        question=(
            "Samples: through 2 -> 64 -> 64 -> 3, all layers kept; the unit is a sample. Width: "
            "5,000 samples through two Dense layers, none kept; the unit is a million "
            "multiplications. Depth: 20,000 samples through so many Dense layers of 64 and as many "
            "tanh, all kept; the unit is a layer. Time is from the run's start to its end on "
            "record, without starting Python; memory is the most that was resident."
        ),
        columns=COLUMNS,
        rows=lambda: [*_samples(folder, quick), *_widths(folder, quick), *_depths(folder, quick)],
    )


def _samples(folder: Path, quick: bool) -> list[list[str]]:
    powers = range(3, 5) if quick else range(3, 8)
    return _grown(
        folder, "samples", [(10**power, float(10**power), overrides(10**power)) for power in powers]
    )


def _widths(folder: Path, quick: bool) -> list[list[str]]:
    found = []
    for width in (16, 32) if quick else (64, 256, 1024, 4096):
        work = 5_000 * (2 * width + width * width) / 1e6
        found.append((width, work, _mlp(5_000, 2, width, "statistics")))
    return _grown(folder, "width", found)


def _depths(folder: Path, quick: bool) -> list[list[str]]:
    depths = (1, 2) if quick else (1, 4, 16, 64, 256)
    return _grown(folder, "depth", [(d, 2.0 * d, _mlp(20_000, d, 64, "all")) for d in depths])


def _mlp(samples: int, depth: int, width: int, save: str) -> list[str]:
    net = [f"layers.mlp.depth={depth}", f"layers.mlp.width={width}"]
    size = ["data.classes=1", f"data.samples={samples}"]
    return ["-m", "runner", "layers=mlp", *net, *size, f"save={save}"]


def _grown(folder: Path, what: str, cases: list[tuple[int, float, list[str]]]) -> list[list[str]]:
    rows = []
    first = None
    for value, work, arguments in cases:
        seconds, peak = _measured(folder, arguments)
        unit = seconds / work
        first = first or unit
        cells = [what, f"{value:,}", f"{seconds:.3g} s", f"{unit * 1e6:.3g} µs"]
        rows.append([*cells, f"{unit / first:.3g}", f"{peak / 2**20:.0f} MiB"])
    return rows


def _measured(folder: Path, arguments: list[str]) -> tuple[float, int]:
    """The seconds of a run, and the most memory its process had."""
    done = subprocess.run(
        [sys.executable, "-c", _LAUNCHER, sys.executable, *arguments],
        cwd=folder,
        env=environment_in(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{arguments}: exit code {done.returncode}")
    *_, last, peak = done.stdout.splitlines()
    row = runner.load(last).metadata
    seconds = (row["end_time"] - row["start_time"]).total_seconds()
    shutil.rmtree(last)
    return seconds, int(peak) * 1024
