"""The pages of an uncompressed parquet column, taken apart without a copy of pyarrow's.

Our own files hold plain numbers that are never null, so a page is a header and the values; of
lists of a fixed length, also the levels in between, which say that none is null. Anything else is
declined, and pyarrow reads it. The header is a ``PageHeader`` of parquet-format's
``parquet.thrift``, in Thrift's compact protocol; its checksum is verified.
"""

from __future__ import annotations

import os
import re
import zlib
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

_FOOTER_END = 8  # bytes behind the footer: how long it is, and four letters

_NUMBER = rb"([\x80-\xff]{0,4}[\x00-\x7f])"

# The one form that every version of pyarrow gives the header of such a page, looked for as a whole:
# taking it apart field by field takes as long as the checksum of what follows, and no other thread
# can go on meanwhile. A data page; its bytes, its bytes compressed, its checksum; and how many
# values, in plain encoding, with both kinds of levels in runs, and no statistics or empty ones.
_HEADER = re.compile(
    rb"\x15\x00\x15%b\x15%b\x15%b\x1c\x15%b\x15\x00\x15\x06\x15\x06(?:\x1c\x00)?\x00\x00"
    % (4 * (_NUMBER,))
)


# The end of a column's name, that it is not compressed, and the type of what comes next.
_PLAIN = re.compile(rb"(?:_[0-9]+|outputs|inputs|target|element|item)\x15\x00\x16")


def is_uncompressed(file: int, metadata: Any) -> bool:
    """Whether a file's footer says so of every column of every row group.

    pyarrow is not asked: a number of no codec, which damage can leave there, ends the process.

    Args:
        file: the descriptor of an open file of ours.
        metadata: what pyarrow has read from its footer.
    """
    size = int(metadata.serialized_size)
    footer = os.pread(file, size, os.fstat(file).st_size - _FOOTER_END - size)
    pieces = int(metadata.num_row_groups) * int(metadata.num_columns)
    return len(_PLAIN.findall(footer)) == pieces


def copy_plain(chunk: NDArray[np.uint8], values: NDArray[Any], levels: int = 0) -> bool:
    """Copies the values out of column chunks; False where their pages are not plain, or damaged.

    Args:
        chunk: all the bytes of one column, or of several that follow each other.
        values: (count,), as many as they have, and what they are.
        levels: kinds of them before a page's values: 2 in lists of a fixed length.
    """
    data, parts, at = chunk.data, [], 0
    while at < len(data):
        header = _HEADER.match(data, at)
        if header is None:
            return False
        # All pages but the last have the same size, and each its own checksum.
        size, packed, count = map(_size, header.group(1, 2, 4))
        checksum = _integer(header[3]) & 0xFFFFFFFF  # stored as a signed number
        at, end = header.end(), header.end() + size
        if size != packed or not at <= end <= len(data) or zlib.crc32(data[at:end]) != checksum:
            return False
        for _ in range(levels):
            at += 4 + int.from_bytes(data[at : at + 4], "little")
        # A null has a level and no value.
        if count < 0 or at + count * values.itemsize != end:
            return False
        parts.append(chunk[at:end])
        at = end
    if sum(map(len, parts)) != values.nbytes:
        return False
    np.concatenate(parts or [chunk], out=values.view(np.uint8))
    return True


def _integer(text: bytes) -> int:
    """A number of 32 bits: seven in each byte, the lowest first; the sign is the lowest of all."""
    value = 0
    for byte in reversed(text):
        value = value << 7 | byte & 127
    return (value >> 1) ^ -(value & 1)


_size = lru_cache(maxsize=64)(_integer)
