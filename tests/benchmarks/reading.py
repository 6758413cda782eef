"""Reading one neuron of a stored layer, against reading all of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from runner.store import load
from tests.benchmarks.compare import WIDTH, store_run
from tests.benchmarks.measure import Benchmark, Contender


@contextmanager
def benchmark(folder: Path, *, quick: bool) -> Iterator[Benchmark]:
    """5,000,000 x 8."""
    rows = 50_000 if quick else 5_000_000
    values = np.random.RandomState(0).standard_normal((rows, WIDTH)).astype(np.float32)
    run = store_run(folder / "run", values)
    file = run / "layers" / "00-dense1.parquet"
    del values

    def outputs() -> None:
        load(run).layers["dense1"].outputs  # noqa: B018 - reads it

    def neuron() -> None:
        load(run).layers["dense1"].neuron(3)

    yield Benchmark(
        title="Reading one neuron",
        question=(
            f"A layer of {rows:,} x {WIDTH} float32. All of it is checked against the file's "
            "SHA-256; of one neuron the checksums of its own pages, and where in the file they "
            "lie, are verified."
        ),
        contenders=[
            Contender("runner, all neurons", outputs),
            Contender("runner, one neuron", neuron),
            Contender("pyarrow, all columns", lambda: _read(file, None)),
            Contender("pyarrow, one column", lambda: _read(file, ["neuron_3"])),
        ],
        rounds=1 if quick else 9,
        goals={"runner, one neuron": 0.1},
    )


def _read(file: Path, columns: list[str] | None) -> None:
    for column in pq.read_table(file, columns=columns).columns:
        column.to_numpy()
