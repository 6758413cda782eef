"""A matrix in a file, read as a whole, by the column or by the row group."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from runner import limits
from runner.errors import DamagedError, TooLargeError
from runner.store.layout import WIDE, Names
from runner.store.parquet import reading

_ROWS = 4096  # filled at a time when columns are put together, so that they stay in the cache


def fields(names: Names, width: int, dtype: np.dtype[Any]) -> list[pa.Field]:
    """The columns of a matrix of ``width`` columns, none of them nullable."""
    kind = pa.from_numpy_dtype(dtype)
    if width > WIDE:
        kind = pa.list_(pa.field("item", kind, nullable=False), width)
    return [pa.field(name, kind, nullable=False) for name in names.columns(width)]


class StoredMatrix:
    """A matrix in a parquet file.

    Attributes:
        path: of the file.
        shape: (rows, n).
        dtype: of the values.
        names: of its columns.
        groups: rows in each row group.
        extra: the names of the file's other columns.

    Raises:
        DamagedError: the columns are not those of a matrix.
    """

    def __init__(self, path: Path, names: Names) -> None:
        self.path = path
        with reading(path) as file:
            schema = file.schema_arrow
            rows = int(file.metadata.num_rows)
            self.groups = [
                int(file.metadata.row_group(i).num_rows) for i in range(file.num_row_groups)
            ]
        first = schema.field(0) if len(schema) else None
        self.wide = first is not None and first.name == names.wide
        if first is not None and self.wide and pa.types.is_fixed_size_list(first.type):
            width, kind = first.type.list_size, first.type.value_type
        else:
            width, kind = sum(n.startswith(f"{names.prefix}_") for n in schema.names), None
            kind = first.type if first is not None and width else pa.float64()
        if kind not in KINDS:
            raise DamagedError(path, f"its columns hold {kind}, not numbers")
        self.dtype: np.dtype[Any] = KINDS[kind]
        expected = fields(names, width, self.dtype)
        self.names = [field.name for field in expected]
        if [*schema][: len(expected)] != expected or sum(self.groups) != rows:
            raise DamagedError(path, "its columns are not those of a run")
        self.extra = schema.names[len(expected) :]
        self.shape = (rows, width)

    def blocks(self) -> Iterator[NDArray[Any]]:
        """The rows as they are grouped in the file, each (rows, n) in C order."""
        with reading(self.path) as file:
            for group in range(len(self.groups)):
                yield self._block(file, group)

    def block(self, group: int) -> NDArray[Any]:
        """The rows of one row group, (rows, n) in C order."""
        with reading(self.path) as file:
            return self._block(file, group)

    def _block(self, file: Any, group: int) -> NDArray[Any]:
        rows, width = self.groups[group], self.shape[1]
        self.make_sure_of_memory(rows, width)
        stored = file.read_row_group(group, columns=self.names)
        block = np.empty((rows, width), dtype=self.dtype)
        self._fill(block, stored)
        return block

    def batches(self, rows: int) -> Iterator[NDArray[Any]]:
        """The rows in order, so many at a time and the rest at the end."""
        return recut(self.blocks(), rows)

    def read(self) -> NDArray[Any]:
        """All of it, (rows, n) in C order."""
        rows, width = self.shape
        self.make_sure_of_memory(rows, width)
        whole: NDArray[Any] = np.empty(self.shape, dtype=self.dtype)
        start = 0
        with reading(self.path) as file:
            for group, count in enumerate(self.groups):
                stored = file.read_row_group(group, columns=self.names)
                self._fill(whole[start : start + count], stored)
                start += count
        return whole

    def parts(self, ranges: Sequence[range], name: str | None = None) -> NDArray[Any]:
        """Some rows, one range after the other, out of the row groups that hold them alone.

        Args:
            ranges: of rows, ascending and apart; what is past the end is left out.
            name: another column of numbers, given as (rows,); None: the matrix, (rows, n).
        """
        width = () if name else self.shape[1:]
        found = [np.empty((0, *width), dtype=self.dtype)]
        waiting = deque(ranges)
        start = 0
        with reading(self.path) as file:
            for group, count in enumerate(self.groups):
                cuts = []
                while waiting and waiting[0].start < start + count:
                    part = waiting.popleft()
                    if part.stop > start + count:
                        waiting.appendleft(range(start + count, part.stop))
                    cuts.append(range(part.start - start, min(part.stop - start, count)))
                if cuts:
                    found.append(self._cut(file, group, name, cuts))
                start += count
        return np.concatenate(found[1:] or found)

    def _cut(self, file: Any, group: int, name: str | None, cuts: Sequence[range]) -> NDArray[Any]:
        """Some rows of one row group: a copy, so that the rest goes."""
        rows = np.concatenate([np.arange(cut.start, cut.stop) for cut in cuts])
        if name:
            column: NDArray[Any] = self._named(file, group, name)[rows]
            return column
        self.make_sure_of_memory(self.groups[group], self.shape[1])
        stored = file.read_row_group(group, columns=self.names)
        block = np.empty((len(rows), self.shape[1]), dtype=self.dtype)
        self._fill(block, stored, rows)
        return block

    def column(self, index: int) -> NDArray[Any]:
        """One column, (rows,), and where it can be nothing else is read."""
        if not 0 <= index < self.shape[1]:
            raise IndexError(f"column {index} of {self.shape[1]}")
        if self.wide:
            return np.concatenate(
                [block[:, index] for block in self.blocks()] or [np.empty(0, dtype=self.dtype)]
            )
        return self.other(self.names[index])

    def other(self, name: str) -> NDArray[Any]:
        """A column of numbers by its name, (rows,)."""
        self.make_sure_of_memory(self.shape[0], 1)
        with reading(self.path) as file:
            return self._named(file, None, name)

    def other_batches(self, name: str, rows: int) -> Iterator[NDArray[Any]]:
        """The same, so many rows at a time and the rest at the end."""

        def blocks() -> Iterator[NDArray[Any]]:
            with reading(self.path) as file:
                for group in range(len(self.groups)):
                    yield self._named(file, group, name)

        return recut(blocks(), rows)

    def _named(self, file: Any, group: int | None, name: str) -> NDArray[Any]:
        """A column by its name, of one row group or of all."""
        table = file.read([name]) if group is None else file.read_row_group(group, [name])
        stored = table.column(0)
        if stored.type not in KINDS or stored.null_count:
            raise DamagedError(self.path, f"column {name} is not all numbers")
        return numbers(stored, KINDS[stored.type])

    def _fill(
        self, block: NDArray[Any], stored: pa.Table, chosen: NDArray[np.int64] | None = None
    ) -> None:
        """Puts the rows of a table into a block: all, or those that are chosen."""
        if self.wide:
            chunks = [chunk.flatten() for chunk in stored.column(0).chunks]
            flat = numbers(pa.chunked_array(chunks, type=_kind(self.dtype)), self.dtype)
            whole = flat.reshape(stored.num_rows, self.shape[1])
            if chosen is None:
                block[:] = whole
            else:
                np.take(whole, chosen, axis=0, out=block, mode="clip")
            return
        columns = [numbers(column, self.dtype) for column in stored.columns]
        for start in range(0, len(block), _ROWS):
            rows = slice(start, start + _ROWS)
            taken = rows if chosen is None else chosen[rows]
            for index, column in enumerate(columns):
                block[rows, index] = column[taken]

    def make_sure_of_memory(self, rows: int, width: int) -> None:
        """Refuses what the memory cannot hold.

        Raises:
            TooLargeError: so many values don't fit.
        """
        needed, there = rows * width * self.dtype.itemsize, limits.available_memory()
        if there is not None and needed > there:
            problem = f"needs {limits.size(needed)} of memory, {limits.size(there)} is free"
            raise TooLargeError(self.path.name, f"{rows}x{width}", problem)


def recut(blocks: Iterable[NDArray[Any]], rows: int) -> Iterator[NDArray[Any]]:
    """The same rows in order, so many at a time and the rest at the end."""
    waiting: list[NDArray[Any]] = []
    count = 0
    for block in blocks:
        while len(block):
            waiting.append(block[: rows - count])
            count += len(waiting[-1])
            block = block[len(waiting[-1]) :]
            if count == rows:
                yield waiting[0] if len(waiting) == 1 else np.concatenate(waiting)
                waiting, count = [], 0
    if waiting:
        yield waiting[0] if len(waiting) == 1 else np.concatenate(waiting)


def numbers(stored: pa.ChunkedArray, dtype: np.dtype[Any]) -> NDArray[Any]:
    """A column without nulls as an array; of one chunk without a copy, and then read-only."""
    parts = [
        np.frombuffer(chunk.buffers()[1], dtype, len(chunk), chunk.offset * dtype.itemsize)
        for chunk in stored.chunks
        if len(chunk)
    ]
    if len(parts) == 1:
        return parts[0]
    return np.concatenate(parts) if parts else np.empty(0, dtype=dtype)


def _kind(dtype: np.dtype[Any]) -> pa.DataType:
    return pa.from_numpy_dtype(dtype)


KINDS: dict[pa.DataType, np.dtype[Any]] = {
    _kind(np.dtype(code)): np.dtype(code)
    for code in ("f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")
}
"""Arrow type -> numpy dtype of what a matrix or a target may hold."""
