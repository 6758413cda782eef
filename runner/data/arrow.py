"""CSV and parquet files as columns, read by arrow."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from runner.data.columns import Column, Columns, Missing, Part, UnreadableError, Word, is_number
from runner.data.stream import block_rows

_READ = 1 << 20  # bytes of a parquet column at a time

_READ_CSV = 1 << 23  # bytes
_TOO_LONG = "has a line of more than 1 MB: so wide a table goes into parquet or npz"
_LONG_LINE = ("straddling object", "cannot infer number of columns")
"""What arrow says of one; its blocks are of a MiB."""

_MOST_WORDS = 100_000  # that are looked at for one among numbers

_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars", " ": "blanks"}

# Arrow's types that are numbers, and numpy's names for them.
_WHOLE = {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
_DTYPES = {name: name for name in _WHOLE} | {
    "halffloat": "float16",
    "float": "float32",
    "double": "float64",
}


def open_csv(path: Path) -> Columns:
    """A CSV file: commas, UTF-8, the columns' names in the first line."""
    with _arrow_errors("CSV"):
        head, *more = islice(_csv_blocks(path), 2)
        if not head:
            return Columns([], 0, lambda wanted, types: iter(()))
        _check_separator(head)
        first = _csv_table(head)
        names = first.column_names
    if all(is_number(name) for name in names):
        raise UnreadableError("needs the columns' names in its first line")
    if not more:
        only = first

        def parts(wanted: list[str], _: Mapping[str, str]) -> Iterator[Part]:
            yield _part(only, wanted)

        return Columns(names, first.num_rows, parts)

    def blocks(wanted: list[str], types: Mapping[str, str]) -> Iterator[Part]:
        with _arrow_errors("CSV"):
            for number, block in enumerate(_csv_blocks(path)):
                table = _csv_table(block, names if number else None, types)
                yield _part(table, wanted)

    return Columns(names, None, blocks)


def open_parquet(path: Path) -> Columns:
    """A parquet file; an index that pandas wrote into it is no feature."""
    import pyarrow.parquet

    with _arrow_errors("parquet"):
        # Not read_table: it imports pandas.
        file = pyarrow.parquet.ParquetFile(
            path, page_checksum_verification=True, pre_buffer=False, buffer_size=_READ
        )
        schema, rows = file.schema_arrow, file.metadata.num_rows
        names = schema.names
        index = _index_of((schema.metadata or {}).get(b"pandas", b"{}"))

    def parts(wanted: list[str], _: Mapping[str, str]) -> Iterator[Part]:
        with _arrow_errors("parquet"):
            for batch in file.iter_batches(block_rows(len(wanted)), columns=wanted):
                yield _part(batch, wanted)

    return Columns(names, rows, parts, index)


def _index_of(notes: bytes) -> frozenset[str]:
    """The columns that are an index, by what pandas noted."""
    try:
        told = json.loads(notes)
    except (ValueError, RecursionError) as error:
        raise UnreadableError("cannot be read: what pandas noted in it is no JSON") from error
    known = told.get("index_columns") if isinstance(told, dict) else None
    return frozenset(name for name in known or () if isinstance(name, str))


def _check_separator(block: bytes) -> None:
    """Refuses a file whose values are separated by something else than commas.

    Raises:
        UnreadableError: each of its first two lines has that as often as the other.
    """
    lines = re.split(rb"[\r\n]+", block.lstrip(b"\r\n"), maxsplit=2)
    head, row = (line.decode("utf-8", "replace").strip(" ") for line in (*lines, b"")[:2])
    for separator, name in _SEPARATORS.items():
        count = 0 if "," in head else head.count(separator)
        values = [value.replace(",", ".") for value in row.split(separator)]
        # A blank, or a bar, may as well be part of a text.
        surely = separator in ";\t" or all(is_number(value) for value in values)
        if count and len(values) == count + 1 and surely:
            points = ", and points in its numbers" if "," in row else ""
            raise UnreadableError(f"has {name} between its values, needs commas{points}")


@contextmanager
def _arrow_errors(kind: str) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except UnicodeDecodeError as error:
        raise UnreadableError("is not UTF-8: save it as such") from error
    except (pa.ArrowException, OSError, ValueError) as error:
        if any(words in str(error) for words in _LONG_LINE):
            raise UnreadableError(_TOO_LONG) from error
        raise UnreadableError(f"cannot be read as {kind}: {error}") from error


def _csv_blocks(path: Path) -> Iterator[bytes]:
    """The file in pieces that end where a line does."""
    with path.open("rb", buffering=0) as file:
        left, found = b"", False
        while more := file.read(_READ_CSV):
            block = left + more
            end = block.rfind(b"\n") + 1 or block.rfind(b"\r") + 1
            block, left = block[:end], block[end:]
            if len(left) > _READ_CSV:  # adding to it again and again would take for ever
                raise UnreadableError(_TOO_LONG)
            if block.strip(b"\r\n"):
                yield block
                found = True
    if left.strip(b"\r\n") or not found:
        yield left


def _csv_table(
    block: bytes, names: list[str] | None = None, types: Mapping[str, str] | None = None
) -> Any:
    import pyarrow as pa
    from pyarrow.csv import ConvertOptions, ReadOptions, read_csv

    known = {name: pa.type_for_alias(kind) for name, kind in (types or {}).items()}
    # A copy in memory of arrow's. Its threads may let go of it after Python has begun to end, when
    # one that gives back what belongs to Python takes the whole process with it (SIGABRT).
    own = pa.allocate_buffer(len(block))
    np.frombuffer(own, "u1")[:] = np.frombuffer(block, "u1")
    return read_csv(
        pa.BufferReader(own),
        read_options=ReadOptions(column_names=names),
        convert_options=ConvertOptions(column_types=known),
    )


def _part(table: Any, wanted: list[str]) -> Part:
    return Part(table.num_rows, {name: _array(table.column(name)) for name in wanted})


def _array(column: Any) -> Column:
    """An Arrow column's numbers. Not ``to_numpy``, which imports pandas."""
    missing = column.null_count
    if missing:
        return Missing(missing)
    dtype = _DTYPES.get(str(column.type))
    if dtype is None:
        if str(column.type) in ("string", "large_string", "binary"):
            return _words(column)
        return f"is {column.type}, not numbers"
    chunks = getattr(column, "chunks", [column])
    parts = [
        np.frombuffer(chunk.buffers()[1], dtype)[chunk.offset : chunk.offset + len(chunk)]
        for chunk in chunks
        if len(chunk)
    ]
    return np.concatenate(parts) if parts else np.empty(0, dtype)


def _words(column: Any) -> Column:
    """What is to be said of a column of text: the word that is no number, where others are."""
    first: Word | None = None
    numbers = False
    for row, value in enumerate(islice(column, _MOST_WORDS)):
        text = value.as_py()
        text = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
        if is_number(text):
            numbers = True
        elif first is None:
            first = Word(row, text)
        if first is not None and (numbers or first.has_comma):
            return first
    return "is text, not numbers: give each word a number"
