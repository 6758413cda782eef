"""A small table as the bytes of a parquet file, put together without pyarrow.

A job of a sweep writes half a dozen of them, with a hundred columns in all. pyarrow takes 10 to
15 µs for a column, whatever is in it, and as much again to open a file: more than the job's whole
forward pass. Most columns are the same in the next job, so here their pages are kept.

One row group, one page a column, plain encoding, a checksum on every page: what
:mod:`runner.store.parquet` asks of pyarrow, too, which writes the large tables.
https://github.com/apache/parquet-format
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from runner.store import thrift
from runner.store.thrift import BINARY, I32, I64, LIST, STOP, STRUCT

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MAGIC = b"PAR1"
_CREATED_BY = b"runner"

_BOOLEAN, _INT32, _INT64, _FLOAT, _DOUBLE, _BYTE_ARRAY = 0, 1, 2, 4, 5, 6
_REQUIRED, _OPTIONAL, _REPEATED = 0, 1, 2
_PLAIN, _RLE = 0, 3
_UTF8, _LIST, _MICROS = 0, 3, 10
_INTEGERS = {"u1": 11, "u2": 12, "u4": 13, "u8": 14, "i1": 15, "i2": 16, "i4": 17, "i8": 18}

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)

_EMPTY = thrift.struct()
# PageHeader: a data page, its bytes, its bytes compressed, its checksum, and as DataPageHeader how
# many values, in plain encoding, with both kinds of levels in runs.
_HEADER = thrift.struct(
    (1, I32, thrift.integer(0)),
    (2, I32, b"%b"),
    (3, I32, b"%b"),
    (4, I32, b"%b"),
    (
        5,
        STRUCT,
        thrift.struct(
            (1, I32, b"%b"),
            (2, I32, thrift.integer(_PLAIN)),
            (3, I32, thrift.integer(_RLE)),
            (4, I32, thrift.integer(_RLE)),
        ),
    ),
)
_TRUE = 1  # the type of a field that is a boolean, and true


class _Type(NamedTuple):
    """What a column's schema says of its values."""

    physical: int
    converted: int | None = None
    logical: bytes | None = None


_STRING = _Type(_BYTE_ARRAY, _UTF8, thrift.struct((1, STRUCT, _EMPTY)))
_TYPES = {
    "int64": _Type(_INT64),
    "double": _Type(_DOUBLE),
    "bool": _Type(_BOOLEAN),
    "string": _STRING,
    "timestamp": _Type(
        _INT64,
        _MICROS,
        thrift.struct(
            (
                8,
                STRUCT,
                thrift.struct((1, _TRUE, b""), (2, STRUCT, thrift.struct((2, STRUCT, _EMPTY)))),
            )
        ),
    ),
    "text": _STRING,
    "f4": _Type(_FLOAT),
    "f8": _Type(_DOUBLE),
    **{
        name: _Type(_INT64 if name[1] == "8" else _INT32, converted)
        for name, converted in _INTEGERS.items()
    },
}
"""Kinds as in :data:`runner.store.columns.TYPES`, strings without null, and numpy's numbers."""


class _Chunk(NamedTuple):
    """A column's page, and what the footer says of it but where it is."""

    page: bytes
    facts: bytes


@dataclass(frozen=True)
class Lists:
    """A column of lists of numbers, none of them null.

    Attributes:
        arrays: (n,) each, all of one type.
    """

    arrays: Sequence[NDArray[Any]]


