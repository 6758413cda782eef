"""Files of ``np.savez`` as columns, read row by row; nothing in them is unpickled."""

from __future__ import annotations

import zipfile
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from runner.data.columns import Column, Columns, Part, UnreadableError
from runner.data.stream import block_rows, spans
from runner.limits import size


@dataclass(frozen=True)
class _Member:
    """An array of the file, known by its header.

    Attributes:
        entry: its name in the archive.
        shape: of one dimension, or of two.
        dtype: of the numbers.
        whole: it lies there column by column, so that its rows come only all at once.
    """

    entry: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    whole: bool

    @property
    def is_numbers(self) -> bool:
        return self.dtype.kind in "iuf" and self.dtype.itemsize <= 8


_LONGEST_HEADER = 1 << 16  # bytes

MOST_COLUMNS = 1_000_000
"""Of a table: its header may say any number, and each column gets a name."""


def open_npz(path: Path) -> Columns:
    """A file of ``np.savez``: one dimension is a column, two are ``name_0``, ``name_1`` and so on.

    Nothing in it is unpickled.
    """
    members: dict[str, _Member] = {}
    names: list[str] = []
    groups: dict[str, list[str]] = {}
    place: dict[str, tuple[str, int | None]] = {}
    held: set[str] = set()
    with _zip_errors(), zipfile.ZipFile(path) as archive:
        for entry in archive.namelist():
            array = entry.removesuffix(".npy")
            members[array] = member = _head_of(archive, entry, array)
            if len(member.shape) == 1:
                names.append(array)
                place[array] = (array, None)
                continue
            if len(names) + member.shape[1] > MOST_COLUMNS:
                problem = f"array {array} has {member.shape[1]} columns, more than {MOST_COLUMNS}"
                raise UnreadableError(problem)
            groups[array] = [f"{array}_{i}" for i in range(member.shape[1])]
            names += groups[array]
            place |= {name: (array, i) for i, name in enumerate(groups[array])}
            if member.whole:
                held.update(groups[array])
    lengths = {array: member.shape[0] for array, member in members.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{array} {length}" for array, length in lengths.items())
        raise UnreadableError(f"its arrays differ in length: {told}")

    def parts(wanted: list[str], _: Mapping[str, str]) -> Iterator[Part]:
        arrays = dict.fromkeys(place[name][0] for name in wanted)
        rows = block_rows(sum(max(1, len(groups.get(array, ()))) for array in arrays))
        with _zip_errors(), zipfile.ZipFile(path) as archive, ExitStack() as files:
            blocks = {
                array: files.enter_context(closing(_blocks_of(archive, members[array], rows)))
                for array in arrays
                if members[array].is_numbers
            }
            for start, stop in spans(next(iter(lengths.values())), rows):
                part = {array: next(found) for array, found in blocks.items()}
                columns = {name: column_of(part, *place[name]) for name in wanted}
                yield Part(stop - start, columns)
            for found in blocks.values():
                next(found, None)  # the checksum is behind the last number

    def column_of(part: Mapping[str, NDArray[Any]], array: str, index: int | None) -> Column:
        if array not in part:
            return f"is {members[array].dtype.name}, not numbers"
        return part[array] if index is None else part[array][:, index]

    rows = next(iter(lengths.values()), 0)
    return Columns(names, rows, parts, groups=groups, held=frozenset(held))


def _head_of(archive: zipfile.ZipFile, entry: str, array: str) -> _Member:
    """What the header of an .npy file says, without reading the numbers."""
    with archive.open(entry) as file:
        start = file.read(12)
        length = int.from_bytes(start[8 : 10 if start[6:7] == b"\x01" else 12], "little")
        if length > _LONGEST_HEADER:  # it would be read before numpy finds it too long
            raise UnreadableError(f"array {array} has a header of {size(length)}: it is damaged")
        file.seek(0)
        shape, by_column, dtype = _header(file)
    if dtype.hasobject:
        raise UnreadableError(f"array {array} holds Python objects, which are never unpickled")
    if len(shape) not in (1, 2):
        raise UnreadableError(f"array {array} has {len(shape)} dimensions, not 1 or 2")
    return _Member(entry, shape, dtype, by_column and len(shape) == 2 and 1 not in shape)


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, by_column, dtype = np.lib.format.read_array_header_1_0(file)
    else:
        shape, by_column, dtype = np.lib.format.read_array_header_2_0(file)
    return tuple(int(length) for length in shape), bool(by_column), dtype


def _blocks_of(
    archive: zipfile.ZipFile, member: _Member, rows: int
) -> Generator[NDArray[Any], None, None]:
    """The rows of an array, so many at a time, and nothing more once its checksum is right."""
    length, *rest = member.shape
    with archive.open(member.entry) as file:
        if member.whole:
            whole = np.lib.format.read_array(file, allow_pickle=False)
            for start, stop in spans(length, rows):
                yield whole[start:stop]
            return
        _header(file)
        width = member.dtype.itemsize * (rest[0] if rest else 1)
        for start, stop in spans(length, rows):
            data = file.read((stop - start) * width)
            if len(data) != (stop - start) * width:
                raise ValueError("it ends too early")
            yield np.frombuffer(data, member.dtype).reshape(stop - start, *rest)
        file.read(1)


@contextmanager
def _zip_errors() -> Iterator[None]:
    try:
        yield
    except UnreadableError:
        raise
    except Exception as error:
        # zipfile, zlib and numpy's parser of headers have a dozen kinds for what is no such file.
        reason = f"{error}" or type(error).__name__
        raise UnreadableError(f"cannot be read as npz: {reason}") from error
