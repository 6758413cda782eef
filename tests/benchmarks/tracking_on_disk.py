"""The runs of :mod:`tests.benchmarks.tracking`, on the disk that temporary files are on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.benchmarks.measure import Benchmark
from tests.benchmarks.tracking import against_trackers


@contextmanager
def benchmark(folder: Path, *, quick: bool) -> Iterator[Benchmark]:
    """The same runs, in ``folder``."""
    yield against_trackers(folder, "A run recorded, on disk", quick=quick)
