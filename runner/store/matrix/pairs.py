"""Two stored matrices side by side: only where their bytes differ are they decoded.

Where the stored bytes of a piece are the same in both files, so are its values, and nothing more
is done. That is a good deal faster than reading the values of both.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from runner.errors import DamagedError, unreadable
from runner.store.matrix.stored import StoredMatrix, numbers
from runner.store.parquet import reading
from runner.store.parquet.pages import copy_plain, is_uncompressed

_HEAD = 1024
_ROWS = 65536  # taken at a time where the files are cut differently
_BYTES = 1 << 25  # of them, of one file


VALUES = 1 << 16
"""In a piece of several columns, at most: enough that the steps between numpy's loops cost little
beside the loops, and few enough for the cache."""


class Piece(NamedTuple):
    """Some rows of some columns, the same ones of both matrices.

    Attributes:
        row: the first.
        column: the first.
        a, b: (rows, columns) each, of one shape; both in C order, or both column by column, and
            then of no more than :data:`VALUES` unless there is only one column.
    """

    row: int
    column: int
    a: NDArray[Any]
    b: NDArray[Any]


def unequal(a: StoredMatrix, b: StoredMatrix) -> Iterator[Callable[[], Iterable[Piece]]]:
    """The pieces in which two matrices of one width may differ, among the rows that both have.

    Each item is a function that reads a bounded part; they may be called in any order and on
    any thread. A piece's values are good until that thread takes the next piece. What is left
    out is the same in both to the bit.
    """
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"{a.shape[1]} columns beside {b.shape[1]}")
    if _cut_alike(a, b):
        yield from _by_group(a, b)
    else:
        yield from _by_rows(a, b)


def _cut_alike(a: StoredMatrix, b: StoredMatrix) -> bool:
    """Whether the row groups begin at the same rows, so far as both files go."""
    pairs = list(zip(a.groups, b.groups, strict=False))
    return a.wide == b.wide and all(x == y for x, y in pairs[:-1])


def _by_group(a: StoredMatrix, b: StoredMatrix) -> Iterator[Callable[[], Iterable[Piece]]]:
    files = _Bytes(a), _Bytes(b)
    start = 0
    for group, (x, y) in enumerate(zip(a.groups, b.groups, strict=False)):
        rows = min(x, y)
        yield partial(_pieces, files, group, start, rows)
        start += rows


def _pieces(files: tuple[_Bytes, _Bytes], group: int, start: int, rows: int) -> Iterator[Piece]:
    """A few columns after the other, so that they are in the cache when they are looked at."""
    a, b = (file.matrix for file in files)
    if a.dtype != b.dtype:
        yield Piece(start, 0, a.block(group)[:rows], b.block(group)[:rows])
        return
    step = max(1, VALUES // max(1, a.groups[group], b.groups[group]))
    for first in range(0, len(a.names), step):
        columns = range(first, min(first + step, len(a.names)))
        chunks = [file.chunk(group, columns, side) for file, side in zip(files, "ab", strict=True)]
        if not _equal(*(chunk.data for chunk in chunks)):
            yield Piece(start, first, *(chunk.values()[:rows] for chunk in chunks))


def _equal(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> bool:
    # Where nearly all differs, the beginning says so.
    if len(a) != len(b) or (a[:_HEAD] != b[:_HEAD]).any():
        return False
    whole = len(a) // 8 * 8
    words = a[:whole].view(np.uint64) == b[:whole].view(np.uint64)
    return bool(words.all() and (a[whole:] == b[whole:]).all())


class _Chunk(NamedTuple):
    """The raw bytes of some columns of a row group, the file's of this side.

    They and the values are good until this thread takes the next for the side.
    """

    matrix: StoredMatrix
    group: int
    columns: range
    side: str
    data: NDArray[np.uint8]
    plain: bool

    def values(self) -> NDArray[Any]:
        """(rows, columns), column by column; of a wide matrix all of the group's, in C order."""
        matrix, rows = self.matrix, self.matrix.groups[self.group]
        width = matrix.shape[1] if matrix.wide else len(self.columns)
        size = rows * width * matrix.dtype.itemsize
        if self.plain and size <= len(self.data):
            values = _buffer(f"{self.side} values", size).view(matrix.dtype)
            if copy_plain(self.data, values, levels=2 if matrix.wide else 0):
                return values.reshape(rows, width) if matrix.wide else values.reshape(width, rows).T
        if matrix.wide:
            return matrix.block(self.group)
        names = [matrix.names[column] for column in self.columns]
        with reading(matrix.path) as file:
            table = file.read_row_group(self.group, columns=names, use_threads=False)
            return np.stack([numbers(column, matrix.dtype) for column in table.columns]).T


class _Bytes:
    """The raw bytes of a matrix's file, some columns of a row group at a time."""

    def __init__(self, matrix: StoredMatrix) -> None:
        self.matrix = matrix
        with reading(matrix.path) as file:
            self._metadata = file.metadata
        self._file = open(matrix.path, "rb", buffering=0)  # noqa: SIM115 - lives as long as this
        self._size = os.fstat(self._file.fileno()).st_size
        self._plain = is_uncompressed(self._file.fileno(), self._metadata)

    def chunk(self, group: int, columns: range, side: str) -> _Chunk:
        """Reads them."""
        matrix, row_group = self.matrix, self._metadata.row_group(group)
        count = matrix.groups[group] * (matrix.shape[1] if matrix.wide else 1)
        begin, end, plain = None, 0, self._plain
        for column in map(row_group.column, columns):
            first = column.data_page_offset
            first = min(column.dictionary_page_offset or first, first)
            if begin is None:
                begin = end = first
            elif first != end:
                raise DamagedError(matrix.path, "its columns do not follow each other")
            end += column.total_compressed_size
            plain &= column.num_values == count
        if begin is None or not 0 <= begin <= end <= self._size:
            raise DamagedError(matrix.path, "ends too early")
        data = _buffer(f"{side} bytes", end - begin)
        try:
            found = os.preadv(self._file.fileno(), [data.data], begin)
        except OSError as error:
            raise unreadable(matrix.path, error) from error
        if found != len(data):
            raise DamagedError(matrix.path, "ends too early")
        return _Chunk(matrix, group, columns, side, data, plain)

    def __del__(self) -> None:
        self._file.close()


_local = threading.local()


def _buffer(name: str, size: int) -> NDArray[np.uint8]:
    """Memory of this thread's, used again: fresh pages would cost as much as the comparison."""
    buffers: dict[str, NDArray[np.uint8]] = _local.__dict__
    if name not in buffers or len(buffers[name]) < size:
        buffers[name] = np.empty(size, dtype=np.uint8)
    return buffers[name][:size]


def _by_rows(a: StoredMatrix, b: StoredMatrix) -> Iterator[Callable[[], Iterable[Piece]]]:
    # A few pieces wait for each other: their bytes are what counts, however wide the rows.
    row = a.shape[1] * max(a.dtype.itemsize, b.dtype.itemsize)
    taken = max(1, min(_ROWS, _BYTES // max(1, row)))
    left, right, start = a.batches(taken), b.batches(taken), 0
    for x, y in zip(left, right, strict=False):
        rows = min(len(x), len(y))
        piece = Piece(start, 0, x[:rows], y[:rows])
        yield lambda piece=piece: [piece]  # type: ignore[misc]
        start += rows
