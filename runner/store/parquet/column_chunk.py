"""A column of a small table as its one page, plain encoding, with a checksum.

https://github.com/apache/parquet-format
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from runner.store.parquet import thrift
from runner.store.parquet.thrift import I32, STRUCT

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PLAIN, RLE = 0, 3
"""The encodings of values, and of levels."""

_SHORT = 100  # characters of a value, or bytes of a page, that is kept for the next table

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)

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
            (2, I32, thrift.integer(PLAIN)),
            (3, I32, thrift.integer(RLE)),
            (4, I32, thrift.integer(RLE)),
        ),
    ),
)


class Chunk(NamedTuple):
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


def plain(kind: str, values: Sequence[Any]) -> Chunk:
    """A column of values of Python's, or None."""
    # 0.0 and -0.0 would be the same to the cache, and a long text is seldom the next job's too.
    if len(values) == 1 and kind != "double" and len(str(values[0])) <= _SHORT:
        return _one(kind, values[0])
    return _nullable(kind, values)


@lru_cache(maxsize=1024)
def _one(kind: str, value: Any) -> Chunk:
    return _nullable(kind, [value])


def _nullable(kind: str, values: Sequence[Any]) -> Chunk:
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


def words(values: Sequence[str]) -> Chunk:
    """A column of str, none of them None."""
    return _chunk(len(values), _byte_arrays(values))


def numbers(kind: str, values: NDArray[Any]) -> Chunk:
    """A column of numbers, none of them null."""
    return _chunk(len(values), _bytes(kind, values))


def texts(values: Sequence[Any]) -> Chunk:
    """A column of lists of str, or None."""
    repetition, definition = list[tuple[int, int]](), list[tuple[int, int]]()
    for items in values:
        count = len(items or ())
        repetition += _list_runs(count)
        definition.append((3, count) if count else (items is not None, 1))
    body = _byte_arrays([item for items in values for item in items or ()])
    n = sum(count for _, count in definition)
    return _chunk(n, _levels(repetition) + _levels(definition) + body)


def lists(kind: str, arrays: Sequence[NDArray[Any]]) -> Chunk:
    """A column of lists of numbers, none of them null."""
    repetition, definition = list[tuple[int, int]](), list[tuple[int, int]]()
    for array in arrays:
        repetition += _list_runs(len(array))
        definition.append((1, len(array)) if len(array) else (0, 1))
    body = b"".join([_bytes(kind, array) for array in arrays])
    n = sum(count for _, count in definition)
    return _chunk(n, _levels(repetition) + _levels(definition) + body)


def _bytes(kind: str, values: NDArray[Any]) -> bytes:
    return stored(kind, values).tobytes()


def stored(kind: str, values: NDArray[Any]) -> NDArray[Any]:
    """Numbers as parquet has them: little-endian, integers of 32 or of 64 bits; seldom a copy."""
    target = kind if kind[1] in "48" else f"{kind[0]}4"
    return values.astype(_dtype(target), copy=False)


def _dtype(name: str) -> np.dtype[Any]:
    import numpy as np

    return np.dtype(f"<{name}")


def _byte_arrays(texts: Iterable[str]) -> bytes:
    parts = []
    for text in texts:
        data = utf8(text)
        parts.append(struct.pack("<I", len(data)) + data)
    return b"".join(parts)


def _list_runs(count: int) -> list[tuple[int, int]]:
    """Repetition levels of a list: its first element, or that there is none, begins a row."""
    return [(0, 1), (1, count - 1)] if count > 1 else [(0, 1)]


def _levels(runs: Iterable[tuple[int, int]]) -> bytes:
    """Levels as (level, how many times) in runs, after the size of all of them."""
    data = b"".join([thrift.varint(count << 1) + bytes([level]) for level, count in runs])
    return struct.pack("<I", len(data)) + data


def _chunk(n_values: int, data: bytes) -> Chunk:
    """A column's only page; a short one is kept, for the next table is like to have it, too."""
    return _short_page(n_values, data) if len(data) <= _SHORT else _page(n_values, data)


@lru_cache(maxsize=1024)
def _short_page(n_values: int, data: bytes) -> Chunk:
    return _page(n_values, data)


def _page(n_values: int, data: bytes) -> Chunk:
    head = header(n_values, data)
    return Chunk(head + data, facts(n_values, len(head) + len(data)))


def header(n_values: int, data: bytes | memoryview) -> bytes:
    """What stands before the values of a page.

    Args:
        n_values: how many.
        data: their bytes in plain encoding, after their levels where they have any.
    """
    count, size, checksum = thrift.integer(n_values), thrift.integer(len(data)), zlib.crc32(data)
    signed = thrift.integer(checksum - (checksum >> 31 << 32))
    return _HEADER % (size, size, signed, count)


def facts(n_values: int, size: int) -> bytes:
    """What the footer says of a column's only page but where it is.

    Args:
        n_values: how many.
        size: of the page in bytes, its header included.
    """
    whole = thrift.integer(size)
    # Fields 5 to 7 of ColumnMetaData: values, bytes, and bytes compressed.
    return b"\x16%b\x16%b\x16%b" % (thrift.integer(n_values), whole, whole)


def utf8(value: str) -> bytes:
    """Text as parquet has it."""
    # Text that came from the system with bytes that are no UTF-8 must not stop a commit.
    return value.encode("utf-8", "backslashreplace")
