"""The footer of a parquet file: its columns, its row groups, and where each column's piece is.

https://github.com/apache/parquet-format
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from runner.store.parquet import column_chunk, thrift
from runner.store.parquet.thrift import BINARY, I32, I64, LIST, STOP, STRUCT

MAGIC = b"PAR1"
"""What a parquet file begins and ends with."""

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


# How the values of a column lie in its rows.
ALL_THERE, NULLABLE, OF_LISTS, OF_TEXTS = range(4)


Column = tuple[str, str, int]
"""A column's name, the kind of its values, and how they lie in its rows."""


def piece(column: Column, facts: bytes, offset: int) -> bytes:
    """What is said of a column's piece of a row group.

    Args:
        column: which.
        facts: of its page; see :func:`runner.store.parquet.column_chunk.facts`.
        offset: where the page begins in the file.
    """
    # ColumnChunk: file_offset 0, then meta_data.
    place = thrift.integer(offset)
    return b"\x26\x00\x1c%b%b\x26%b\x00\x00" % (_path(*column), facts, place)


def group(pieces: Sequence[bytes], size: int, rows: int) -> bytes:
    """What is said of a row group.

    Args:
        pieces: of every column, in order; see :func:`piece`.
        size: bytes of all pages.
        rows: how many.
    """
    return thrift.struct(
        (1, LIST, thrift.items(STRUCT, pieces)),
        (2, I64, thrift.integer(size)),
        (3, I64, thrift.integer(rows)),
    )


def footer(
    columns: Sequence[Column], rows: int, groups: Sequence[bytes], facts: Mapping[str, str]
) -> bytes:
    """All that follows the last page of a file.

    Args:
        columns: in order.
        rows: of all row groups together.
        groups: see :func:`group`.
        facts: the key-value metadata.
    """
    pairs = [
        thrift.struct((1, BINARY, _text(key)), (2, BINARY, _text(value)))
        for key, value in facts.items()
    ]
    end = thrift.struct(
        (1, I32, thrift.integer(2)),
        (2, LIST, _schema(tuple(columns))),
        (3, I64, thrift.integer(rows)),
        (4, LIST, thrift.items(STRUCT, groups)),
        (5, LIST, thrift.items(STRUCT, pairs)),
        (6, BINARY, thrift.binary(_CREATED_BY)),
    )
    return b"".join([end, struct.pack("<I", len(end)), MAGIC])


def _text(value: str) -> bytes:
    return thrift.binary(column_chunk.utf8(value))


@lru_cache(maxsize=64)
def _schema(shape: tuple[Column, ...]) -> bytes:
    """The list of ``SchemaElement``: a root and its columns."""
    elements = [
        thrift.struct((4, BINARY, thrift.binary(b"schema")), (5, I32, thrift.integer(len(shape))))
    ]
    for name, kind, nesting in shape:
        if nesting in (ALL_THERE, NULLABLE):
            elements.append(_leaf(name, kind, nesting))
            continue
        texts = nesting == OF_TEXTS
        inner = ("string", NULLABLE) if texts else (kind, ALL_THERE)
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
        (3, I32, thrift.integer(_OPTIONAL if nesting == NULLABLE else _REQUIRED)),
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
    path = [name, "list", "element"] if nesting in (OF_LISTS, OF_TEXTS) else [name]
    physical = _TYPES["string" if nesting == OF_TEXTS else kind].physical
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
