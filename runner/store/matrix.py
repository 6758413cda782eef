"""A matrix as parquet columns, one for each of its columns, straight from buffers and back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from runner import limits
from runner.errors import DamagedError, TooLargeError
from runner.store import layout
from runner.store.layout import WIDE
from runner.store.parquet import reading

_BLOCK = 256  # rows transposed at a time, so that a wide matrix stays in the cache


@dataclass(frozen=True)
class Names:
    """What a matrix's columns are called.

    Attributes:
        prefix: of a column of its own: ``neuron`` gives ``neuron_0``, ``neuron_1``, …
        wide: the one column of fixed-size lists of a matrix wider than 1,024.
    """

    prefix: str
    wide: str

    def columns(self, width: int) -> list[str]:
        """All names, in order."""
        return [f"{self.prefix}_{i}" for i in range(width)] if width <= WIDE else [self.wide]


OUTPUTS = Names(layout.NEURON, layout.WIDE_OUTPUTS)
INPUTS = Names(layout.INPUT, layout.WIDE_INPUTS)


def fields(names: Names, width: int, dtype: np.dtype[Any]) -> list[pa.Field]:
    """The columns of a matrix of ``width`` columns, none of them nullable."""
    kind = pa.from_numpy_dtype(dtype)
    if width > WIDE:
        kind = pa.list_(pa.field("item", kind, nullable=False), width)
    return [pa.field(name, kind, nullable=False) for name in names.columns(width)]


def transposed(block: NDArray[Any]) -> NDArray[Any]:
    """(rows, n) to a C-contiguous (n, rows): the columns, one after the other."""
    rows, width = block.shape
    if width < 64:
        return np.ascontiguousarray(block.T)
    columns = np.empty((width, rows), dtype=block.dtype)
    for start in range(0, rows, _BLOCK):
        columns[:, start : start + _BLOCK] = block[start : start + _BLOCK].T
    return columns


def arrays(columns: NDArray[Any]) -> list[pa.Array]:
    """Arrow arrays over a C-contiguous (n, rows), without a copy."""
    kind, (width, rows) = pa.from_numpy_dtype(columns.dtype), columns.shape
    whole, size = pa.py_buffer(columns), rows * columns.dtype.itemsize
    return [
        pa.Array.from_buffers(kind, rows, [None, whole.slice(i * size, size)]) for i in range(width)
    ]


def list_array(block: NDArray[Any], kind: pa.DataType) -> pa.Array:
    """One arrow array of fixed-size lists over a C-contiguous (rows, n), without a copy."""
    values = pa.from_numpy_dtype(block.dtype)
    flat = pa.Array.from_buffers(values, block.size, [None, pa.py_buffer(block)])
    return pa.Array.from_buffers(kind, len(block), [None], children=[flat])


def to_table(block: NDArray[Any], schema: pa.Schema, *extra: pa.Array) -> pa.Table:
    """A (rows, n) block as a table; ``extra`` are the columns that follow the matrix."""
    if block.shape[1] > WIDE:
        columns = [list_array(np.ascontiguousarray(block), schema.field(0).type)]
    else:
        columns = arrays(transposed(block))
    return pa.Table.from_arrays([*columns, *extra], schema=schema)


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
        if kind not in _KINDS:
            raise DamagedError(path, f"its columns hold {kind}, not numbers")
        self.dtype: np.dtype[Any] = _KINDS[kind]
        expected = fields(names, width, self.dtype)
        self.names = [field.name for field in expected]
        if [*schema][: len(expected)] != expected or sum(self.groups) != rows:
            raise DamagedError(path, "its columns are not those of a run")
        self.extra = schema.names[len(expected) :]
        self.shape = (rows, width)

    def blocks(self) -> Iterator[NDArray[Any]]:
        """The rows as they are grouped in the file, each (rows, n) in C order."""
        for group in range(len(self.groups)):
            yield self.block(group)

    def block(self, group: int) -> NDArray[Any]:
        """The rows of one row group, (rows, n) in C order."""
        rows, width = self.groups[group], self.shape[1]
        self._make_sure_of_memory(rows, width)
        with reading(self.path) as file:
            stored = file.read_row_group(group, columns=self.names)
            block = np.empty((rows, width), dtype=self.dtype)
            self._fill(block, stored)
        return block

    def batches(self, rows: int) -> Iterator[NDArray[Any]]:
        """The rows in order, so many at a time and the rest at the end."""
        waiting: list[NDArray[Any]] = []
        count = 0
        for block in self.blocks():
            while len(block):
                waiting.append(block[: rows - count])
                count += len(waiting[-1])
                block = block[len(waiting[-1]) :]
                if count == rows:
                    yield waiting[0] if len(waiting) == 1 else np.concatenate(waiting)
                    waiting, count = [], 0
        if waiting:
            yield waiting[0] if len(waiting) == 1 else np.concatenate(waiting)

    def read(self) -> NDArray[Any]:
        """All of it, (rows, n) in C order."""
        rows, width = self.shape
        self._make_sure_of_memory(rows, width)
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
            ranges: of rows; those past the end are left out.
            name: another column of numbers, given as (rows,); None: the matrix, (rows, n).
        """
        width = () if name else self.shape[1:]
        found = [np.empty((0, *width), dtype=self.dtype)]
        start = 0
        with reading(self.path) as file:
            for group, count in enumerate(self.groups):
                cuts = [slice(max(r.start - start, 0), r.stop - start) for r in ranges]
                cuts = [cut for cut in cuts if cut.start < min(cut.stop, count)]
                if cuts:
                    whole = self._named(file, group, name) if name else self.block(group)
                    found += [whole[cut].copy() for cut in cuts]  # the rest goes
                start += count
        return np.concatenate(found[1:] or found)

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
        self._make_sure_of_memory(self.shape[0], 1)
        with reading(self.path) as file:
            return self._named(file, None, name)

    def _named(self, file: Any, group: int | None, name: str) -> NDArray[Any]:
        """A column by its name, of one row group or of all."""
        table = file.read([name]) if group is None else file.read_row_group(group, [name])
        stored = table.column(0)
        if stored.type not in _KINDS or stored.null_count:
            raise DamagedError(self.path, f"column {name} is not all numbers")
        return numbers(stored, _KINDS[stored.type])

    def _fill(self, block: NDArray[Any], stored: pa.Table) -> None:
        if self.wide:
            chunks = [chunk.flatten() for chunk in stored.column(0).chunks]
            flat = block.reshape(-1)
            flat[:] = numbers(pa.chunked_array(chunks, type=_kind(self.dtype)), self.dtype)
            return
        columns = [numbers(column, self.dtype) for column in stored.columns]
        for start in range(0, len(block), _BLOCK * 16):
            rows = slice(start, start + _BLOCK * 16)
            for index, column in enumerate(columns):
                block[rows, index] = column[rows]

    def _make_sure_of_memory(self, rows: int, width: int) -> None:
        needed, there = rows * width * self.dtype.itemsize, limits.available_memory()
        if there is not None and needed > there:
            problem = f"needs {limits.size(needed)} of memory, {limits.size(there)} is free"
            raise TooLargeError(self.path.name, f"{rows}x{width}", problem)


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


_KINDS: dict[pa.DataType, np.dtype[Any]] = {
    _kind(np.dtype(code)): np.dtype(code)
    for code in ("f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")
}
"""Arrow type -> numpy dtype of what a matrix or a target may hold."""