def to_bytes(
    columns: Iterable[tuple[str, str, list[Any] | Lists | NDArray[Any]]], facts: Mapping[str, str]
) -> bytes:
    """A table as a whole parquet file.

    Args:
        columns: (name, kind, values), equally long. The kind is one of
            :data:`runner.store.columns.TYPES` for plain values or None, ``text`` for str that is
            never None, or numpy's name (``f4``, ``u1``) of the numbers in a (rows,) ndarray or in
            lists.
        facts: the key-value metadata.
    """
    parts, footer, shape = [_MAGIC], [], []
    offset, rows = len(_MAGIC), 0
    for name, kind, values in columns:
        if isinstance(values, Lists):
            rows, nesting, chunk = len(values.arrays), _OF_LISTS, _lists(kind, values.arrays)
        elif not isinstance(values, list):
            data = _bytes(kind, values)
            rows, nesting, chunk = len(values), _ALL_THERE, _chunk(len(values), data)
        elif kind == "strings":
            rows, nesting, chunk = len(values), _OF_TEXTS, _texts(values)
        elif kind == "text":
            data = _byte_arrays(values)
            rows, nesting, chunk = len(values), _ALL_THERE, _chunk(len(values), data)
        else:
            rows, nesting, chunk = len(values), _NULLABLE, _plain(kind, values)
        shape.append((name, kind, nesting))
        parts.append(chunk.page)
        # ColumnChunk: file_offset 0, then meta_data.
        place = thrift.integer(offset)
        footer.append(
            b"\x26\x00\x1c%b%b\x26%b\x00\x00" % (_path(name, kind, nesting), chunk.facts, place)
        )
        offset += len(chunk.page)
    group = thrift.struct(
        (1, LIST, thrift.items(STRUCT, footer)),
        (2, I64, thrift.integer(offset - len(_MAGIC))),
        (3, I64, thrift.integer(rows)),
    )
    pairs = [
        thrift.struct((1, BINARY, _text(key)), (2, BINARY, _text(value)))
        for key, value in facts.items()
    ]
    end = thrift.struct(
        (1, I32, thrift.integer(2)),
        (2, LIST, _schema(tuple(shape))),
        (3, I64, thrift.integer(rows)),
        (4, LIST, thrift.items(STRUCT, [group] if rows else [])),
        (5, LIST, thrift.items(STRUCT, pairs)),
        (6, BINARY, thrift.binary(_CREATED_BY)),
    )
    if not rows:
        parts = [_MAGIC]
    return b"".join([*parts, end, struct.pack("<I", len(end)), _MAGIC])


# How the values of a column lie in its rows.
_ALL_THERE, _NULLABLE, _OF_LISTS, _OF_TEXTS = range(4)


def _text(value: str) -> bytes:
    return thrift.binary(_utf8(value))


def _utf8(value: str) -> bytes:
    # Text that came from the system with bytes that are no UTF-8 must not stop a commit.
    return value.encode("utf-8", "backslashreplace")


@lru_cache(maxsize=64)
def _schema(shape: tuple[tuple[str, str, int], ...]) -> bytes:
    """The list of ``SchemaElement``: a root and its columns."""
    elements = [
        thrift.struct((4, BINARY, thrift.binary(b"schema")), (5, I32, thrift.integer(len(shape))))
    ]
    for name, kind, nesting in shape:
        if nesting in (_ALL_THERE, _NULLABLE):
            elements.append(_leaf(name, kind, nesting))
            continue
        texts = nesting == _OF_TEXTS
        inner = ("string", _NULLABLE) if texts else (kind, _ALL_THERE)
        elements += [
            thrift.struct(
                (3, I32, thrift.integer(_OPTIONAL if texts else _REQUIRED)),
                (4, BINARY, _text(name)),
                (5, I32, thrift.integer(1)),
                (6, I32, thrift.integer(_LIST)),
                (10, STRUCT, thrift.struct((3, STRUCT, _EMPTY))),
            ),
            thrift.struct(
                (3, I32, thrift.integer(_REPEATED)),
                (4, BINARY, _text("list")),
                (5, I32, thrift.integer(1)),
            ),
            _leaf("element", *inner),
        ]
    return thrift.items(STRUCT, elements)


def _leaf(name: str, kind: str, nesting: int) -> bytes:
    physical, converted, logical = _TYPES[kind]
    fields = [
        (1, I32, thrift.integer(physical)),
        (3, I32, thrift.integer(_OPTIONAL if nesting == _NULLABLE else _REQUIRED)),
        (4, BINARY, _text(name)),
    ]
    if converted is not None:
        fields.append((6, I32, thrift.integer(converted)))
    if logical is not None:
        fields.append((10, STRUCT, logical))
    return thrift.struct(*fields)


