"""One column of a large matrix, verified by itself.

The file's own sum would take reading all of it. A page's checksum says that the page is whole, not
that it is this column's, and leaves its header and the file's footer out. So the pieces of the
column must lie where they were written, one after the other; and what a header says must be what
our own writer says.
"""

from __future__ import annotations

import os
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runner.errors import DamagedError
from runner.store.matrix.stored import StoredMatrix
from runner.store.parquet import reading
from runner.store.parquet.pages import copy_plain, is_uncompressed

_FIRST_PAGE = 4  # behind the four letters that a parquet file begins with


def neuron(matrix: StoredMatrix, index: int) -> NDArray[Any] | None:
    """One column, (rows,). None: it is compressed, or not as it was written.

    Raises:
        DamagedError: the file can't be read.
        TooLargeError: the column doesn't fit into the memory.
    """
    rows, dtype = matrix.shape[0], matrix.dtype
    matrix.make_sure_of_memory(rows, 1)
    values = np.empty(rows, dtype=dtype)
    start = 0
    with reading(matrix.path) as file, matrix.path.open("rb", buffering=0) as raw:
        if not is_uncompressed(raw.fileno(), file.metadata):
            return None
        for group, count in enumerate(matrix.groups):
            place = _place(file.metadata, group, index)
            if place is None or place[2] != matrix.names[index]:
                return None
            chunk = np.empty(place[1], dtype=np.uint8)
            if os.preadv(raw.fileno(), [chunk.data], place[0]) != len(chunk):
                raise DamagedError(matrix.path, "ends too early")
            if not copy_plain(chunk, values[start : start + count]):
                return None
            start += count
    return values


def _place(metadata: Any, group: int, index: int) -> tuple[int, int, str] | None:
    """Where a column's piece of a row group begins, its length, and the column's name.

    None: it doesn't begin where the piece before it ends, or end where the next one begins.
    """
    width = metadata.num_columns
    at = group * width + index
    spans = []
    for number in range(max(0, at - 1), min(at + 2, width * metadata.num_row_groups)):
        piece = metadata.row_group(number // width).column(number % width)
        begin = int(piece.data_page_offset)
        spans.append((begin, begin + int(piece.total_compressed_size)))
        if number == at:
            found = begin, int(piece.total_compressed_size), str(piece.path_in_schema)
    if any(a[1] != b[0] for a, b in pairwise(spans)):
        return None
    return None if at == 0 and found[0] != _FIRST_PAGE else found
