"""pandas, DuckDB and Polars read a run's files without help, and see what runner.load sees."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pytest

import runner
from tests.conftest import Program


@pytest.fixture(scope="module", params=["nnfs", "float64"])
def path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = Program(tmp_path_factory.mktemp("readers"))
    return program.run("layers=two_dense", "data.samples=1700", f"numerics={request.param}")


def query(text: str) -> duckdb.DuckDBPyRelation:
    found = duckdb.sql(text)
    assert found is not None
    return found


def test_layer(path: Path) -> None:
    layer = runner.load(path).layers["dense1"]
    file = str(path / "layers/00-dense1.parquet")
    expected = layer.outputs

    pandas = pd.read_parquet(file)
    assert list(pandas.columns) == ["neuron_0", "neuron_1", "neuron_2"]
    assert set(pandas.dtypes) == {expected.dtype}
    np.testing.assert_array_equal(pandas.to_numpy(), expected)

    polars = pl.read_parquet(file)
    assert polars.columns == list(pandas.columns)
    np.testing.assert_array_equal(polars.to_numpy(), expected)

    found = query(f"SELECT * FROM '{file}'").fetchnumpy()
    for column in range(3):
        np.testing.assert_array_equal(found[f"neuron_{column}"], expected[:, column])
    mean = query(f"SELECT avg(neuron_0) FROM '{file}'").fetchall()[0][0]
    assert mean == pytest.approx(expected[:, 0].astype(np.float64).mean(), rel=1e-9)

    frame = runner.load(path).frame("dense1")
    pd.testing.assert_frame_equal(frame, pandas)


def test_inputs(path: Path) -> None:
    run = runner.load(path)
    for inputs in (
        pd.read_parquet(path / "inputs.parquet"),
        pl.read_parquet(path / "inputs.parquet"),
        query(f"SELECT * FROM '{path}/inputs.parquet'").df(),
    ):
        columns = np.stack([inputs["input_0"].to_numpy(), inputs["input_1"].to_numpy()], axis=1)
        np.testing.assert_array_equal(columns, run.inputs)
        np.testing.assert_array_equal(inputs["target"].to_numpy(), run.targets)


def test_tables(path: Path) -> None:
    run = runner.load(path)
    digests = [layer.digest for layer in run.layers.values()]
    assert list(pd.read_parquet(path / "layers.parquet")["digest"]) == digests
    assert pl.read_parquet(path / "layers.parquet")["digest"].to_list() == digests
    asked = f"SELECT status, \"params.data.samples\" FROM '{path}/run.parquet'"
    assert query(asked).fetchall() == [("FINISHED", 1700)]
    assert pl.read_parquet(path / "run.parquet")["run_id"].to_list() == [run.id]
    parameters = pl.read_parquet(path / "parameters.parquet")
    weights = run.layers["dense1"].weights
    assert weights is not None
    np.testing.assert_array_equal(parameters["values"].to_list()[0], weights.ravel())


def test_wide_layers_have_one_column(tmp_path: Path) -> None:
    path = Program(tmp_path).run(
        "layers=one_dense", "layers.dense1.n_neurons=1025", "data.samples=2"
    )
    file = path / "layers/00-dense1.parquet"
    expected = runner.load(path).layers["dense1"].outputs
    assert expected.shape == (6, 1025)
    assert pl.read_parquet(file).columns == ["outputs"]
    np.testing.assert_array_equal(np.stack(pl.read_parquet(file)["outputs"].to_list()), expected)
    np.testing.assert_array_equal(np.stack(list(pd.read_parquet(file)["outputs"])), expected)
    first = query(f"SELECT outputs[1] FROM '{file}'").fetchall()
    np.testing.assert_array_equal(np.array(first, np.float32).ravel(), expected[:, 0])
