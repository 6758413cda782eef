"""Comparing the outputs of two stored runs, against reading them and against data frames."""

from __future__ import annotations

import contextlib
import importlib.util
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from runner.analysis.compare import compare
from runner.store import layout, load
from runner.store.claim import claim
from runner.store.commit import commit
from runner.store.write import RunWriter
from tests.benchmarks.measure import Benchmark, Contender

WIDTH = 8


@contextmanager
def benchmark(folder: Path, *, quick: bool) -> Iterator[Benchmark]:
    """5,000,000 samples of 8 neurons, float32: one value differs, or all of them."""
    rows = 50_000 if quick else 5_000_000
    outputs = np.random.RandomState(0).standard_normal((rows, WIDTH)).astype(np.float32)
    a = store_run(folder / "a", outputs)
    same = store_run(folder / "same", outputs)
    outputs[rows // 2, 3] = np.nextafter(outputs[rows // 2, 3], np.float32(9))
    one = store_run(folder / "one", outputs)
    outputs = np.random.RandomState(1).standard_normal((rows, WIDTH)).astype(np.float32)
    every = store_run(folder / "every", outputs)
    del outputs
    contenders = [
        Contender("reading both (pyarrow)", lambda: _read(a, one)),
        Contender("runner, one value differs", _comparing(a, one)),
        Contender("runner, all values differ", _comparing(a, every)),
        Contender("runner, same digests", _comparing(a, same)),
        Contender("reading both (runner, checked)", lambda: _read_checked(a, one)),
        Contender("polars equals, one value differs", lambda: _polars(a, one)),
        Contender("pandas assert_frame_equal", lambda: _assert_frame_equal(a, one)),
        Contender("pandas DataFrame.compare", lambda: _frame_compare(a, one)),
    ]
    if importlib.util.find_spec("datacompy"):
        contenders.append(Contender("datacompy", lambda: _datacompy(a, one)))
    yield Benchmark(
        title="Comparing two stored runs",
        question=(
            f"A layer of {rows:,} x {WIDTH} float32. Ours says where, by how much and how "
            "often they differ, and verifies the checksum of every page it takes values from. The "
            "goals are 9 times the speed of assert_frame_equal, and 12 times that of datacompy."
        ),
        contenders=contenders,
        rounds=1 if quick else 5,
        goals={"runner, one value differs": 1.0, "runner, all values differ": 1.0},
    )


def store_run(directory: Path, outputs: np.ndarray[Any, Any]) -> Path:
    """A run of one layer, through the writer that every run goes through."""
    writer = RunWriter(claim(directory, stamped=False), directory.name)
    writer.inputs(np.ones((1, 2), np.float32), None)
    writer.parameters([])
    rows, width = outputs.shape
    file = writer.layer(0, "dense1", "Dense", 2, width, rows, outputs.dtype, 1)
    file.write(outputs)
    stored = file.close()
    digest = layout.OutputsDigest(outputs.dtype, (rows, width))
    digest.update(outputs)
    row: dict[str, Any] = dict.fromkeys((name for name, _ in layout.LAYER_COLUMNS), 0)
    row |= {"name": "dense1", "kind": "Dense", "dtype": outputs.dtype.name}
    row |= {"n_samples": rows, "n_neurons": width, "digest": digest.hexdigest()}
    writer.layers([row | {"path": stored.path, "bytes": stored.bytes}])
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    record = dict.fromkeys(name for name, _ in layout.RUN_COLUMNS)
    record |= {"run_id": directory.name, "status": layout.FINISHED, "tags": [], "overrides": []}
    record |= {"start_time": moment, "end_time": moment, "config": json.dumps({})}
    commit(writer, {**record, "params": {}, "metrics": {}, "facts": {}})
    return directory


def _comparing(a: Path, b: Path) -> Callable[[], None]:
    return lambda: _discard(compare(a, b))


def _discard(result: object) -> None:
    """A contender gives no time of its own."""


def _file(run: Path) -> Path:
    return run / "layers" / "00-dense1.parquet"


def _read(*runs: Path) -> None:
    import pyarrow.parquet as pq

    for run in runs:
        for column in pq.read_table(_file(run)).columns:
            column.to_numpy()


def _read_checked(*runs: Path) -> None:
    for run in runs:
        _discard(load(run).layers["dense1"].outputs)


def _polars(a: Path, b: Path) -> None:
    import polars as pl

    pl.read_parquet(_file(a)).equals(pl.read_parquet(_file(b)))


def _assert_frame_equal(a: Path, b: Path) -> None:
    import pandas as pd

    with contextlib.suppress(AssertionError):
        pd.testing.assert_frame_equal(pd.read_parquet(_file(a)), pd.read_parquet(_file(b)))


def _frame_compare(a: Path, b: Path) -> None:
    import pandas as pd

    pd.read_parquet(_file(a)).compare(pd.read_parquet(_file(b)))


def _datacompy(a: Path, b: Path) -> None:
    import pandas as pd
    from datacompy import PandasCompare

    left, right = (pd.read_parquet(_file(run)) for run in (a, b))
    PandasCompare(left, right, on_index=True).matches()
