"""A long run with every layer kept, against its products and a raw write of the same bytes."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np

from tests.benchmarks.measure import Benchmark, Contender
from tests.benchmarks.processes import place, starter

WIDTHS = (2, 64, 64, 3)
ROWS = 65_536


def overrides(samples: int, save: str = "all") -> list[str]:
    """The arguments of a run of that many spiral samples through 2 -> 64 -> 64 -> 3."""
    layer = "{_target_: runner.layers.Dense, n_neurons: "
    return [
        *("-m", "runner", "layers=one_dense", "layers.dense1.n_neurons=64"),
        *(f"+layers.dense2={layer}64}}", f"+layers.dense3={layer}3}}"),
        *("data.classes=1", f"data.samples={samples}", f"save={save}"),
    ]


@contextmanager
def benchmark(folder: Path, *, quick: bool) -> Iterator[Benchmark]:
    """4,000,000 samples, 2.1 GB of outputs."""
    samples = 20_000 if quick else 4_000_000

    def floor() -> float:
        return products(samples) + raw_write(place("floor", folder), samples)

    yield Benchmark(
        title="Streaming a long run to disk",
        question=(
            f"{samples:,} samples through {' -> '.join(map(str, WIDTHS))}, all layers kept, the "
            "nnfs rule. The floor is the time of the products alone (float64, on all cores, as "
            "numpy does them in batches) plus that of writing as many bytes raw, flushed to disk. "
            "Ours is the whole command: it draws the data, takes statistics, digests every layer "
            "and every file, writes parquet, and flushes."
        ),
        contenders=[
            Contender("products + raw write", floor),
            Contender("products alone", lambda: products(samples)),
            Contender("numpy to raw files", lambda: by_hand(place("by hand", folder), samples)),
            _runner("runner, all layers kept", folder, overrides(samples)),
            _runner("runner, save=statistics", folder, overrides(samples, "statistics")),
        ],
        rounds=1 if quick else 5,
        goals={"runner, all layers kept": 2.0},
    )


def weights() -> list[np.ndarray]:
    """A matrix for each layer, float64."""
    stream = np.random.RandomState(0)
    return [stream.randn(a, b) for a, b in pairwise(WIDTHS)]


def products(samples: int) -> float:
    """Seconds that the matrix products take, and nothing else."""
    matrices = weights()
    inputs = [np.random.RandomState(1).randn(ROWS, len(matrix)) for matrix in matrices]
    outputs = [np.empty((ROWS, matrix.shape[1])) for matrix in matrices]
    started = time.perf_counter()
    for start in range(0, samples, ROWS):
        rows = min(ROWS, samples - start)
        for arriving, matrix, out in zip(inputs, matrices, outputs, strict=True):
            np.matmul(arriving[:rows], matrix, out=out[:rows])
    return time.perf_counter() - started


def raw_write(folder: Path, samples: int) -> float:
    """Seconds that writing as many bytes as the outputs have takes, until they are on disk."""
    size = samples * sum(WIDTHS[1:]) * 4
    block = memoryview(np.random.RandomState(2).bytes(1 << 24))
    path = folder / "raw"
    started = time.perf_counter()
    with path.open("wb", buffering=0) as file:
        while size > 0:
            size -= file.write(block[: min(size, len(block))])
        os.fsync(file.fileno())
    seconds = time.perf_counter() - started
    path.unlink()
    return seconds


def by_hand(folder: Path, samples: int) -> float:
    """Seconds of a loop as one writes it: batches, float32, a raw file a layer, no statistics."""
    matrices = weights()
    stream = np.random.RandomState(3)
    started = time.perf_counter()
    files = [(folder / str(at)).open("wb", buffering=0) for at in range(len(matrices))]
    for start in range(0, samples, ROWS):
        arriving = stream.randn(min(ROWS, samples - start), WIDTHS[0]).astype(np.float32)
        for file, matrix in zip(files, matrices, strict=True):
            arriving = (arriving.astype(np.float64) @ matrix).astype(np.float32)
            file.write(arriving)
    for file in files:
        os.fsync(file.fileno())
        file.close()
    seconds = time.perf_counter() - started
    for at in range(len(matrices)):
        (folder / str(at)).unlink()
    return seconds


def _runner(name: str, folder: Path, arguments: list[str]) -> Contender:
    start = starter(name, folder)

    def run() -> float:
        started = time.perf_counter()
        start(arguments)
        seconds = time.perf_counter() - started
        shutil.rmtree(place(name, folder) / "outputs")
        return seconds

    return Contender(name, run)
