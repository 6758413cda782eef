"""A parquet file in the making, and a layer's rows on their way into one."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from runner.store import layout, matrix
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


class LayerWriter:
    """One layer's file; see :meth:`runner.store.write.RunWriter.layer`."""

    def __init__(self, file: TableFile, shape: tuple[int, int], dtype: np.dtype[Any]) -> None:
        self._file = file
        self._missing, self._width = shape
        self._dtype = dtype
        self._group = layout.group_rows(self._width, dtype.itemsize)
        self._parts: list[NDArray[Any]] = []
        self._waiting = 0

    def write(self, batch: NDArray[Any]) -> None:
        """Appends rows.

        Args:
            batch: (rows, n_neurons), any number of rows.

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
        while len(batch):
            taken = batch[: self._group - self._waiting]
            batch = batch[len(taken) :]
            whole = len(taken) == self._group
            # What has to wait is copied: the caller may use its memory again.
            self._parts.append(taken if whole else taken.copy())
            self._waiting += len(taken)
            if self._waiting == self._group:
                self._flush()

    def close(self) -> StoredFile:
        """Completes the file.

        Raises:
            WriteError: the disk is full, or not ours.
            ValueError: rows are missing.
        """
        if self._missing:
            raise ValueError(f"{self._file.path} lacks {self._missing} rows")
        if self._waiting:
            self._flush()
        return self._file.close()

    def abort(self) -> None:
        """Lets go of the file without finishing it."""
        self._parts = []
        self._file.abort()

    def _flush(self) -> None:
        block = self._parts[0] if len(self._parts) == 1 else np.concatenate(self._parts)
        self._parts, self._waiting = [], 0
        self._file.write(matrix.to_table(block, self._file.schema))
