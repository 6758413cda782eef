"""Writing a wide layer, which is one column of lists."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.benchmarks.measure import Benchmark
from tests.benchmarks.writing import of_shape


@contextmanager
def benchmark(folder: Path, *, quick: bool) -> Iterator[Benchmark]:
    """10,000 x 4,096, in memory where there is such a place."""
    with of_shape(folder, (5_000, 1_100) if quick else (10_000, 4_096), quick=quick) as found:
        yield found
