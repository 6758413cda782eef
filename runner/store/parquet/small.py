"""A small table as the bytes of a parquet file, put together without pyarrow.

A job of a sweep writes half a dozen of them, with a hundred columns in all. pyarrow takes 10 to
15 µs for a column, whatever is in it, and as much again to open a file: more than the job's whole
forward pass. Most columns are the same in the next job, so here their pages are kept.

One row group, one page a column, plain encoding, a checksum on every page: what
:mod:`runner.store.parquet` asks of pyarrow, too, which writes the large tables.
https://github.com/apache/parquet-format
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from runner.store.parquet import column_chunk, footer
from runner.store.parquet.column_chunk import Chunk, Lists
from runner.store.parquet.footer import MAGIC, Column

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Values = list[Any] | Lists | NDArray[Any]

__all__ = ["Lists", "to_bytes"]


def to_bytes(columns: Iterable[tuple[str, str, Values]], facts: Mapping[str, str]) -> bytes:
    """A table as a whole parquet file.

    Args:
        columns: (name, kind, values), equally long. The kind is one of
            :data:`runner.store.parquet.columns.TYPES` for plain values or None, ``text`` for str
            that is never None, or numpy's name (``f4``, ``u1``) of the numbers in a (rows,)
            ndarray or in lists.
        facts: the key-value metadata.
    """
    parts, pieces, shape = [MAGIC], [], list[Column]()
    offset, rows = len(MAGIC), 0
    for name, kind, values in columns:
        rows, nesting, chunk = _laid_out(kind, values)
        shape.append((name, kind, nesting))
        parts.append(chunk.page)
        pieces.append(footer.piece(shape[-1], chunk.facts, offset))
        offset += len(chunk.page)
    groups = [footer.group(pieces, offset - len(MAGIC), rows)] if rows else []
    if not rows:
        parts = [MAGIC]
    return b"".join([*parts, footer.footer(shape, rows, groups, facts)])


def _laid_out(kind: str, values: Values) -> tuple[int, int, Chunk]:
    """How many rows, how the values lie in them, and their page."""
    if isinstance(values, Lists):
        return len(values.arrays), footer.OF_LISTS, column_chunk.lists(kind, values.arrays)
    if not isinstance(values, list):
        return len(values), footer.ALL_THERE, column_chunk.numbers(kind, values)
    if kind == "strings":
        return len(values), footer.OF_TEXTS, column_chunk.texts(values)
    if kind == "text":
        return len(values), footer.ALL_THERE, column_chunk.words(values)
    return len(values), footer.NULLABLE, column_chunk.plain(kind, values)
