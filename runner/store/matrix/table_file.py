"""What pyarrow writes: a table after the other, compressed or wide matrices, many weights."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from runner.store import layout
from runner.store.files import writing
from runner.store.hashed_file import HashedFile
from runner.store.matrix.matrix_file import Matrix, MatrixWriter, StoredFile
from runner.store.matrix.row_group import GroupedMatrix
from runner.store.matrix.stored import fields
from runner.store.parquet import columns, open_writer

_PARAMETER_GROUP = 1 << 21  # values in a row group of parameters.parquet


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


class TableMatrix(GroupedMatrix):
    """A matrix that pyarrow writes: compressed, or a column of lists."""

    def __init__(
        self, matrix: Matrix, staging: Path, sums: dict[str, str], unfinished: set[MatrixWriter]
    ) -> None:
        super().__init__(matrix, staging, sums, unfinished)
        columns = fields(matrix.names, matrix.shape[1], matrix.dtype)
        if matrix.target is not None:
            kind = pa.from_numpy_dtype(matrix.target)
            columns.append(pa.field(layout.TARGET, kind, nullable=False))
        schema = pa.schema(columns, metadata=matrix.facts)
        self._file = TableFile(staging, matrix.path, sums, schema, matrix.codec)

    def abort(self) -> None:
        """Lets go of the file without finishing it."""
        self._file.abort()

    def _put(self, columns: Sequence[NDArray[Any]]) -> None:
        schema = self._file.schema
        parts = [_array(column, field.type) for column, field in zip(columns, schema, strict=True)]
        self._file.write(pa.Table.from_arrays(parts, schema=schema))

    def _end(self) -> StoredFile:
        return self._file.close()


def _array(column: NDArray[Any], kind: pa.DataType) -> pa.Array:
    """Arrow's array over a C-contiguous (rows,), or (rows, n) as lists, without a copy."""
    values = pa.from_numpy_dtype(column.dtype)
    flat = pa.Array.from_buffers(values, column.size, [None, pa.py_buffer(column)])
    if column.ndim == 1:
        return flat
    return pa.Array.from_buffers(kind, len(column), [None], children=[flat])


def write_parameters(
    staging: Path,
    sums: dict[str, str],
    parameters: Sequence[tuple[str, str, NDArray[Any]]],
    dtype: np.dtype[Any],
    facts: Mapping[str, str],
    codec: str,
) -> StoredFile:
    """Writes many weights; see :meth:`runner.store.write.RunWriter.parameters`."""
    floats = pa.field("item", pa.from_numpy_dtype(dtype), nullable=False)
    sizes = pa.field("item", pa.int64(), nullable=False)
    schema = pa.schema(
        [
            pa.field("layer", pa.string(), nullable=False),
            pa.field("name", pa.string(), nullable=False),
            pa.field("shape", pa.list_(sizes), nullable=False),
            pa.field("values", pa.list_(floats), nullable=False),
        ],
        metadata=facts,
    )
    file = TableFile(staging, layout.PARAMETERS_FILE, sums, schema, codec)
    for part in _groups(parameters):
        shapes = [np.array(array.shape, dtype="i8") for _, _, array in part]
        values = [np.asarray(array, dtype=dtype).reshape(-1) for _, _, array in part]
        parts = [
            columns.column([layer for layer, _, _ in part], "string"),
            columns.column([name for _, name, _ in part], "string"),
            columns.list_column(shapes, schema.field("shape").type),
            columns.list_column(values, schema.field("values").type),
        ]
        file.write(pa.Table.from_arrays(parts, schema=schema))
    return file.close()


def _groups(
    parameters: Sequence[tuple[str, str, NDArray[Any]]],
) -> list[list[tuple[str, str, NDArray[Any]]]]:
    """Parameters in row groups, so that reading one takes a bounded part of the file."""
    groups: list[list[tuple[str, str, NDArray[Any]]]] = []
    size = _PARAMETER_GROUP
    for parameter in parameters:
        if size >= _PARAMETER_GROUP:
            groups.append([])
            size = 0
        groups[-1].append(parameter)
        size += parameter[2].size
    return groups
