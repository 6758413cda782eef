"""A large matrix as plain columns, put together without pyarrow.

pyarrow keeps a kilobyte of every column of every row group until the file is complete, of which a
deep network has hundreds open; and it takes longer. Here a piece is known by where it begins.

Row groups of one page a column, plain encoding, a checksum on every page: as
:mod:`runner.store.parquet.small` has them.
"""

from __future__ import annotations

import contextlib
from array import array
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runner.store.files import writing
from runner.store.hashed_file import HashedFile
from runner.store.layout import TARGET, Names
from runner.store.matrix.matrix_file import Matrix, MatrixWriter, StoredFile, kind_of
from runner.store.matrix.row_group import GroupedMatrix
from runner.store.parquet import column_chunk, footer
from runner.store.parquet.footer import ALL_THERE, MAGIC

_TOGETHER = 1 << 20  # bytes of pages that are written in one go


class PlainMatrix(GroupedMatrix):
    """A matrix that is written without pyarrow, a row group at a time."""

    def __init__(
        self, matrix: Matrix, staging: Path, sums: dict[str, str], unfinished: set[MatrixWriter]
    ) -> None:
        super().__init__(matrix, staging, sums, unfinished)
        kinds = [kind_of(dtype) for dtype in (matrix.dtype, matrix.target) if dtype]
        self._columns = _columns(matrix.names, matrix.shape[1], *kinds)
        self._rows: list[int] = []
        self._begins = array("q")  # of the pages, and at the end of the last
        self._place = staging / matrix.path
        with writing(self._place):
            self._file = HashedFile(self._place)
            self._file.write(MAGIC)
            self._file.rest()

    def abort(self) -> None:
        """Lets go of the file without finishing it."""
        with contextlib.suppress(OSError, ValueError):
            self._file.close()

    def _put(self, columns: Sequence[NDArray[Any]]) -> None:
        rows = len(columns[0])
        self._rows.append(rows)
        at = self._file.bytes
        waiting: list[bytes | memoryview] = []
        for (_, kind, _), values in zip(self._columns, columns, strict=True):
            data = column_chunk.stored(kind, values).view(np.uint8).data
            head = column_chunk.header(rows, data)
            self._begins.append(at)
            at += len(head) + len(data)
            waiting += [head, data]
            if at - self._file.bytes >= _TOGETHER:
                self._write(waiting)
                waiting = []
        self._write(waiting)
        with writing(self._place):
            self._file.rest()

    def _write(self, parts: Sequence[bytes | memoryview]) -> None:
        with writing(self._place):
            self._file.write(b"".join(parts))

    def _end(self) -> StoredFile:
        self._begins.append(self._file.bytes)
        groups, width = [], len(self._columns)
        for number, rows in enumerate(self._rows):
            begins = self._begins[number * width : (number + 1) * width + 1]
            pieces = [
                footer.piece(column, column_chunk.facts(rows, end - begin), begin)
                for column, begin, end in zip(self._columns, begins[:-1], begins[1:], strict=True)
            ]
            groups.append(footer.group(pieces, begins[-1] - begins[0], rows))
        rows = self.matrix.shape[0]
        self._write([footer.footer(self._columns, rows, groups, self.matrix.facts)])
        with writing(self._place):
            self._file.close()
        self._sums[self.matrix.path] = self._file.hexdigest()
        return StoredFile(self.matrix.path, self._file.bytes)


@lru_cache(maxsize=64)
def _columns(
    names: Names, width: int, kind: str, target: str | None = None
) -> tuple[footer.Column, ...]:
    """The columns of a file: the layers of a deep network have the same."""
    found = [(name, kind, ALL_THERE) for name in names.columns(width)]
    return tuple(found if target is None else [*found, (TARGET, target, ALL_THERE)])
