"""Contenders whose time is that of one job or run, of many done in a row."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from runner.store.files import sync_filesystem
from tests.benchmarks.measure import Contender
from tests.benchmarks.processes import place, starter

_MEMORY = Path("/dev/shm")
_ROOM = 2 << 30

TASK = ("layers=two_dense", "data.samples=100")
"""What every job computes: two layers on 300 points."""

TARGET = "sweep"
"""The directory that a contender's jobs go to, below its own."""


@contextmanager
def memory(folder: Path) -> Iterator[Path]:
    """A folder in memory where the system has such a place, and room in it; else ``folder``."""
    try:
        there = os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _ROOM
    except OSError:
        there = False
    if not there:
        yield folder
        return
    with tempfile.TemporaryDirectory(dir=_MEMORY) as own:
        yield Path(own)


def sweep_of(count: int, *more: str) -> list[str]:
    """The arguments of a sweep of ours over ``count`` seeds."""
    sweep = f"hydra.sweep.dir={TARGET}"
    return ["-m", "runner", "-m", f"seeds.seed=range({count})", *TASK, sweep, *more]


def a_job(
    name: str,
    arguments: Callable[[int], Sequence[str]],
    folder: Path,
    few: int,
    many: int,
    variables: Mapping[str, str] | None = None,
) -> Contender:
    """A job of a process that does a number of them, its start not counted.

    The start is in the time for ``few`` jobs as in that for ``many``, and drops out of the
    difference. With 0 for ``few`` it is counted.

    Args:
        name: the contender's.
        arguments: of Python, for a number of jobs, which go to :data:`TARGET`.
        folder: where the contender gets a folder of its own.
        few: jobs.
        many: jobs.
        variables: of the environment.
    """
    start, work = starter(name, folder, variables), place(name, folder)

    def took(count: int) -> float:
        started = time.perf_counter()
        start(arguments(count))
        seconds = time.perf_counter() - started
        _clear(work, count)
        return seconds

    def run() -> float:
        return (took(many) - (took(few) if few else 0.0)) / (many - few)

    return Contender(name, run)


def told(
    name: str,
    arguments: Sequence[str],
    folder: Path,
    count: int,
    variables: Mapping[str, str] | None = None,
) -> Contender:
    """A run of a script that is told where and how many, and prints the seconds that one took."""
    start, work = starter(name, folder, variables), place(name, folder)

    def run() -> float:
        seconds = float(start([*arguments, TARGET, str(count)]).split()[-1])
        _clear(work)
        return seconds

    return Contender(name, run)


def _clear(work: Path, count: int | None = None) -> None:
    """Takes away what was written, so that it is not written to disk in the next one's time."""
    if count is not None:
        runs = sum(1 for _ in (work / TARGET).glob("*/run.parquet"))
        if runs != count:
            raise RuntimeError(f"{work.name}: {runs} runs instead of {count}")
    for path in work.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    sync_filesystem([work])
