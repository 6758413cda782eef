"""However the work is cut, and whether the data are held or streamed: the same bits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import runner
from runner import limits
from runner.data import arrow, rows, stream
from runner.errors import ConfigError

Start = Callable[..., dict[str, Any]]

NET = (
    "layers=mlp",
    "layers.mlp.depth=2",
    "layers.mlp.width=19",
    "+layers.last={_target_: runner.layers.Dense, n_neurons: 3}",
    "+layers.end={_target_: runner.layers.Softmax}",
)


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Does a run in this process; gives all that must not depend on how it was cut."""
    monkeypatch.chdir(tmp_path)

    def run(*overrides: str, threads: int = 2, streamed: bool = True) -> dict[str, Any]:
        monkeypatch.setattr(limits, "cores", lambda: threads)
        if streamed:
            monkeypatch.setattr(stream, "HELD", 0)
            monkeypatch.setattr(rows, "BLOCK_ROWS", 3000)
            monkeypatch.setattr(stream, "BLOCK_ROWS", 3000)
        stored = runner.run([*NET, *overrides])
        monkeypatch.undo()
        monkeypatch.chdir(tmp_path)
        facts: dict[str, Any] = {
            name: (layer.digest, *layer.statistics.values())
            for name, layer in stored.layers.items()
        }
        kept = ("digest", "inputs.digest", "metrics.loss", "metrics.accuracy")
        facts |= {key: stored.metadata.get(key) for key in kept}
        facts["inputs"] = stored.inputs.tobytes()
        facts["targets"] = None if stored.targets is None else stored.targets.tobytes()
        facts["files"] = [
            (layer.outputs.tobytes(), layer.weights is None or layer.weights.tobytes())
            for layer in stored.layers.values()
            if layer.path
        ]
        return facts

    return run


@pytest.mark.parametrize("numerics", ["nnfs", "float32", "float64"])
def test_batches_threads_and_streaming_change_nothing(start: Start, numerics: str) -> None:
    what = ("data.samples=4500", f"numerics={numerics}")
    expected = start(*what, threads=1, streamed=False)
    assert expected["metrics.loss"] > 0
    for batch in (1, 7, 1000, 65536):
        for threads in (1, 2):
            assert start(*what, f"batch_size={batch}", threads=threads) == expected


@pytest.mark.parametrize(
    "data",
    [
        ("data=vertical", "data.samples=4100", "data.classes=2"),
        ("data=sine", "data.samples=8193"),
        ("data=normal", "data.samples=8192", "data.features=5"),
        ("data=normal", "data.samples=5000", "data.features=5", "seeds=independent"),
        ("data=normal", "data.samples=4097", "data.features=1100", "save.codec=zstd"),
    ],
)
@pytest.mark.parametrize("keep", ["all", "first", "statistics"])
def test_every_dataset_and_what_is_kept(start: Start, data: tuple[str, ...], keep: str) -> None:
    if keep != "all" and "save.codec=zstd" in data:
        data = data[:-1]
    what = (f"save={keep}", *data)
    assert start(*what) == start(*what, threads=1, streamed=False)


def _csv(path: Path, columns: dict[str, np.ndarray[Any, Any]]) -> None:
    lines = [",".join(columns)]
    values = (column.tolist() for column in columns.values())
    lines += [",".join(map(repr, row)) for row in zip(*values, strict=True)]
    path.write_text("\n".join(lines), "utf-8")


TABLES: dict[str, Callable[[Path, dict[str, np.ndarray[Any, Any]]], None]] = {
    "csv": _csv,
    "parquet": lambda path, columns: pq.write_table(pa.table(columns), path, row_group_size=2222),
    "npz": lambda path, columns: np.savez_compressed(path, **columns),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("kind", list(TABLES))
def test_tables(start: Start, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    draws = np.random.RandomState(1)
    columns: dict[str, np.ndarray[Any, Any]] = {
        "a": np.arange(9000),
        "b": draws.randn(9000).astype(np.float32),
        "kind": draws.randint(0, 3, 9000),
    }
    TABLES[kind](tmp_path / f"t.{kind}", columns)
    what = ("data=table", f"data.path=t.{kind}", "data.target=kind")
    expected = start(*what, streamed=False)
    monkeypatch.setattr(arrow, "_READ_CSV", 20_000)
    assert start(*what) == expected


def test_csv_whose_first_real_number_comes_late(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As whole numbers, -0 would be 0; and the last line has no end.
    text = "a,b\n" + "-0,1\n" * 5000 + "\n\n2.5,\n".replace(",", ",2") + "3,3"
    (tmp_path / "t.csv").write_text(text, "utf-8")
    expected = start("data=table", "data.path=t.csv", streamed=False)
    monkeypatch.setattr(arrow, "_READ_CSV", 999)
    found = start("data=table", "data.path=t.csv")
    assert found == expected
    assert np.signbit(np.frombuffer(found["inputs"])[0])


def test_a_table_that_changes_while_it_is_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "HELD", 0)
    TABLES["npz"](tmp_path / "t.npz", {"a": np.ones(50), "b": np.ones(50)})
    config = {"path": str(tmp_path / "t.npz")}
    planned = runner.data.source("runner.data.table", config, np.random.RandomState(0))
    TABLES["npz"](tmp_path / "t.npz", {"a": np.ones(40), "b": np.ones(40)})
    assert planned.rows is not None
    with pytest.raises(ConfigError):
        list(planned.rows.blocks())


class Centred:
    """Needs all rows at once."""

    rowwise = False

    def forward(self, inputs: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        centred: np.ndarray[Any, Any] = inputs - inputs.mean(axis=0)
        return centred


def test_a_class_that_needs_all_rows_gets_them(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = ("+layers.mine={_target_: tests.test_streaming.Centred}", "trust=[tests]")
    what = ("data.samples=3000", *mine)
    assert start(*what) == start(*what, threads=1, streamed=False)
