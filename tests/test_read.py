"""Runs read back: bit for bit, refused when damaged, found by any of their names."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from runner.errors import DamagedError, NotFoundError, RunnerError
from runner.store import layer as layers
from runner.store import layout
from runner.store.claim import claim
from runner.store.claim.sweep import claim_sweep
from runner.store.commit import commit, point_latest
from runner.store.index import rows, runs
from runner.store.index.named import resolve
from runner.store.read import Run, load
from runner.store.sweeps import job_row, known_rows, rebuild, row_of_run, write_index
from runner.store.sweeps.spec import spec_text
from runner.store.verify import verify
from runner.store.write import RunWriter

ROOT = Path(__file__).resolve().parent.parent
START = datetime(2026, 11, 23, tzinfo=UTC)
INPUTS = np.random.RandomState(1).randn(9000, 2).astype("f4")
WEIGHTS = np.random.RandomState(2).randn(2, 3).astype("f4")


def outputs(width: int) -> np.ndarray[Any, Any]:
    made: np.ndarray[Any, Any] = np.random.RandomState(0).randn(9000, width).astype("f4")
    return made


def store_run(
    directory: Path, run_id: str = "f00d", *, width: int = 3, kept: int = 9000, **changes: Any
) -> Path:
    """A run of one layer of 9,000 rows; ``changes`` go into its record."""
    writer = RunWriter(claim(directory, stamped=True), run_id)
    writer.inputs(INPUTS, np.arange(9000) % 3)
    parameters = [("dense1", "weights", WEIGHTS), ("dense1", "biases", np.zeros((1, 3), "f4"))]
    writer.parameters(parameters)
    row: dict[str, Any] = dict.fromkeys((name for name, _ in layout.LAYER_COLUMNS), 0)
    row |= {"name": "dense1", "kind": "Dense", "dtype": "float32", "digest": "0", "mean": 0.25}
    row |= {"n_inputs": 2, "n_neurons": width, "n_samples": 9000, "path": None}
    if kept:
        layer = writer.layer(0, "dense1", "Dense", 2, width, kept, np.dtype("f4"), 1)
        layer.write(outputs(width)[:kept])
        stored = layer.close()
        row |= {"path": stored.path, "bytes": stored.bytes}
    writer.layers([row])
    record = {
        **dict.fromkeys(name for name, _ in layout.RUN_COLUMNS),
        "run_id": run_id,
        "status": layout.FINISHED,
        "tags": [],
        "overrides": [],
        "start_time": START,
        "end_time": START,
        "config": '{"layers": {"b": 1, "a": 2}}',
        "params": {},
        "metrics": {},
        "facts": {},
        **changes,
    }
    commit(writer, record)
    return writer.claim.directory


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One run for all the tests that only look."""
    return store_run(tmp_path_factory.mktemp("stored") / "run")


@pytest.fixture
def run_copy(stored: Path, tmp_path: Path) -> Path:
    """One that a test may damage."""
    shutil.copytree(stored, tmp_path / "run")
    return tmp_path / "run"


def test_everything_comes_back(stored: Path) -> None:
    run = load(stored)
    assert (run.id, run.status, run.path) == ("f00d", "FINISHED", stored)
    assert run.config == {"layers": {"b": 1, "a": 2}}
    assert list(run.config["layers"]) == ["b", "a"]
    assert run.inputs.tobytes() == INPUTS.tobytes()
    assert run.targets is not None
    assert run.targets.tolist()[:4] == [0, 1, 2, 0]
    layer = run.layers["dense1"]
    assert layer.outputs.tobytes() == outputs(3).tobytes()
    assert (layer.kind, layer.position, layer.n_inputs, layer.n_neurons) == ("Dense", 0, 2, 3)
    assert layer.statistics["mean"] == 0.25
    assert layer.weights is not None
    assert layer.weights.tobytes() == WEIGHTS.tobytes()
    assert layer.biases is not None
    assert layer.biases.shape == (1, 3)
    assert repr(run) == "<Run f00d: FINISHED, dense1>"


