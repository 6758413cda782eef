"""A matrix on its way into a file of a run, any number of rows at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runner.store import layout
from runner.store.files import write_file
from runner.store.parquet import small

SMALL = 1 << 16
"""Values of a matrix that waits in memory until it is whole."""


@dataclass(frozen=True)
class StoredFile:
    """A file that is complete.

    Attributes:
        path: relative to the run.
        bytes: its size.
    """

    path: str
    bytes: int


@dataclass(frozen=True)
class Matrix:
    """What a file with a matrix will hold.

    Attributes:
        path: of the file, relative to the run.
        names: of its columns.
        shape: (rows, n).
        dtype: of the values.
        target: the type of a column ``target`` after the matrix, where there is one.
        facts: the file's key-value metadata.
        codec: of its pages.
        group: rows in a row group.
    """

    path: str
    names: layout.Names
    shape: tuple[int, int]
    dtype: np.dtype[Any]
    target: np.dtype[Any] | None
    facts: Mapping[str, str]
    codec: str
    group: int

    @property
    def is_small(self) -> bool:
        """Whether it is written in one go."""
        rows, width = self.shape
        return self.is_plain and rows * width <= SMALL and rows <= self.group

    @property
    def is_plain(self) -> bool:
        """Whether it has columns of their own, not compressed: no pyarrow is needed."""
        return self.shape[1] <= layout.WIDE and self.codec == "none"


class MatrixWriter(ABC):
    """A matrix on its way into a file.

    Args:
        matrix: what is to come.
        staging: the folder the file is made in.
        sums: where its SHA-256 goes when it is complete.
        unfinished: what it is taken out of then.
    """

    def __init__(
        self, matrix: Matrix, staging: Path, sums: dict[str, str], unfinished: set[MatrixWriter]
    ) -> None:
        self.matrix, self._staging, self._sums = matrix, staging, sums
        self._unfinished = unfinished
        self._missing = matrix.shape[0]

    def write(self, batch: NDArray[Any], targets: NDArray[Any] | None = None) -> None:
        """Appends rows; they are copied, and their memory may be used again.

        Args:
            batch: (rows, n), any number of rows.
            targets: (rows,), where the file has them.

        Raises:
            WriteError: the disk is full, or not ours.
            ValueError: rows of another width, or more than were announced.
        """
        width = self.matrix.shape[1]
        if batch.ndim != 2 or batch.shape[1] != width or len(batch) > self._missing:
            raise ValueError(
                f"{self.matrix.path} takes {self._missing} more rows of {width}, got {batch.shape}"
            )
        self._missing -= len(batch)
        self._take(batch, targets)

    def close(self) -> StoredFile:
        """Completes the file.

        Raises:
            WriteError: the disk is full, or not ours.
            ValueError: rows are missing.
        """
        if self._missing:
            raise ValueError(f"{self.matrix.path} lacks {self._missing} rows")
        stored = self._finish()
        self._unfinished.discard(self)
        return stored

    @abstractmethod
    def abort(self) -> None:
        """Lets go of the file without finishing it."""

    @abstractmethod
    def _take(self, batch: NDArray[Any], targets: NDArray[Any] | None) -> None: ...

    @abstractmethod
    def _finish(self) -> StoredFile: ...


class SmallMatrix(MatrixWriter):
    """One that waits until it is whole."""

    def __init__(
        self, matrix: Matrix, staging: Path, sums: dict[str, str], unfinished: set[MatrixWriter]
    ) -> None:
        super().__init__(matrix, staging, sums, unfinished)
        self._columns = np.empty(matrix.shape[::-1], matrix.dtype)
        self._target = None if matrix.target is None else np.empty(matrix.shape[0], matrix.target)

    def abort(self) -> None:
        """Nothing was written."""

    def _take(self, batch: NDArray[Any], targets: NDArray[Any] | None) -> None:
        stop = self.matrix.shape[0] - self._missing
        some = slice(stop - len(batch), stop)
        self._columns[:, some] = batch.T
        if self._target is not None:
            self._target[some] = targets

    def _finish(self) -> StoredFile:
        matrix = self.matrix
        kind = kind_of(matrix.dtype)
        names = matrix.names.columns(matrix.shape[1])
        columns: list[tuple[str, str, Any]] = [
            (name, kind, column) for name, column in zip(names, self._columns, strict=True)
        ]
        if self._target is not None:
            columns.append((layout.TARGET, kind_of(self._target.dtype), self._target))
        data = small.to_bytes(columns, matrix.facts)
        self._sums[matrix.path] = write_file(f"{self._staging}/{matrix.path}", data)
        return StoredFile(matrix.path, len(data))


def kind_of(dtype: np.dtype[Any]) -> str:
    """What numpy calls a type of numbers: ``f4``, ``u1``."""
    return f"{dtype.kind}{dtype.itemsize}"
