"""Writing a layer's outputs, against pyarrow's own way from the same array."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from runner.numerics import TILE
from runner.store.claim import claim
from runner.store.layout import WIDE
from runner.store.write import RunWriter
from tests.benchmarks.jobs import memory
from tests.benchmarks.measure import Benchmark, Contender

Array = np.ndarray[Any, Any]


@contextmanager
def benchmark(folder: Path, *, quick: bool) -> Iterator[Benchmark]:
    """5,000,000 x 8 as columns, in memory where there is such a place."""
    with of_shape(folder, (50_000 if quick else 5_000_000, 8), quick=quick) as found:
        yield found


@contextmanager
def of_shape(folder: Path, shape: tuple[int, int], *, quick: bool) -> Iterator[Benchmark]:
    """The same for any shape."""
    rows, width = shape
    values = np.random.RandomState(0).standard_normal(shape).astype(np.float32)
    with memory(folder) as place:
        yield Benchmark(
            title=f"Writing {rows:,} x {width:,}",
            question=(
                f"A matrix of {rows:,} x {width:,} float32 into one parquet file, uncompressed, "
                "from an array in C order. pyarrow writes it whole, without dictionary and "
                "statistics; ours comes in tiles of 4,096 rows, has a checksum on every page "
                "and the SHA-256 of the file."
            ),
            contenders=[
                Contender("pyarrow", _clean(place, lambda at: _done(_pyarrow(at, values)))),
                Contender("runner", _clean(place, lambda at: _runner(at, values))),
                Contender(
                    "pyarrow, and its SHA-256", _clean(place, lambda at: _hashed(at, values))
                ),
                Contender("np.save", _clean(place, lambda at: np.save(at / "x.npy", values))),
            ],
            rounds=1 if quick else 9,
            goals={"runner": 1.1},
        )


def _clean(folder: Path, write: Callable[[Path], None]) -> Callable[[], None]:
    def run() -> None:
        place = folder / "place"
        place.mkdir()
        write(place)
        shutil.rmtree(place)

    return run


def _pyarrow(folder: Path, values: Array) -> Path:
    if values.shape[1] > WIDE:
        flat = pa.array(values.reshape(-1))
        table = pa.table({"outputs": pa.FixedSizeListArray.from_arrays(flat, values.shape[1])})
    else:
        table = pa.table({f"neuron_{i}": values[:, i] for i in range(values.shape[1])})
    path = folder / "x.parquet"
    pq.write_table(table, path, compression="none", use_dictionary=False, write_statistics=False)
    return path


def _done(result: object) -> None:
    """A contender gives no time of its own."""


def _hashed(folder: Path, values: Array) -> None:
    with _pyarrow(folder, values).open("rb") as file:
        hashlib.file_digest(file, "sha256")


def _runner(folder: Path, values: Array) -> None:
    writer = RunWriter(claim(folder / "run", stamped=False), "run")
    rows, width = values.shape
    file = writer.layer(0, "dense1", "Dense", 2, width, rows, values.dtype, 1)
    for start in range(0, rows, TILE):
        file.write(values[start : start + TILE])
    file.close()