@lru_cache(maxsize=4096)
def _path(name: str, kind: str, nesting: int) -> bytes:
    """The first fields of ``ColumnMetaData``: type, encodings, path and codec."""
    path = [name, "list", "element"] if nesting in (_OF_LISTS, _OF_TEXTS) else [name]
    physical = _TYPES["string" if nesting == _OF_TEXTS else kind].physical
    fields = thrift.struct(
        (1, I32, thrift.integer(physical)),
        (2, LIST, thrift.items(I32, [thrift.integer(_PLAIN), thrift.integer(_RLE)])),
        (3, LIST, thrift.items(BINARY, [_text(part) for part in path])),
        (4, I32, thrift.integer(0)),
    )
    return fields.removesuffix(STOP)


def _plain(kind: str, values: Sequence[Any]) -> _Chunk:
    """A column of values of Python's, or None."""
    if len(values) == 1 and kind != "double":
        return _one(kind, values[0])
    return _nullable(kind, values)


@lru_cache(maxsize=4096)
def _one(kind: str, value: Any) -> _Chunk:
    return _nullable(kind, [value])


def _nullable(kind: str, values: Sequence[Any]) -> _Chunk:
    there = [value for value in values if value is not None]
    if kind == "string":
        body = _byte_arrays(there)
    elif kind == "bool":
        bits = sum(1 << i for i, value in enumerate(there) if value)
        body = bits.to_bytes((len(there) + 7) // 8, "little")
    elif kind == "double":
        body = struct.pack(f"<{len(there)}d", *there)
    else:
        ticks = [(v - _EPOCH) // _TICK for v in there] if kind == "timestamp" else there
        body = struct.pack(f"<{len(there)}q", *ticks)
    if len(there) == len(values):
        runs = [(1, len(values))]
    else:
        runs = [(value is not None, 1) for value in values]
    return _chunk(len(values), _levels(runs) + body)


def _texts(values: Sequence[Any]) -> _Chunk:
    """A column of lists of str, or None."""
    repetition, definition = list[tuple[int, int]](), list[tuple[int, int]]()
    for texts in values:
        count = len(texts or ())
        repetition += _list_runs(count)
        definition.append((3, count) if count else (texts is not None, 1))
    body = _byte_arrays([text for texts in values for text in texts or ()])
    n = sum(count for _, count in definition)
    return _chunk(n, _levels(repetition) + _levels(definition) + body)


def _lists(kind: str, arrays: Sequence[NDArray[Any]]) -> _Chunk:
    """A column of lists of numbers, none of them null."""
    repetition, definition = list[tuple[int, int]](), list[tuple[int, int]]()
    for array in arrays:
        repetition += _list_runs(len(array))
        definition.append((1, len(array)) if len(array) else (0, 1))
    body = b"".join([_bytes(kind, array) for array in arrays])
    n = sum(count for _, count in definition)
    return _chunk(n, _levels(repetition) + _levels(definition) + body)


def _bytes(kind: str, values: NDArray[Any]) -> bytes:
    """Numbers as parquet has them: little-endian, integers of 32 or of 64 bits."""
    target = kind if kind[1] in "48" else f"{kind[0]}4"
    return values.astype(_dtype(target), copy=False).tobytes()


def _dtype(name: str) -> np.dtype[Any]:
    import numpy as np

    return np.dtype(f"<{name}")


def _byte_arrays(texts: Iterable[str]) -> bytes:
    parts = []
    for text in texts:
        data = _utf8(text)
        parts.append(struct.pack("<I", len(data)) + data)
    return b"".join(parts)


def _list_runs(count: int) -> list[tuple[int, int]]:
    """Repetition levels of a list: its first element, or that there is none, begins a row."""
    return [(0, 1), (1, count - 1)] if count > 1 else [(0, 1)]


def _levels(runs: Iterable[tuple[int, int]]) -> bytes:
    """Levels as (level, how many times) in runs, after the size of all of them."""
    data = b"".join([thrift.varint(count << 1) + bytes([level]) for level, count in runs])
    return struct.pack("<I", len(data)) + data


def _chunk(n_values: int, data: bytes) -> _Chunk:
    """A column's only page."""
    count, size, checksum = thrift.integer(n_values), thrift.integer(len(data)), zlib.crc32(data)
    signed = thrift.integer(checksum - (checksum >> 31 << 32))
    page = _HEADER % (size, size, signed, count) + data
    whole = thrift.integer(len(page))
    # Fields 5 to 7 of ColumnMetaData: values, bytes, and bytes compressed.
    return _Chunk(page, b"\x16%b\x16%b\x16%b" % (count, whole, whole))
