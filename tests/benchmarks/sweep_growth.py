"""A sweep of ten thousand jobs: whether time and memory stay what they are."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from pyarrow.parquet import ParquetFile

from tests.benchmarks.jobs import TARGET, memory, sweep_of
from tests.benchmarks.measure import Course
from tests.benchmarks.processes import environment_in

_SECONDS = 0.1  # between two looks at the memory


@dataclass(frozen=True)
class Look:
    """The memory at one time.

    Attributes:
        time: seconds since the epoch.
        parent: bytes resident in the process that was started.
        workers: bytes resident in each of its children; what they share with it counts in each.
    """

    time: float
    parent: int
    workers: list[int]


@contextmanager
def benchmark(folder: Path, *, quick: bool) -> Iterator[Course]:
    """10,000 jobs by the thousand, in memory where there is such a place."""
    jobs, part = (40, 20) if quick else (10_000, 1_000)
    with memory(folder) as place:
        yield Course(
            title=f"A sweep of {jobs:,} jobs",
            question=(
                "Two dense layers on 300 points, a seed a job. Time by when the jobs ended; "
                "memory, as resident, is the most in that time, and at the end of all."
            ),
            columns=("jobs ended", "a job", "to the first", "parent", "largest worker", "workers"),
            rows=lambda: growth(place, jobs, part),
        )


def growth(folder: Path, jobs: int, part: int) -> list[list[str]]:
    """Does the sweep; a row for every ``part`` jobs."""
    looks = _watched(folder, sweep_of(jobs))
    with ParquetFile(folder / TARGET / "sweep.parquet") as file:
        index = file.read(["start_time", "end_time"]).to_pydict()
    ends = sorted(moment.timestamp() for moment in index["end_time"])
    if len(ends) != jobs:
        raise RuntimeError(f"{len(ends)} jobs in the index instead of {jobs}")
    marks = [min(moment.timestamp() for moment in index["start_time"]), *ends[part - 1 :: part]]
    spans = list(pairwise(marks))
    first = spans[0][1] - spans[0][0]
    rows = []
    for number, (begin, end) in enumerate(spans, 1):
        seconds = end - begin
        seen = [look for look in looks if begin <= look.time <= end] or looks[-1:]
        rows.append(
            [
                f"{number * part:,}",
                f"{seconds / part * 1000:.3g} ms",
                f"{seconds / first:.3g}",
                _mib(max(look.parent for look in seen)),
                _mib(max(max(look.workers, default=0) for look in seen)),
                str(max(len(look.workers) for look in seen)),
            ]
        )
    rows.append(["the index", "", "", _mib(max(look.parent for look in looks)), "", ""])
    return rows


def _watched(folder: Path, arguments: Sequence[str]) -> list[Look]:
    """Starts Python, and looks at its memory until it ends."""
    looks = []
    with (
        (folder / "errors").open("w+", encoding="utf-8") as errors,
        subprocess.Popen(
            [sys.executable, *arguments],
            cwd=folder,
            env=environment_in(folder),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
        ) as process,
    ):
        while process.poll() is None:
            looks.append(_look(process.pid))
            time.sleep(_SECONDS)
        if process.returncode != 0:
            errors.seek(0)
            raise RuntimeError(errors.read())
    return looks


def _look(parent: int) -> Look:
    """Linux's own account; without it, zeros."""
    resident: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*/status"):
        with suppress(OSError, ValueError):
            lines = entry.read_text(encoding="utf-8").splitlines()
            facts = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
            number = int(facts["Pid"])
            if parent in (number, int(facts["PPid"])) and "VmRSS" in facts:
                resident[number] = int(facts["VmRSS"].split()[0]) * 1024
    workers = [size for number, size in resident.items() if number != parent]
    return Look(time.time(), resident.get(parent, 0), workers)


def _mib(size: int) -> str:
    return f"{size / 2**20:.0f} MiB" if size else ""
