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
from runner.store.parquet.pages import copy_plain

_HEAD = 1024
_ROWS = 65536  # taken at a time where the files are cut differently
_BYTES = 1 << 25  # of them, of one file


class Piece(NamedTuple):
    """Some rows of some columns, the same ones of both matrices.

    Attributes:
        row: the first.
        column: the first.
        a, b: (rows, columns) each, of one shape.
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
    """A column after the other, so that it is still in the cache when its values are looked at."""
    a, b = files
    wide = a.matrix.wide
    if a.matrix.dtype == b.matrix.dtype:
        for column in range(1 if wide else a.matrix.shape[1]):
            chunks = a.chunk(group, column, "a"), b.chunk(group, column, "b")
            if _equal(*chunks):
                continue
            if wide:
                break
            left = a.column(group, column, chunks[0], "a")[:rows, None]
            yield Piece(start, column, left, b.column(group, column, chunks[1], "b")[:rows, None])
        else:
            return
    yield Piece(start, 0, a.matrix.block(group)[:rows], b.matrix.block(group)[:rows])


def _equal(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> bool:
    # Where nearly all differs, the beginning says so.
    if len(a) != len(b) or (a[:_HEAD] != b[:_HEAD]).any():
        return False
    whole = len(a) // 8 * 8
    words = a[:whole].view(np.uint64) == b[:whole].view(np.uint64)
    return bool(words.all() and (a[whole:] == b[whole:]).all())


class _Bytes:
    """The raw bytes of a matrix's file, a column of a row group at a time."""

    def __init__(self, matrix: StoredMatrix) -> None:
        self.matrix = matrix
        with reading(matrix.path) as file:
            self._metadata = file.metadata
        self._file = open(matrix.path, "rb", buffering=0)  # noqa: SIM115 - lives as long as this

    def chunk(self, group: int, column: int, side: str) -> NDArray[np.uint8]:
        """Its bytes, valid until this thread's next call for this side."""
        stored = self._metadata.row_group(group).column(column)
        begin = stored.data_page_offset
        begin = min(stored.dictionary_page_offset or begin, begin)
        buffer = _buffer(f"{side} bytes", stored.total_compressed_size)
        try:
            count = os.preadv(self._file.fileno(), [buffer.data], begin)
        except OSError as error:
            raise unreadable(self.matrix.path, error) from error
        if count != len(buffer):
            raise DamagedError(self.matrix.path, "ends too early")
        return buffer

    def column(self, group: int, column: int, chunk: NDArray[np.uint8], side: str) -> NDArray[Any]:
        """The values of a column whose bytes are at hand; valid as long as those."""
        rows, dtype = self.matrix.groups[group], self.matrix.dtype
        stored = self._metadata.row_group(group).column(column)
        if stored.compression == "UNCOMPRESSED" and stored.num_values == rows:
            values = _buffer(f"{side} values", rows * dtype.itemsize).view(dtype)
            if copy_plain(chunk, values):
                return values
        name = self.matrix.names[column]
        with reading(self.matrix.path) as file:
            table = file.read_row_group(group, columns=[name], use_threads=False)
            return numbers(table.column(name), dtype)

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
