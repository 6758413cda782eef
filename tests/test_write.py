"""Files in the making: what is in them, and that any parquet reader finds it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
import tracemalloc
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from runner.errors import UnknownKeyError
from runner.store import layout
from runner.store.claim import claim
from runner.store.layout import INPUTS, OUTPUTS
from runner.store.matrix.parameters import read_parameters
from runner.store.matrix.stored import StoredMatrix
from runner.store.write import RunWriter

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def writer(tmp_path: Path) -> RunWriter:
    return RunWriter(claim(tmp_path / "run", stamped=True), "f00d")


def outputs(rows: int, width: int, dtype: str = "f4") -> NDArray[Any]:
    made: NDArray[Any] = np.random.RandomState(0).randn(rows, width).astype(dtype)
    return made


def store(
    writer: RunWriter, values: NDArray[Any], *, cut: int = 65536, codec: str | None = None
) -> Path:
    """Writes one layer in batches of ``cut`` rows; gives the file."""
    rows, width = values.shape
    layer = writer.layer(0, "dense1", "Dense", 2, width, rows, values.dtype, 1, codec)
    for start in range(0, rows, cut):
        layer.write(values[start : start + cut])
    stored = layer.close()
    path = writer.staging / stored.path
    assert path.stat().st_size == stored.bytes
    assert writer.sums[stored.path] == hashlib.sha256(path.read_bytes()).hexdigest()
    return path


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("shape", [(1, 1), (300, 3), (70_000, 2), (5000, 1024), (700, 1025)])
def test_every_bit_comes_back(writer: RunWriter, shape: tuple[int, int], dtype: str) -> None:
    values = outputs(*shape, dtype)
    values.flat[:3] = [np.nan, -0.0, np.inf][: values.size]
    stored = StoredMatrix(store(writer, values), OUTPUTS)
    assert stored.shape == shape
    assert stored.read().tobytes() == values.tobytes()
    assert b"".join(block.tobytes() for block in stored.blocks()) == values.tobytes()
    assert stored.column(shape[1] - 1).tobytes() == values[:, -1].tobytes()
    ranges = [range(at, at + 3) for at in range(1, len(values), 97)]
    rows = [row for some in ranges for row in some if row < len(values)]
    assert stored.parts(ranges).tobytes() == values[rows].tobytes()


@pytest.mark.parametrize("width", [3, 1025])
@pytest.mark.parametrize("cut", [1000, 4096, 8192, 70_000])
def test_the_file_does_not_depend_on_the_batches(tmp_path: Path, width: int, cut: int) -> None:
    values = outputs(70_000 if width == 3 else 9000, width)
    files = []
    for size in (cut, 65536):
        directory = claim(tmp_path / "run", stamped=True)
        files.append(store(RunWriter(directory, "f00d"), values, cut=size).read_bytes())
    assert files[0] == files[1]


def test_a_batch_may_be_used_again_once_it_is_written(writer: RunWriter) -> None:
    values = outputs(300, 3)
    layer = writer.layer(0, "dense1", "Dense", 2, 3, 300, values.dtype, 1)
    batch = np.empty((100, 3), dtype="f4")
    for start in range(0, 300, 100):
        batch[:] = values[start : start + 100]
        layer.write(batch)
    path = writer.staging / layer.close().path
    assert StoredMatrix(path, OUTPUTS).read().tobytes() == values.tobytes()


@pytest.mark.parametrize(("width", "count"), [(64, 100), (1100, 6)])
def test_files_in_the_making_keep_little_between_two_tiles(
    writer: RunWriter, width: int, count: int
) -> None:
    tile = outputs(4096, width)
    tracemalloc.start()
    for position in range(count):
        layer = writer.layer(
            position, "dense", "Dense", 2, width, 5000, "f4", count, together=1000 * width
        )
        layer.write(tile)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < count * (10_000 + 100 * width)
    writer.discard()
    assert not list(writer.staging.rglob("*.parquet"))


@pytest.mark.parametrize("rows", [10, 5000])
def test_a_file_that_is_complete_keeps_nothing(writer: RunWriter, rows: int) -> None:
    layer = writer.layer(0, "dense1", "Dense", 2, 20, rows, "f4", 1)
    layer.write(outputs(rows, 20))
    layer.close()
    there = weakref.ref(layer)
    del layer
    assert there() is None


def test_columns_facts_and_pages_are_the_contract(writer: RunWriter) -> None:
    file = pq.ParquetFile(store(writer, outputs(70_000, 3)))
    assert file.schema_arrow.names == ["neuron_0", "neuron_1", "neuron_2"]
    assert not any(field.nullable for field in file.schema_arrow)
    assert file.metadata.num_row_groups == 2
    column = file.metadata.row_group(0).column(0)
    assert (column.compression, column.is_stats_set, column.has_dictionary_page) == (
        "UNCOMPRESSED",
        False,
        False,
    )
    facts = {key.decode(): value.decode() for key, value in file.metadata.metadata.items()}
    assert facts == {
        "layout_version": "1",
        "run_id": "f00d",
        "layer": "dense1",
        "kind": "Dense",
        "n_inputs": "2",
        "shape": "[70000, 3]",
        "dtype": "float32",
    }


def test_beyond_1024_neurons_there_is_one_column(writer: RunWriter) -> None:
    values = outputs(50, 1025)
    path = store(writer, values)
    assert pq.ParquetFile(path).schema_arrow.names == ["outputs"]
    assert pl.read_parquet(path)["outputs"].dtype == pl.Array(pl.Float32, 1025)
    assert np.array_equal(np.stack(list(pd.read_parquet(path)["outputs"])), values)


def test_layers_may_begin_at_the_same_moment(
    writer: RunWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = threading.Barrier(2, timeout=5)
    mkdir = Path.mkdir

    def together(path: Path, *, exist_ok: bool = False) -> None:
        both.wait()
        mkdir(path, exist_ok=exist_ok)

    monkeypatch.setattr(Path, "mkdir", together)

    def begin(position: int) -> None:
        writer.layer(position, "dense", "Dense", 2, 3, 1, "f4", 2).write(outputs(1, 3))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(begin, range(2)))


def test_pandas_duckdb_and_polars_read_the_same_values(writer: RunWriter) -> None:
    values = outputs(5000, 3)
    path = store(writer, values)
    assert np.array_equal(pd.read_parquet(path).to_numpy(), values)
    assert np.array_equal(pl.read_parquet(path).to_numpy(), values)
    with duckdb.connect() as database:
        columns = database.execute(f"SELECT * FROM '{path}'").fetchnumpy()
        mean = database.execute(f"SELECT avg(neuron_0) FROM '{path}'").fetchall()[0][0]
    assert np.array_equal(np.column_stack([columns[f"neuron_{i}"] for i in range(3)]), values)
    assert mean == pytest.approx(values[:, 0].mean(dtype="f8"), rel=1e-12)


@pytest.mark.parametrize("codec", layout.CODECS)
def test_codecs_change_the_file_and_no_value(writer: RunWriter, codec: str) -> None:
    values = np.zeros((5000, 3), dtype="f4")
    path = store(writer, values, codec=codec)
    assert np.array_equal(StoredMatrix(path, OUTPUTS).read(), values)
    assert np.array_equal(pl.read_parquet(path).to_numpy(), values)
    assert (path.stat().st_size < values.nbytes / 2) == (codec != "none")


def test_an_unknown_codec_is_answered_with_the_known(tmp_path: Path) -> None:
    with pytest.raises(UnknownKeyError, match=r"save\.codec=zst: did you mean zstd\?"):
        RunWriter(claim(tmp_path / "run", stamped=True), "f00d", "zst")


@pytest.mark.parametrize("target", ["u1", "i8", "f8", None])
def test_inputs_and_targets_come_back(writer: RunWriter, target: str | None) -> None:
    values = outputs(70_000, 2, "f8")
    targets = None if target is None else np.arange(70_000).astype(target)
    path = writer.staging / writer.inputs(values, targets).path
    stored = StoredMatrix(path, INPUTS)
    assert stored.read().tobytes() == values.tobytes()
    assert stored.extra == ([] if target is None else ["target"])
    frame = pd.read_parquet(path)
    assert list(frame) == ["input_0", "input_1", *stored.extra]
    if targets is not None:
        back = stored.other("target")
        assert back.dtype == targets.dtype
        assert np.array_equal(back, targets)
        assert stored.parts([range(2), range(65_535, 65_538)], "target").tolist() == [
            *targets[:2],
            *targets[65_535:65_538],
        ]


def test_wide_inputs_share_a_column(writer: RunWriter) -> None:
    values = outputs(10, 2000)
    path = writer.staging / writer.inputs(values, np.arange(10)).path
    assert pq.ParquetFile(path).schema_arrow.names == ["inputs", "target"]
    assert np.array_equal(StoredMatrix(path, INPUTS).read(), values)


def test_parameters_come_back_with_shape_and_dtype(writer: RunWriter) -> None:
    parameters = [
        ("dense1", "weights", outputs(2, 3)),
        ("dense1", "biases", np.zeros((1, 3), dtype="f8")),
        ("dense2", "weights", outputs(1500, 1500)),
        ("dense2", "biases", outputs(1, 1500)),
    ]
    path = writer.staging / writer.parameters(parameters).path
    back = read_parameters(path)
    for layer, name, array in parameters:
        assert back[layer][name].dtype == array.dtype
        assert np.array_equal(back[layer][name], array)
    assert pq.ParquetFile(path).schema_arrow.names == ["layer", "name", "shape", "values"]
    assert pd.read_parquet(path)["shape"][0].tolist() == [2, 3]


def test_a_network_without_parameters_has_an_empty_table(writer: RunWriter) -> None:
    path = writer.staging / writer.parameters([]).path
    assert read_parameters(path) == {}
    assert pd.read_parquet(path).empty


def test_the_table_of_layers_has_types_where_values_are_missing(writer: RunWriter) -> None:
    row: dict[str, Any] = dict.fromkeys(name for name, _ in layout.LAYER_COLUMNS)
    writer.layers([{**row, "position": 0, "name": "dense1", "mean": np.float32(0.5)}])
    schema = pq.ParquetFile(writer.staging / "layers.parquet").schema_arrow
    assert [(field.name, str(field.type)) for field in schema] == list(layout.LAYER_COLUMNS)
    assert writer.complete


def test_rows_too_few_too_many_or_too_wide_are_refused(writer: RunWriter) -> None:
    layer = writer.layer(0, "dense1", "Dense", 2, 3, 10, np.dtype("f4"), 1)
    layer.write(outputs(6, 3))
    with pytest.raises(ValueError, match="lacks 4 rows"):
        layer.close()
    for shape in ((5, 3), (1, 2), (1, 4)):
        with pytest.raises(ValueError, match="takes 4 more rows of 3"):
            layer.write(outputs(*shape))
    layer.abort()


def test_discarding_leaves_what_is_complete(writer: RunWriter) -> None:
    writer.inputs(outputs(3, 2), None)
    store(writer, outputs(300, 3))
    writer.layer(1, "dense2", "Dense", 3, 3, 300, np.dtype("f4"), 2).write(outputs(100, 3))
    writer.discard()
    assert os.listdir(writer.staging) == ["inputs.parquet"]
    assert list(writer.sums) == ["inputs.parquet"]


FULL_DISK = """
import resource, sys
from pathlib import Path
import numpy as np
from runner.errors import WriteError
from runner.store.claim import claim
from runner.store.write import RunWriter

writer = RunWriter(claim(Path(sys.argv[1]), stamped=True), "f00d")
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), -1))
try:
    layer = writer.layer(0, "dense1", "Dense", 2, 8, 200_000, np.dtype("f4"), 1)
    for _ in range(2):
        layer.write(np.ones((100_000, 8), dtype="f4"))
    layer.close()
except WriteError as error:
    print(error.line())
    writer.discard()
"""


@pytest.mark.parametrize("limit", [0, 4, 100_000, 3_000_000, 6_400_000])
def test_a_write_that_fails_is_one_line(tmp_path: Path, limit: int) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", FULL_DISK, str(tmp_path / "run"), str(limit)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("runner: cannot write ")
    assert done.stdout.endswith("layers/00-dense1.parquet: File too large\n")
    assert list((tmp_path / "run" / ".staging").iterdir()) == []
