"""Python values to arrow columns and back, without the short ways that load pandas."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)
_FORMATS = {"int64": "q", "double": "d"}
_FEW = 256  # values, up to which packing them one by one is quicker than asking numpy

TYPES = {
    "int64": pa.int64(),
    "double": pa.float64(),
    "bool": pa.bool_(),
    "string": pa.string(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "strings": pa.list_(pa.string()),
}
"""Name -> arrow type of every column that isn't a matrix of floats."""


def column(values: Sequence[Any], type_name: str) -> pa.Array:
    """An arrow array of plain values; None is null.

    Args:
        values: int, float, bool, str, datetime with a time zone, or lists of str.
        type_name: one of :data:`TYPES`.
    """
    kind, count = TYPES[type_name], len(values)
    if count <= _FEW and type_name in _FORMATS and None not in values:
        data = pa.py_buffer(struct.pack(f"={count}{_FORMATS[type_name]}", *values))
        return pa.Array.from_buffers(kind, count, [None, data])
    there = np.fromiter((value is not None for value in values), dtype=bool, count=count)
    validity = None if there.all() else _bits(there)
    if type_name == "strings":
        items = [item for value in values for item in value or ()]
        lengths = [len(value or ()) for value in values]
        children = [column(items, "string")]
        return pa.Array.from_buffers(kind, count, [validity, _offsets(lengths)], children=children)
    if type_name == "string":
        # Text that came from the system with bytes that are no UTF-8 must not stop a commit.
        texts = [(value or "").encode("utf-8", "backslashreplace") for value in values]
        data = pa.py_buffer(b"".join(texts))
        buffers = [validity, _offsets([len(text) for text in texts]), data]
        return pa.Array.from_buffers(kind, count, buffers)
    if type_name == "timestamp":
        numbers = [0 if value is None else _ticks(value) for value in values]
    else:
        numbers = [0 if value is None else value for value in values]
    if type_name == "bool":
        data = _bits(np.array(numbers, dtype=bool))
    else:
        data = pa.py_buffer(np.array(numbers, dtype="f8" if type_name == "double" else "i8"))
    return pa.Array.from_buffers(kind, count, [validity, data])


def _ticks(moment: datetime) -> int:
    return (moment - _EPOCH) // _TICK


def list_column(values: Sequence[np.ndarray[Any, Any]], kind: pa.ListType) -> pa.Array:
    """An arrow array of lists of numbers; every item is a flat array of the lists' type."""
    flat = np.concatenate(values) if len(values) != 1 else np.ascontiguousarray(values[0])
    items = pa.Array.from_buffers(kind.value_type, len(flat), [None, pa.py_buffer(flat)])
    buffers = [None, _offsets([len(value) for value in values])]
    return pa.Array.from_buffers(kind, len(values), buffers, children=[items])


def table(columns: Sequence[tuple[str, str, Sequence[Any]]], facts: dict[str, str]) -> pa.Table:
    """A table of (name, type name, values), with facts as key-value metadata."""
    schema = _schema(tuple((name, kind) for name, kind, _ in columns)).with_metadata(facts)
    return pa.Table.from_arrays(
        [column(values, kind) for _, kind, values in columns], schema=schema
    )


@lru_cache(maxsize=64)
def _schema(columns: tuple[tuple[str, str], ...]) -> pa.Schema:
    return pa.schema([pa.field(name, TYPES[kind]) for name, kind in columns])


def kinds(schema: pa.Schema) -> dict[str, str]:
    """Name -> type name of the columns that are of one of :data:`TYPES`."""
    names = {kind: name for name, kind in TYPES.items()}
    found = ((field.name, names.get(_plain(field.type))) for field in schema)
    return {name: kind for name, kind in found if kind is not None}


def _plain(kind: pa.DataType) -> pa.DataType:
    """Of lists one type, whatever a file calls their elements."""
    return pa.list_(kind.value_type) if pa.types.is_list(kind) else kind


def rows(stored: pa.Table) -> list[dict[str, Any]]:
    """A table's rows as plain values; times are aware datetimes in UTC."""
    columns = {name: _values(stored.column(name)) for name in stored.column_names}
    return [{name: values[i] for name, values in columns.items()} for i in range(stored.num_rows)]


def _values(stored: pa.ChunkedArray) -> list[Any]:
    if not pa.types.is_timestamp(stored.type):
        values: list[Any] = stored.to_pylist()
        return values
    # A timestamp's own to_pylist loads pandas.
    ticks = [tick for chunk in stored.chunks for tick in chunk.view(pa.int64()).to_pylist()]
    return [None if tick is None else _EPOCH + tick * _TICK for tick in ticks]


def _bits(flags: np.ndarray[Any, np.dtype[np.bool_]]) -> pa.Buffer:
    return pa.py_buffer(np.packbits(flags, bitorder="little"))


def _offsets(lengths: Sequence[int]) -> pa.Buffer:
    offsets = np.empty(len(lengths) + 1, dtype="i4")
    offsets[0] = 0
    offsets[1:] = np.cumsum(lengths)
    return pa.py_buffer(offsets)
