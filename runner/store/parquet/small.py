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
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from runner.store.parquet import column_chunk, thrift
from runner.store.parquet.column_chunk import Chunk, Lists
from runner.store.parquet.thrift import BINARY, I32, I64, LIST, STOP, STRUCT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Values = list[Any] | Lists | NDArray[Any]

__all__ = ["Lists", "to_bytes"]

_MAGIC = b"PAR1"
_CREATED_BY = b"runner"

_BOOLEAN, _INT32, _INT64, _FLOAT, _DOUBLE, _BYTE_ARRAY = 0, 1, 2, 4, 5, 6
_REQUIRED, _OPTIONAL, _REPEATED = 0, 1, 2
_UTF8, _LIST, _MICROS = 0, 3, 10
_INTEGERS = {"u1": 11, "u2": 12, "u4": 13, "u8": 14, "i1": 15, "i2": 16, "i4": 17, "i8": 18}

_EMPTY = thrift.struct()
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
"""As in :data:`runner.store.parquet.columns.TYPES`, strings without null, numpy's numbers."""


def to_bytes(columns: Iterable[tuple[str, str, Values]], facts: Mapping[str, str]) -> bytes:
    """A table as a whole parquet file.

    Args:
        columns: (name, kind, values), equally long. The kind is one of
            :data:`runner.store.parquet.columns.TYPES` for plain values or None, ``text`` for str
            that is never None, or numpy's name (``f4``, ``u1``) of the numbers in a (rows,)
            ndarray or in lists.
        facts: the key-value metadata.
    """
    parts, footer, shape = [_MAGIC], [], []
    offset, rows = len(_MAGIC), 0
    for name, kind, values in columns:
        rows, nesting, chunk = _laid_out(kind, values)
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


def _laid_out(kind: str, values: Values) -> tuple[int, int, Chunk]:
    """How many rows, how the values lie in them, and their page."""
    if isinstance(values, Lists):
        return len(values.arrays), _OF_LISTS, column_chunk.lists(kind, values.arrays)
    if not isinstance(values, list):
        return len(values), _ALL_THERE, column_chunk.numbers(kind, values)
    if kind == "strings":
        return len(values), _OF_TEXTS, column_chunk.texts(values)
    if kind == "text":
        return len(values), _ALL_THERE, column_chunk.words(values)
    return len(values), _NULLABLE, column_chunk.plain(kind, values)


def _text(value: str) -> bytes:
    return thrift.binary(column_chunk.utf8(value))


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
        (
            2,
            LIST,
            thrift.items(
                I32, [thrift.integer(column_chunk.PLAIN), thrift.integer(column_chunk.RLE)]
            ),
        ),
        (3, LIST, thrift.items(BINARY, [_text(part) for part in path])),
        (4, I32, thrift.integer(0)),
    )
    return fields.removesuffix(STOP)
