"""The files a table may come from, each opened as named columns of numbers."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Iterator

Column = NDArray[Any] | str
"""The numbers of a column, or why it has none."""

# Arrow's types that are numbers, and numpy's names for them.
_WHOLE = {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
_DTYPES = {name: name for name in _WHOLE} | {
    "halffloat": "float16",
    "float": "float32",
    "double": "float64",
}


class UnreadableError(Exception):
    """A file that is not what its name says, or not a table; the text says why."""


@dataclass(frozen=True)
class Columns:
    """An open table.

    Attributes:
        names: of all columns, in order; they may repeat.
        rows: how many each has.
        load: names -> the columns of these names.
        index: names of columns that number the rows, and say nothing about them.
        groups: name of several columns together -> their names.
    """

    names: list[str]
    rows: int
    load: Callable[[list[str]], Mapping[str, Column]]
    index: frozenset[str] = frozenset()
    groups: Mapping[str, list[str]] = field(default_factory=dict)

    @cached_property
    def known(self) -> frozenset[str]:
        """All names, in a form that is quick to ask."""
        return frozenset(self.names)

    def cells(self, wanted: list[str]) -> int:
        """How many numbers ``load`` holds at a time: a group is read as a whole."""
        held = set(wanted)
        for group in self.groups.values():
            if not held.isdisjoint(group):
                held.update(group)
        return self.rows * len(held)


def open_csv(path: Path) -> Columns:
    """A CSV file: commas, UTF-8, the columns' names in the first line."""
    import pyarrow.csv

    with _arrow_errors("CSV"):
        table = pyarrow.csv.read_csv(path)
    names = table.column_names
    if all(_is_number(name) for name in names):
        raise UnreadableError("needs the columns' names in its first line")
    return Columns(names, table.num_rows, lambda wanted: _arrays(table, wanted))


def open_parquet(path: Path) -> Columns:
    """A parquet file; an index that pandas wrote into it is no feature."""
    import pyarrow.parquet

    with _arrow_errors("parquet"):
        # Not read_table: it imports pandas.
        file = pyarrow.parquet.ParquetFile(path, page_checksum_verification=True)
        schema, rows = file.schema_arrow, file.metadata.num_rows
        names = schema.names
        notes = json.loads((schema.metadata or {}).get(b"pandas", b"{}"))

    def load(wanted: list[str]) -> Mapping[str, Column]:
        with _arrow_errors("parquet"):
            return _arrays(file.read(columns=wanted), wanted)

    index = {name for name in notes.get("index_columns", []) if isinstance(name, str)}
    return Columns(names, rows, load, frozenset(index))


def open_npz(path: Path) -> Columns:
    """A file of ``np.savez``: one dimension is a column, two are ``name_0``, ``name_1`` and so on.

    Nothing in it is unpickled.
    """
    heads: dict[str, tuple[int, ...]] = {}
    names: list[str] = []
    groups: dict[str, list[str]] = {}
    place: dict[str, tuple[str, int | None]] = {}
    with _zip_errors(), zipfile.ZipFile(path) as archive:
        for member in archive.namelist():
            array = member.removesuffix(".npy")
            with archive.open(member) as file:
                heads[array] = shape = _shape(file, array)
            if len(shape) == 1:
                names.append(array)
                place[array] = (member, None)
            else:
                groups[array] = [f"{array}_{i}" for i in range(shape[1])]
                names += groups[array]
                place |= {name: (member, i) for i, name in enumerate(groups[array])}
    lengths = {array: shape[0] for array, shape in heads.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{array} {length}" for array, length in lengths.items())
        raise UnreadableError(f"its arrays differ in length: {told}")

    def load(wanted: list[str]) -> Mapping[str, Column]:
        read: dict[str, NDArray[Any]] = {}
        found: dict[str, Column] = {}
        with _zip_errors(), zipfile.ZipFile(path) as archive:
            for name in wanted:
                member, column = place[name]
                if member not in read:
                    with archive.open(member) as file:
                        read[member] = np.lib.format.read_array(file, allow_pickle=False)
                array = read[member]
                if array.dtype.kind not in "iuf" or array.dtype.itemsize > 8:
                    found[name] = f"is {array.dtype.name}, not numbers"
                else:
                    found[name] = array if column is None else array[:, column]
        return found

    return Columns(names, next(iter(lengths.values()), 0), load, groups=groups)


OPEN: dict[str, Callable[[Path], Columns]] = {
    ".csv": open_csv,
    ".parquet": open_parquet,
    ".npz": open_npz,
}
"""What a file's name ends in -> how it is opened."""


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


@contextmanager
def _arrow_errors(kind: str) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UnreadableError(f"cannot be read as {kind}: {error}") from error


@contextmanager
def _zip_errors() -> Iterator[None]:
    try:
        yield
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        OSError,
        ValueError,
        NotImplementedError,  # a compression that this Python lacks
        RuntimeError,  # encrypted
    ) as error:
        raise UnreadableError(f"cannot be read as npz: {error}") from error


def _shape(file: IO[bytes], array: str) -> tuple[int, ...]:
    """The shape in the header of an .npy file, without reading the numbers."""
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    else:
        shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    if dtype.hasobject:
        raise UnreadableError(f"array {array} holds Python objects, which are never unpickled")
    if len(shape) not in (1, 2):
        raise UnreadableError(f"array {array} has {len(shape)} dimensions, not 1 or 2")
    return tuple(int(length) for length in shape)


def _arrays(table: Any, wanted: list[str]) -> Mapping[str, Column]:
    return {name: _array(table.column(name)) for name in wanted}


def _array(column: Any) -> Column:
    """An Arrow column's numbers. Not ``to_numpy``, which imports pandas."""
    missing = column.null_count
    if missing:
        return f"has {missing} of {len(column)} values missing"
    dtype = _DTYPES.get(str(column.type))
    if dtype is None:
        return f"is {column.type}, not numbers"
    parts = [
        np.frombuffer(chunk.buffers()[1], dtype)[chunk.offset : chunk.offset + len(chunk)]
        for chunk in column.chunks
        if len(chunk)
    ]
    return np.concatenate(parts) if parts else np.empty(0, dtype)