def test_what_is_read_cannot_be_changed_by_accident(stored: Path) -> None:
    layer = load(stored).layers["dense1"]
    for array in (layer.outputs, layer.neuron(0), layer.weights):
        assert array is not None
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_a_frame_has_a_column_for_each_neuron(stored: Path) -> None:
    frame = load(stored).frame("dense1")
    pd.testing.assert_frame_equal(
        frame, pd.read_parquet(stored / "layers" / "00-dense1.parquet"), check_exact=True
    )


def test_what_is_given_is_a_copy(stored: Path) -> None:
    run = load(stored)
    frame = run.frame("dense1")
    frame.iloc[0, 0] = 99
    run.metadata["tags"].append("mine")
    run.metadata["status"] = "mine"
    run.config["layers"]["a"] = 99
    fresh = load(stored)
    assert run.frame("dense1").equals(fresh.frame("dense1"))
    assert (run.metadata, run.config, run.status) == (fresh.metadata, fresh.config, "FINISHED")


@pytest.mark.parametrize("gone", [".", "SHA256SUMS", "layers.parquet"])
def test_a_run_that_is_gone_or_damaged_still_has_a_name(run_copy: Path, gone: str) -> None:
    run = load(run_copy)
    if gone == ".":
        shutil.rmtree(run_copy)
    else:
        (run_copy / gone).write_bytes(b"no")
    assert repr(run).startswith("<Run f00d: FINISHED, ")
    assert len(repr(run)) < 300
    assert "f00d: FINISHED" in run._repr_html_()


@pytest.mark.parametrize("size", [1000, 4096, 8192, 100_000])
@pytest.mark.parametrize("width", [3, 1025])
def test_batches_have_the_size_that_was_asked(tmp_path: Path, size: int, width: int) -> None:
    layer = load(store_run(tmp_path / "run", width=width)).layers["dense1"]
    batches = list(layer.batches(size))
    assert {len(batch) for batch in batches[:-1]} <= {size}
    assert np.array_equal(np.concatenate(batches), outputs(width))
    assert np.array_equal(layer.neuron(width - 1), outputs(width)[:, -1])


