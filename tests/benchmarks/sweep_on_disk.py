"""The sweep of :mod:`tests.benchmarks.sweep`, on the disk that temporary files are on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.benchmarks.measure import Benchmark
from tests.benchmarks.sweep import BASIC, LOOP, against_hydra


@contextmanager
def benchmark(folder: Path, *, quick: bool) -> Iterator[Benchmark]:
    """The same jobs, in ``folder``."""
    yield against_hydra(
        folder,
        "A job of a sweep, on disk",
        quick=quick,
        goals={BASIC: 1 / 40, LOOP: 1.5, f"{LOOP}, with fsync": 1.5},
    )
