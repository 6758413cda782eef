"""Thrift's compact protocol, as far as a parquet footer and a page header need it.

https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

I16, I32, I64, BINARY, LIST, STRUCT = 4, 5, 6, 8, 9, 12
"""The types of fields and of a list's elements."""

STOP = b"\x00"
"""The end of a struct."""


_ONE_BYTE = [bytes([value]) for value in range(0x80)]


def varint(value: int) -> bytes:
    """A natural number, seven bits a byte, the lowest first."""
    if value <= 0x7F:
        return _ONE_BYTE[value]
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


@lru_cache(maxsize=1 << 14)
def integer(value: int) -> bytes:
    """A number of 16, 32 or 64 bits: small ones, also negative, take few bytes."""
    return varint(value << 1 if value >= 0 else (-value << 1) - 1)


def binary(value: bytes) -> bytes:
    """Bytes, after how many they are."""
    return varint(len(value)) + value


def items(kind: int, values: Iterable[bytes]) -> bytes:
    """A list of elements of one type, each encoded already."""
    parts = list(values)
    size = len(parts)
    head = bytes([size << 4 | kind]) if size < 15 else bytes([0xF0 | kind]) + varint(size)
    return head + b"".join(parts)


def struct(*fields: tuple[int, int, bytes]) -> bytes:
    """A struct.

    Args:
        fields: (number, type, encoded value), numbers rising by at most 15.
    """
    out, last = bytearray(), 0
    for number, kind, value in fields:
        out.append(number - last << 4 | kind)
        out += value
        last = number
    return bytes(out) + STOP