def test_one_neuron_reads_one_column(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layer = load(stored).layers["dense1"]
    read = pq.ParquetFile.read
    asked = []

    def note(self: Any, columns: list[str] | None = None, **more: Any) -> Any:
        asked.append(columns)
        return read(self, columns=columns, **more)

    monkeypatch.setattr(pq.ParquetFile, "read", note)
    neuron = layer.neuron(1)
    assert asked[-1] == ["neuron_1"]
    assert np.array_equal(neuron, outputs(3)[:, 1])
    for index in (3, -1):
        with pytest.raises(NotFoundError, match="there is: 0 to 2"):
            layer.neuron(index)


def test_a_neuron_of_a_large_file_is_verified_by_itself(
    run_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever bit of header, footer or page flips: it is found, or the values are right."""
    monkeypatch.setattr(layers, "LARGE", 0)
    layer = load(run_copy).layers["dense1"]
    expected = layer.neuron(1)
    assert np.array_equal(expected, outputs(3)[:, 1])
    assert layer.path is not None
    file = run_copy / layer.path
    good = file.read_bytes()
    metadata = pq.ParquetFile(file).metadata
    heads = [metadata.row_group(0).column(i).data_page_offset for i in range(3)]
    footer = int.from_bytes(good[-8:-4], "little") + 8
    places = [at for head in heads for at in range(head, head + 30)]
    places += range(len(good) - footer, len(good))
    refused = 0
    for number, at in enumerate(places):
        flipped = good[at] ^ 1 << number % 8
        file.write_bytes(good[:at] + bytes([flipped]) + good[at + 1 :])
        try:
            found = load(run_copy).layers["dense1"].neuron(1)
        except RunnerError:  # damaged; or with another number for its layout
            refused += 1
        else:
            assert found.dtype == expected.dtype
            assert found.tobytes() == expected.tobytes(), at
    assert refused > len(places) / 3
    # Nothing but its own pages is looked at.
    at = heads[2] + 100
    file.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
    assert np.array_equal(load(run_copy).layers["dense1"].neuron(1), expected)
    with pytest.raises(DamagedError):
        load(run_copy).layers["dense1"].neuron(2)


def test_pages_that_were_exchanged_are_found_by_the_sum(
    run_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layers, "LARGE", 0)
    layer = load(run_copy).layers["dense1"]
    assert layer.path is not None
    file = run_copy / layer.path
    data = bytearray(file.read_bytes())
    group = pq.ParquetFile(file).metadata.row_group(0)
    a, b = (
        slice(c.data_page_offset, c.data_page_offset + c.total_compressed_size)
        for c in map(group.column, range(2))
    )
    data[a], data[b] = data[b], data[a]
    file.write_bytes(data)
    assert [finding.path for finding in verify(run_copy)] == [file]
    with pytest.raises(DamagedError):
        _ = load(run_copy).layers["dense1"].outputs
    with pytest.raises(TypeError):
        layer.neuron("1")  # type: ignore[arg-type]
    assert np.array_equal(layer.neuron(np.int64(2)), outputs(3)[:, 2])  # type: ignore[arg-type]


def test_rows_that_were_kept_and_those_that_were_not(tmp_path: Path) -> None:
    first = load(store_run(tmp_path / "first", kept=100)).layers["dense1"]
    assert (first.kept_rows, first.n_samples) == (100, 9000)
    assert np.array_equal(first.outputs, outputs(3)[:100])
    none = load(store_run(tmp_path / "none", kept=0)).layers["dense1"]
    assert none.kept_rows == 0
    with pytest.raises(NotFoundError, match="save=statistics"):
        _ = none.outputs


def test_an_unknown_layer_is_answered_with_those_there(stored: Path) -> None:
    run = load(stored)
    assert "dense2" not in run.layers
    with pytest.raises(NotFoundError, match="did you mean dense1"):
        _ = run.layers["dense2"]
    with pytest.raises(KeyError) as refusal:
        _ = run.layers["dense2"]
    assert str(refusal.value).startswith("no layer dense2: did you mean")


def _flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


READ = {
    "run.parquet": lambda run: run,
    "layers.parquet": lambda run: run.layers,
    "layers/00-dense1.parquet": lambda run: run.layers["dense1"].outputs,
    "inputs.parquet": lambda run: run.inputs,
    "parameters.parquet": lambda run: run.layers["dense1"].weights,
}


@pytest.mark.parametrize("name", READ)
@pytest.mark.parametrize("damage", ["flip", "cut", "gone"])
def test_a_damaged_file_is_refused_by_its_name(run_copy: Path, name: str, damage: str) -> None:
    path = run_copy / name
    data = path.read_bytes()
    if damage == "flip":
        _flip(path, len(data) // 2)
    elif damage == "cut":
        path.write_bytes(data[:-1])
    else:
        path.unlink()
    with pytest.raises(DamagedError, match=name):
        READ[name](load(run_copy))


@pytest.mark.parametrize("line", ["", "0" * 64 + "  ../../secret\n", "nonsense\n"])
def test_sums_that_are_no_sums_are_refused(run_copy: Path, line: str) -> None:
    (run_copy / "SHA256SUMS").write_text(line)
    with pytest.raises(DamagedError, match="SHA256SUMS"):
        load(run_copy)


def test_page_checksums_hold_without_the_sums(run_copy: Path) -> None:
    path = run_copy / "layers" / "00-dense1.parquet"
    _flip(path, path.stat().st_size // 2)
    with pytest.raises(DamagedError, match="00-dense1"):
        _ = load(run_copy, check=False).layers["dense1"].outputs


def test_other_columns_than_the_table_of_layers_says_are_refused(run_copy: Path) -> None:
    path = run_copy / "layers" / "00-dense1.parquet"
    for table in (
        pa.table({"neuron_0": np.zeros(9000, "f4")}),
        pq.read_table(path).slice(0, 0).append_column("x", pa.array([], pa.float32())),
        pa.table({f"neuron_{i}": ["a"] for i in range(3)}),
        pa.table({}),
    ):
        pq.write_table(table, path)
        with pytest.raises(DamagedError, match="00-dense1"):
            _ = load(run_copy, check=False).layers["dense1"].outputs


@pytest.mark.parametrize(
    ("name", "use"),
    [
        ("run.parquet", lambda run: run.status),
        ("layers.parquet", lambda run: run.layers),
        ("layers/00-dense1.parquet", lambda run: run.layers["dense1"].outputs),
        ("layers/00-dense1.parquet", lambda run: run.layers["dense1"].neuron(0)),
        ("inputs.parquet", lambda run: run.inputs),
        ("parameters.parquet", lambda run: run.parameters),
        ("../sweep.parquet", lambda run: known_rows(run.path.parent)),
        ("../.sweep.json", lambda run: known_rows(run.path.parent)),
    ],
)
def test_a_newer_layout_is_refused_in_one_clear_line(
    stored: Path, tmp_path: Path, name: str, use: Callable[[Run], object]
) -> None:
    sweep = claim_sweep(tmp_path / "sweep", files={".sweep.json": spec_text({"layout_version": 1})})
    shutil.copytree(stored, sweep / "run")
    rebuild(sweep)
    path = sweep / "run" / name
    if path.suffix == ".json":
        path.write_text(path.read_text().replace('"layout_version": 1', '"layout_version": 2'))
    else:
        pq.write_table(_newer(pq.read_table(path)), path)
    with pytest.raises(RunnerError, match=r"layout_version 2.*reads up to 1") as refusal:
        use(load(sweep / "run", check=False))
    assert Path(name).name in str(refusal.value)
    assert len(refusal.value.line()) <= 200


def _newer(table: pa.Table) -> pa.Table:
    facts = {**(table.schema.metadata or {}), b"layout_version": b"2"}
    return table.replace_schema_metadata(facts)


def test_columns_of_an_index_have_the_types_of_the_runs(tmp_path: Path) -> None:
    sweep = claim_sweep(tmp_path / "sweep", files={".sweep.json": spec_text({"layout_version": 1})})
    params: list[dict[str, Any]] = [
        {"gain": (2, float), "depth": (3, int), "path": (None, int), "sizes": ([1, 2], list)},
        {"gain": (1, float), "other": (True, bool), "path": (None, int), "ratio": (None, float)},
    ]
    for number, each in enumerate(params):
        store_run(sweep / str(number), f"id-{number}", kept=0, params=each)
    record = {"run_id": "id", "params": params[0]}
    told = [job_row(0, "0", record), row_of_run(1, "1", sweep)]
    write_index(sweep, told)
    by_rows = pq.read_table(sweep / "sweep.parquet")
    rebuild(sweep)
    for table in (by_rows, pq.read_table(sweep / "sweep.parquet")):
        kinds = {field.name: str(field.type) for field in table.schema}
        assert [kinds[f"params.{name}"] for name in ("gain", "depth", "path")] == [
            *("double", "int64", "int64")
        ]
        assert [kinds[f"params.{name}"] for name in ("sizes", "other", "ratio")] == [
            *("string", "bool", "double")
        ]
        assert kinds["metrics.loss"] == kinds["metrics.accuracy"] == "double"
        assert table["params.depth"].to_pylist() == [3, None]
        assert table["params.sizes"].to_pylist() == ["[1, 2]", None]
    whole = pq.read_table(sweep / "1" / "run.parquet")
    assert whole["metrics.loss"].to_pylist() == [None]


def test_what_is_no_run_is_said_plainly(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotFoundError, match="no run in this directory"):
        load(tmp_path / "empty")
    taken = claim(tmp_path / "taken", stamped=True)
    with pytest.raises(NotFoundError, match="still running"):
        load(taken.directory)
    taken.release()
    with pytest.raises(NotFoundError, match="ls --clean"):
        load(taken.directory)


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """outputs/ with runs of several kinds; the current folder is the one around it."""
    root = tmp_path / "outputs"
    store_run(root / "day" / "1", "aa11", kept=0, params={"seeds.seed": (1, int)}, name="old")
    second = START + timedelta(hours=2)
    newer: dict[str, Any] = {"start_time": second, "params": {"gain": (0.5, float)}, "name": "same"}
    store_run(root / "day" / "2", "aa22", kept=0, **newer)
    sweep = claim_sweep(root / "multirun" / "day" / "3")
    store_run(sweep / "0", "bb33", kept=0, start_time=START + timedelta(hours=1), name="same")
    claim(root / "day" / "running", stamped=True)
    claim(root / "day" / "dead", stamped=True).release()
    shutil.copytree(root / "day" / "1", root / "day" / "damaged")
    _flip(root / "day" / "damaged" / "run.parquet", 100)
    point_latest(root, root / "day" / "2")
    monkeypatch.chdir(tmp_path)
    return root


def test_rows_are_newest_first_and_nothing_is_counted_twice(tree: Path) -> None:
    found = [(Path(row["path"]).name, row["status"]) for row in rows(tree)]
    assert found == [
        ("running", "RUNNING"),
        ("2", "FINISHED"),
        ("0", "FINISHED"),
        ("1", "FINISHED"),
        ("dead", "DEAD"),
        ("damaged", "UNREADABLE"),
    ]
    assert "run.parquet" in rows(tree)[5]["error"]
    assert [row["run_id"] for row in rows(tree / "multirun")] == ["bb33"]
    assert [row["run_id"] for row in rows(tree / "day" / "1")] == ["aa11"]


def test_the_table_has_every_column_of_any_run(tree: Path) -> None:
    frame = runs()
    assert list(frame["run_id"].dropna()) == ["aa22", "bb33", "aa11"]
    assert {"params.seeds.seed", "params.gain", "path"} <= set(frame)
    assert frame["metrics.loss"].dtype == frame["metrics.accuracy"].dtype == float
    assert str(frame["params.seeds.seed"].dtype) == "Int64"
    assert str(frame["start_time"].dtype).endswith("UTC]")
    assert list(frame)[:11] == [name for name, _ in layout.RUN_COLUMNS]
    assert np.array_equal(load(frame["path"][1]).inputs, INPUTS)


def test_a_tree_without_runs_is_an_empty_table(tmp_path: Path) -> None:
    frame = runs(tmp_path)
    assert frame.empty
    names = [name for name, _ in layout.RUN_COLUMNS]
    assert list(frame) == [*names, "metrics.loss", "metrics.accuracy", "path"]
    with pytest.raises(NotFoundError, match="no directory"):
        runs(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("outputs/day/1", "day/1"),
        ("aa11", "day/1"),
        ("aa1", "day/1"),
        ("b", "multirun/day/3/0"),
        ("old", "day/1"),
        ("same", "day/2"),
        ("latest", "day/2"),
    ],
)
def test_a_run_is_found_by_any_of_its_names(tree: Path, name: str, path: str) -> None:
    assert resolve(name).resolve() == (tree / path).resolve()
    assert load(name).path == (tree / path).resolve()


def test_latest_works_without_the_link(tree: Path) -> None:
    (tree / "latest").unlink()
    assert resolve("latest", tree) == tree / "day" / "2"


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("aa", "2 run ids begin so: aa22, aa11"),
        ("aa12", "did you mean aa"),
        ("sam", "did you mean same"),
        ("", "there is: same, old, aa22"),
    ],
)
def test_a_run_that_is_not_found_is_answered_with_the_nearest(
    tree: Path, name: str, line: str
) -> None:
    with pytest.raises(NotFoundError) as refusal:
        resolve(name)
    assert line in str(refusal.value)


def test_reading_and_listing_load_no_pandas_and_importing_next_to_nothing(stored: Path) -> None:
    code = f"""
import sys
import runner
import runner.store.index, runner.store.verify
assert not {{"numpy", "pyarrow", "pandas"}} & set(sys.modules), "at import"
run = runner.load({str(stored)!r})
run.inputs, run.targets, run.layers["dense1"].outputs, run.layers["dense1"].weights
runner.store.index.rows({str(stored)!r})
runner.store.verify.verify
assert "pandas" not in sys.modules, "on reading"
"""
    subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
    )


def test_the_package_gives_what_it_says() -> None:
    import runner

    assert runner.load is load
    assert runner.runs is runs
    assert {"compare", "load", "run", "runs"} <= set(dir(runner))
    with pytest.raises(AttributeError, match="nothing"):
        _ = runner.nothing
    assert isinstance(Run, type)
