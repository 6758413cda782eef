"""Rows on their way into the columns of a file, a row group at a time."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runner.numerics import TILE
from runner.store.layout import WIDE
from runner.store.matrix.matrix_file import Matrix, MatrixWriter, StoredFile

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


class RowGroup:
    """Rows laid out as a file has them.

    Args:
        matrix: what the file will hold.
    """

    def __init__(self, matrix: Matrix) -> None:
        self._matrix = matrix
        rows, width = matrix.shape
        self._wide = width > WIDE
        self._rows = max(1, min(matrix.group, rows))
        self._shape = (self._rows, width) if self._wide else (width, self._rows)
        self._values: NDArray[Any] | None = None
        self._targets = None if matrix.target is None else np.empty(self._rows, matrix.target)
        self.filled = 0

    @property
    def room(self) -> int:
        """Rows that still fit in."""
        return self._rows - self.filled

    def is_whole(self, block: NDArray[Any]) -> bool:
        """Whether a block is a group by itself, laid out in memory as the file has it."""
        alone = self._wide and not self.filled and len(block) == self._rows
        plain = block.dtype == self._matrix.dtype and block.flags.c_contiguous
        return alone and plain and self._targets is None

    def take(self, block: NDArray[Any], targets: NDArray[Any] | None = None) -> None:
        """Copies some rows in, and their targets where the file has any."""
        some = slice(self.filled, self.filled + len(block))
        if self._values is None:
            self._values = np.empty(self._shape, self._matrix.dtype)
        if self._wide:
            self._values[some] = block
        else:
            transpose(block, self._values[:, some])
        if self._targets is not None:
            self._targets[some] = targets
        self.filled = some.stop

    def columns(self) -> list[NDArray[Any]]:
        """What was taken: (rows,) of every column, or of a wide matrix (rows, n). Begins anew.

        Without a copy: good until the next rows come. A group that a tile fills leaves nothing in
        memory until then: of a deep network, hundreds of files are open at a time.
        """
        assert self._values is not None
        rows, self.filled = self.filled, 0
        found = [self._values[:rows]] if self._wide else [*self._values[:, :rows]]
        if self._targets is not None:
            found.append(self._targets[:rows])
        if self._rows <= TILE:
            self._values = None
        return found


class GroupedMatrix(MatrixWriter):
    """A matrix that goes to the file a row group at a time."""

    def __init__(
        self, matrix: Matrix, staging: Path, sums: dict[str, str], unfinished: set[MatrixWriter]
    ) -> None:
        super().__init__(matrix, staging, sums, unfinished)
        self._group = RowGroup(matrix)

    def _take(self, batch: NDArray[Any], targets: NDArray[Any] | None) -> None:
        start = 0
        while start < len(batch):
            some = slice(start, start + self._group.room)
            start = some.stop
            if self._group.is_whole(batch[some]):
                self._put([batch[some]])
                continue
            self._group.take(batch[some], None if targets is None else targets[some])
            if not self._group.room:
                self._put(self._group.columns())

    def _finish(self) -> StoredFile:
        if self._group.filled:
            self._put(self._group.columns())
        return self._end()

    @abstractmethod
    def _put(self, columns: Sequence[NDArray[Any]]) -> None:
        """Writes a row group: (rows,) of every column, or of a wide matrix (rows, n)."""

    @abstractmethod
    def _end(self) -> StoredFile:
        """Completes the file, all row groups of which are written."""
