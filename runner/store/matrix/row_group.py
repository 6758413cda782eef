"""Rows on their way into columns of parquet, straight from their buffers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from runner.store import layout
from runner.store.layout import WIDE
from runner.store.matrix.stored import KINDS

# What is transposed at a time, so that it stays in the cache: columns, and values of them.
_COLUMNS, _VALUES = 64, 8192


def transpose(block: NDArray[Any], columns: NDArray[Any]) -> None:
    """Copies (rows, n) into (n, rows)."""
    rows, width = block.shape
    step = max(1, _VALUES // max(1, min(width, _COLUMNS)))
    for first in range(0, width, _COLUMNS):
        some = slice(first, first + _COLUMNS)
        for start in range(0, rows, step):
            columns[some, start : start + step] = block[start : start + step, some].T


def arrays(columns: NDArray[Any], rows: int) -> list[pa.Array]:
    """Arrow arrays over the first ``rows`` of a C-contiguous (n, …), without a copy."""
    kind, (width, room) = pa.from_numpy_dtype(columns.dtype), columns.shape
    whole, size = pa.py_buffer(columns), room * columns.dtype.itemsize
    return [
        pa.Array.from_buffers(kind, rows, [None, whole.slice(i * size, size)]) for i in range(width)
    ]


def list_array(block: NDArray[Any], kind: pa.DataType) -> pa.Array:
    """One arrow array of fixed-size lists over a C-contiguous (rows, n), without a copy."""
    values = pa.from_numpy_dtype(block.dtype)
    flat = pa.Array.from_buffers(values, block.size, [None, pa.py_buffer(block)])
    return pa.Array.from_buffers(kind, len(block), [None], children=[flat])


class RowGroup:
    """Rows on their way into a file, laid out as arrow wants them; used again for the next group.

    Args:
        schema: of the file: a matrix, and after it a column ``target`` or nothing more.
        width: columns of the matrix.
        dtype: of its values.
        rows: how many it takes.
    """

    def __init__(self, schema: pa.Schema, width: int, dtype: np.dtype[Any], rows: int) -> None:
        self._schema = schema
        self._wide = width > WIDE
        self._rows = rows
        self._filled = 0
        self._matrix: NDArray[Any] = np.empty((rows, width) if self._wide else (width, rows), dtype)
        extra = schema.field(len(schema) - 1)
        self._extra: NDArray[Any] | None = None
        if extra.name == layout.TARGET:
            self._extra = np.empty((1, rows), KINDS[extra.type])

    @property
    def room(self) -> int:
        """Rows that still fit in."""
        return self._rows - self._filled

    @property
    def filled(self) -> int:
        """Rows that are in."""
        return self._filled

    def is_whole(self, block: NDArray[Any]) -> bool:
        """Whether a block is a group by itself, laid out in memory as arrow wants it."""
        alone = self._wide and not self._filled and len(block) == self._rows
        plain = block.dtype == self._matrix.dtype and block.flags.c_contiguous
        return alone and plain and self._extra is None

    def around(self, block: NDArray[Any]) -> pa.Table:
        """Such a block as a table, without a copy."""
        columns = [list_array(block, self._schema.field(0).type)]
        return pa.Table.from_arrays(columns, schema=self._schema)

    def take(self, block: NDArray[Any], targets: NDArray[Any] | None = None) -> None:
        """Copies some rows in, and their targets where the file has any."""
        some = slice(self._filled, self._filled + len(block))
        if self._wide:
            self._matrix[some] = block
        else:
            transpose(block, self._matrix[:, some])
        if self._extra is not None:
            self._extra[0, some] = targets
        self._filled = some.stop

    def table(self) -> pa.Table:
        """What was taken, without a copy: good until the next rows come. Begins anew."""
        rows, self._filled = self._filled, 0
        if self._wide:
            columns = [list_array(self._matrix[:rows], self._schema.field(0).type)]
        else:
            columns = arrays(self._matrix, rows)
        if self._extra is not None:
            columns += arrays(self._extra, rows)
        return pa.Table.from_arrays(columns, schema=self._schema)
