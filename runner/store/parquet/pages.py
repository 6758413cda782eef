"""The pages of an uncompressed parquet column, taken apart without a copy of pyarrow's.

Our own files hold plain numbers that are never null, so a page is a header and the values.
Anything else is declined, and pyarrow reads it. The header is a ``PageHeader`` of
parquet-format's ``parquet.thrift``, in Thrift's compact protocol; its checksum is verified.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

_LONGEST_HEADER = 256
_DATA_PAGE = 0
_PLAIN = 0


def copy_plain(chunk: NDArray[np.uint8], values: NDArray[Any]) -> bool:
    """Copies the values out of a column chunk; False where its pages are not plain, or damaged.

    Args:
        chunk: all its bytes.
        values: (count,), as many as it has, and what they are.
    """
    room, item = values.view(np.uint8), values.itemsize
    at = done = 0
    while at < len(chunk):
        try:
            header, size = _struct(chunk[at : at + _LONGEST_HEADER].tobytes(), 0)
            page = header[5]
            plain = (header[1], page[2]) == (_DATA_PAGE, _PLAIN) and header[2] == header[3]
            length = page[1] * item
            checksum = header[4] & 0xFFFFFFFF  # stored as a signed number
        except (KeyError, TypeError, ValueError, IndexError):
            return False
        at += size
        if not plain or header[3] != length or done + length > len(room):
            return False
        if at + length > len(chunk):
            return False
        data = chunk[at : at + length]
        if zlib.crc32(data.data) != checksum:
            return False
        room[done : done + length] = data
        at += length
        done += length
    return done == len(room)


def _struct(data: bytes, at: int) -> tuple[dict[int, Any], int]:
    """Field number -> whole number or struct, and where the next thing begins."""
    fields: dict[int, Any] = {}
    number = 0
    while head := data[at]:
        at += 1
        step, kind = head >> 4, head & 15
        if step:
            number += step
        else:
            number, at = _integer(data, at)
        if kind in (1, 2):
            fields[number] = kind == 1
        elif kind in (4, 5, 6):
            fields[number], at = _integer(data, at)
        elif kind == 12:
            fields[number], at = _struct(data, at)
        else:
            raise ValueError(f"a field of kind {kind} in a page header")
    return fields, at + 1


def _integer(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return (value >> 1) ^ -(value & 1), at
