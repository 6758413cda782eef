"""Two stored matrices side by side: only where their bytes differ are they decoded.

Where the stored bytes of a piece are the same in both files, so are its values, and nothing more
is done. That is a good deal faster than reading the values of both.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from runner.store.matrix import StoredMatrix, numbers
from runner.store.pages import plain_values
from runner.store.parquet import reading

_HEAD = 1024
_ROWS = 65536  # taken at a time where the files are cut differently


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


def unequal(a: StoredMatrix, b: StoredMatrix) -> Iterator[Callable[[], list[Piece]]]:
    """The pieces in which two matrices of one width may differ, among the rows that both have.

    Each item is a function that reads a bounded part; they may be called in any order and on
    any thread. What is left out is the same in both to the bit.
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


def _by_group(a: StoredMatrix, b: StoredMatrix) -> Iterator[Callable[[], list[Piece]]]:
    files = _Bytes(a), _Bytes(b)
    start = 0
    for group, (x, y) in enumerate(zip(a.groups, b.groups, strict=False)):
        rows = min(x, y)
        yield _reader(files, group, start, rows)
        start += rows


def _reader(
    files: tuple[_Bytes, _Bytes], group: int, start: int, rows: int
) -> Callable[[], list[Piece]]:
    def read() -> list[Piece]:
        a, b = files
        parts = a.chunks(group, 0), b.chunks(group, 1)
        if parts[0] is None or parts[1] is None or a.matrix.dtype != b.matrix.dtype:
            left, right = (file.matrix.block(group)[:rows] for file in files)
            return [Piece(start, 0, left, right)]
        columns = range(len(parts[0]))
        differing = [i for i in columns if not _equal(parts[0][i], parts[1][i])]
        if not differing:
            return []
        if a.matrix.wide:
            left, right = (file.matrix.block(group)[:rows] for file in files)
            return [Piece(start, 0, left, right)]
        decoded = [
            a.columns(group, differing, parts[0]),
            b.columns(group, differing, parts[1]),
        ]
        return [
            Piece(start, column, left[:rows, None], right[:rows, None])
            for column, left, right in zip(differing, *decoded, strict=True)
        ]

    return read


def _equal(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> bool:
    if len(a) != len(b):
        return False
    # Where nearly all differs, the beginning says so.
    return bool((a[:_HEAD] == b[:_HEAD]).all() and (a == b).all())


class _Bytes:
    """The raw bytes of a matrix's file, a row group at a time."""

    def __init__(self, matrix: StoredMatrix) -> None:
        self.matrix = matrix
        with reading(matrix.path) as file:
            self._metadata = file.metadata
        self._file = open(matrix.path, "rb", buffering=0)  # noqa: SIM115 - lives as long as this

    def chunks(self, group: int, side: int) -> list[NDArray[np.uint8]] | None:
        """The bytes of each column, valid until this thread's next call; None: not in one run."""
        row_group = self._metadata.row_group(group)
        spans = []
        for index in range(1 if self.matrix.wide else self.matrix.shape[1]):
            column = row_group.column(index)
            begin = column.dictionary_page_offset or column.data_page_offset
            spans.append((min(begin, column.data_page_offset), column.total_compressed_size))
        if not spans:
            return None
        first, (last, length) = spans[0][0], spans[-1]
        size = last + length - first
        if size != sum(length for _, length in spans):
            return None
        buffer = _buffer(side, size)
        if os.preadv(self._file.fileno(), [buffer.data], first) != size:
            return None
        return [buffer[at - first : at - first + length] for at, length in spans]

    def columns(
        self, group: int, indices: list[int], chunks: list[NDArray[np.uint8]]
    ) -> list[NDArray[Any]]:
        """The values of some columns of a group, whose bytes are at hand."""
        rows = self.matrix.groups[group]
        found = []
        for index in indices:
            stored = self._metadata.row_group(group).column(index)
            plain = stored.compression == "UNCOMPRESSED" and stored.num_values == rows
            values = plain_values(chunks[index], rows, self.matrix.dtype) if plain else None
            if values is None:
                return self._by_pyarrow(group, indices)
            found.append(values)
        return found

    def _by_pyarrow(self, group: int, indices: list[int]) -> list[NDArray[Any]]:
        names = [self.matrix.names[index] for index in indices]
        with reading(self.matrix.path) as file:
            stored = file.read_row_group(group, columns=names, use_threads=False)
            return [numbers(stored.column(name), self.matrix.dtype) for name in names]

    def __del__(self) -> None:
        self._file.close()


_local = threading.local()


def _buffer(side: int, size: int) -> NDArray[np.uint8]:
    """Memory of this thread's, used again: fresh pages would cost as much as the comparison."""
    buffers: dict[int, NDArray[np.uint8]] = _local.__dict__.setdefault("buffers", {})
    if side not in buffers or len(buffers[side]) < size:
        buffers[side] = np.empty(size, dtype=np.uint8)
    return buffers[side][:size]


def _by_rows(a: StoredMatrix, b: StoredMatrix) -> Iterator[Callable[[], list[Piece]]]:
    left, right, start = a.batches(_ROWS), b.batches(_ROWS), 0
    for x, y in zip(left, right, strict=False):
        rows = min(len(x), len(y))
        piece = Piece(start, 0, x[:rows], y[:rows])
        yield lambda piece=piece: [piece]  # type: ignore[misc]
        start += rows
