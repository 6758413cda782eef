"""A parquet file in the making, and a matrix on its way into one."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from runner.store import matrix
from runner.store.files import HashedFile, writing
from runner.store.parquet import open_writer


@dataclass(frozen=True)
class StoredFile:
    """A file that is complete.

    Attributes:
        path: relative to the run.
        bytes: its size.
    """

    path: str
    bytes: int


class TableFile:
    """A parquet file in the making: a table after the other, hashed on the way.

    Args:
        staging: the folder it is made in.
        path: its place there, and in the run.
        sums: where its SHA-256 goes when it is complete.
        schema: of the tables.
        codec: of its pages.
    """

    def __init__(
        self, staging: Path, path: str, sums: dict[str, str], schema: pa.Schema, codec: str
    ) -> None:
        self.path = path
        self.schema = schema
        self._sums = sums
        self._place = staging / path
        with writing(self._place):
            self._file = HashedFile(self._place)
            self._writer = open_writer(self._file, schema, codec)

    def write(self, table: pa.Table) -> None:
        """Appends a row group."""
        with writing(self._place):
            self._writer.write_table(table, row_group_size=max(1, table.num_rows))

    def close(self) -> StoredFile:
        """Completes the file."""
        with writing(self._place):
            self._writer.close()
            self._file.close()
        self._sums[self.path] = self._file.hexdigest()
        return StoredFile(self.path, self._file.bytes)

    def abort(self) -> None:
        """Lets go of the file without finishing it."""
        for part in (self._writer, self._file):
            with contextlib.suppress(OSError, ValueError, pa.ArrowException):
                part.close()


class MatrixWriter:
    """A matrix on its way into a file, any number of rows at a time.

    Args:
        file: the file.
        shape: (rows, n) of the whole.
        dtype: of the values.
        group: rows in a row group.
    """

    def __init__(
        self, file: TableFile, shape: tuple[int, int], dtype: np.dtype[Any], group: int
    ) -> None:
        self._file = file
        self._missing, self._width = shape
        self._dtype = dtype
        self._group = matrix.RowGroup(file.schema, shape[1], dtype, max(1, min(group, shape[0])))

    def write(self, batch: NDArray[Any], targets: NDArray[Any] | None = None) -> None:
        """Appends rows; they are copied, and their memory may be used again.

        Args:
            batch: (rows, n), any number of rows.
            targets: (rows,), where the file has them.

        Raises:
            WriteError: the disk is full, or not ours.
            ValueError: rows of another width, or more than were announced.
        """
        if batch.ndim != 2 or batch.shape[1] != self._width or len(batch) > self._missing:
            raise ValueError(
                f"{self._file.path} takes {self._missing} more rows of {self._width}, "
                f"got {batch.shape}"
            )
        self._missing -= len(batch)
        batch = batch.astype(self._dtype, copy=False)
        start = 0
        while start < len(batch):
            some = slice(start, start + self._group.room)
            self._group.take(batch[some], None if targets is None else targets[some])
            start = some.stop
            if not self._group.room:
                self._file.write(self._group.table())

    def close(self) -> StoredFile:
        """Completes the file.

        Raises:
            WriteError: the disk is full, or not ours.
            ValueError: rows are missing.
        """
        if self._missing:
            raise ValueError(f"{self._file.path} lacks {self._missing} rows")
        if self._group.filled:
            self._file.write(self._group.table())
        return self._file.close()

    def abort(self) -> None:
        """Lets go of the file without finishing it."""
        self._file.abort()
