"""Small tables are parquet for everybody, though pyarrow has not written them."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow.parquet import ParquetFile

from runner.store.parquet import columns, small

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "int64": st.integers(-(2**63), 2**63 - 1),
    "double": st.floats(),
    "bool": st.booleans(),
    "string": st.text(st.characters(exclude_categories=["Cs"])),
    "timestamp": st.datetimes(timezones=st.just(UTC)),
    "strings": st.lists(st.text("aß\n\0", max_size=3), max_size=20),
}


def _read(data: bytes) -> pa.Table:
    with ParquetFile(pa.BufferReader(data), page_checksum_verification=True) as file:
        return file.read(use_threads=False)


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, float) and isinstance(right, float):
        both_nan = math.isnan(left) and math.isnan(right)
        return both_nan or (left == right and math.copysign(1, left) == math.copysign(1, right))
    return type(left) is type(right) and bool(left == right)


@st.composite
def _tables(draw: st.DrawFn) -> list[tuple[str, str, list[Any]]]:
    rows = draw(st.integers(1, 40))
    kinds = draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=30))
    return [
        (f"{kind}.{i}", kind, [draw(st.none() | VALUES[kind]) for _ in range(rows)])
        for i, kind in enumerate(kinds)
    ]


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(_tables())
def test_plain_values_come_back(table: list[tuple[str, str, list[Any]]]) -> None:
    rows = columns.rows(_read(small.to_bytes(table, {})))
    for name, _, values in table:
        assert all(_same(row[name], value) for row, value in zip(rows, values, strict=True)), name


def test_it_says_the_same_as_pyarrow_of_its_types_and_facts() -> None:
    table = [(kind, kind, [None]) for kind in columns.TYPES]
    facts = {"layer": "dense1", "ключ": "значение"}
    ours = _read(small.to_bytes(table, facts)).schema
    theirs = columns.table(table, facts).schema
    assert ours.metadata == theirs.metadata
    # The item of a list is called `element` in parquet, and `item` in arrow.
    texts = pa.list_(pa.field("element", pa.string()))
    assert [f.type for f in ours] == [texts if f.name == "strings" else f.type for f in theirs]


@pytest.mark.parametrize("dtype", ["f4", "f8", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8"])
def test_numbers_keep_their_type_and_their_bits(dtype: str) -> None:
    raw = np.random.RandomState(0).bytes(8 * 300)
    values = np.frombuffer(raw, dtype=dtype)
    stored = _read(small.to_bytes([("neuron_0", dtype, values)], {}))
    assert stored.schema.field(0) == pa.field(
        "neuron_0", pa.from_numpy_dtype(np.dtype(dtype)), nullable=False
    )
    assert stored.column(0).chunk(0).to_numpy().tobytes() == raw


def test_lists_of_numbers_keep_their_lengths() -> None:
    lists = [np.arange(n, dtype="f4") for n in (3, 0, 1, 70_000, 0, 2)]
    stored = _read(small.to_bytes([("values", "f4", small.Lists(lists))], {}))
    got = stored.column(0).to_pylist()
    assert [len(item) for item in got] == [3, 0, 1, 70_000, 0, 2]
    assert all(np.array_equal(a, b) for a, b in zip(got, lists, strict=True))


def test_values_that_python_calls_equal_are_kept_apart() -> None:
    pairs: list[tuple[str, Any]] = [("double", 0.0), ("double", -0.0), ("double", 1.0)]
    pairs += [("bool", True), ("int64", 1), ("bool", False), ("int64", 0)]
    for kind, value in pairs:
        (row,) = columns.rows(_read(small.to_bytes([("x", kind, [value])], {})))
        assert _same(row["x"], value), (kind, value)


def test_a_table_without_rows() -> None:
    stored = _read(small.to_bytes([("x", "int64", []), ("y", "strings", [])], {"a": "b"}))
    assert (stored.num_rows, stored.column_names) == (0, ["x", "y"])


def test_duckdb_and_polars_read_it(tmp_path: Path) -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    path = tmp_path / "small.parquet"
    path.write_bytes(
        small.to_bytes(
            [
                ("n", "int64", [1, None]),
                ("text", "string", ["ä", None]),
                ("when", "timestamp", [moment, None]),
                ("tags", "strings", [["a", "b"], []]),
                ("neuron_0", "f4", np.array([0.5, -1.5], dtype="f4")),
                ("target", "u1", np.array([3, 255], dtype="u1")),
            ],
            {"layer": "dense1"},
        )
    )
    expected = [(1, "ä", ["a", "b"], 0.5, 3), (None, None, [], -1.5, 255)]
    asked = f"select n, text, tags, neuron_0, target, epoch_us(\"when\") from '{path}'"
    with duckdb.connect() as connection:
        rows = connection.execute(asked).fetchall()
    assert [row[:5] for row in rows] == expected
    assert [row[5] for row in rows] == [round(moment.timestamp() * 1e6), None]
    frame = pl.read_parquet(path)
    assert frame.select("n", "text", "tags", "neuron_0", "target").rows() == expected
    assert frame["when"].to_list() == [moment, None]


def test_a_flipped_bit_in_a_page_is_not_read_back() -> None:
    values = np.arange(500, dtype="f8")
    data = small.to_bytes([("a", "f8", values), ("text", "string", ["x" * 9] * 500)], {})
    whole = _read(data)
    for place in range(4, len(data) - 300, 211):
        damaged = bytearray(data)
        damaged[place] ^= 1 << place % 8
        try:
            read = _read(bytes(damaged))
        except (pa.ArrowException, OSError):
            continue
        assert read.equals(whole), place  # a bit of a header that changes nothing
