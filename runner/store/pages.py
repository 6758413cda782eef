"""The pages of an uncompressed parquet column, taken apart without a copy of pyarrow's.

Our own files hold plain numbers that are never null, so a page is a header and the values.
Anything else is answered with None, and pyarrow reads it. The header is a ``PageHeader`` of
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


def plain_values(chunk: NDArray[np.uint8], count: int, dtype: np.dtype[Any]) -> NDArray[Any] | None:
    """The (count,) values of a column chunk; None where its pages are not plain, or damaged.

    Args:
        chunk: all its bytes.
        count: how many values it has.
        dtype: of the values.
    """
    values = np.empty(count * dtype.itemsize, dtype=np.uint8)
    at = done = 0
    while at < len(chunk):
        try:
            header, size = _struct(chunk[at : at + _LONGEST_HEADER].tobytes(), 0)
            page = header[5]
            plain = (header[1], page[2]) == (_DATA_PAGE, _PLAIN) and header[2] == header[3]
            length = page[1] * dtype.itemsize
            checksum = header[4] & 0xFFFFFFFF  # stored as a signed number
        except (KeyError, TypeError, ValueError, IndexError):
            return None
        at += size
        if not plain or header[3] != length or done + length > len(values):
            return None
        if at + length > len(chunk):
            return None
        data = chunk[at : at + length]
        if zlib.crc32(data.data) != checksum:
            return None
        values[done : done + length] = data
        at += length
        done += length
    return values.view(dtype) if done == len(values) else None


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
