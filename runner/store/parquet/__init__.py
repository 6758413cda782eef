"""Opening parquet files to write and to read, always in the same way."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from runner import limits
from runner.errors import DamagedError, RunnerError, clip, unreadable
from runner.store import layout

if TYPE_CHECKING:
    import pyarrow as pa

_UNFIT = (ValueError, ArithmeticError, LookupError, TypeError)
_A_CELL = 16  # bytes of a plain value, at the least


def open_writer(sink: Any, schema: pa.Schema, codec: str = "none") -> Any:
    """A parquet writer: no dictionary, no statistics, a checksum on every page.

    Args:
        sink: a file of Python's to write into.
        schema: of the tables that follow.
        codec: one of :data:`runner.store.layout.CODECS`.
    """
    try:
        # Half of what importing `pyarrow.parquet` takes goes into file systems we don't use.
        from pyarrow._parquet import ParquetWriter
    except ImportError:
        from pyarrow.parquet import ParquetWriter
    return ParquetWriter(
        sink,
        schema,
        version="2.6",
        compression=codec,
        use_dictionary=False,
        write_statistics=False,
        write_page_checksum=True,
        writer_engine_version="V2",
    )


def to_bytes(schema: pa.Schema, tables: Iterable[pa.Table]) -> bytes:
    """Small tables, one after the other, as the bytes of a parquet file."""
    from pyarrow import BufferOutputStream

    # A sink of Python's would be called back hundreds of times for a table of a hundred columns.
    sink = BufferOutputStream()
    writer = open_writer(sink, schema)
    for table in tables:
        writer.write_table(table)
    writer.close()
    return cast("bytes", sink.getvalue().to_pybytes())


@contextmanager
def reading(path: Path, data: bytes | None = None) -> Iterator[Any]:
    """An open ``ParquetFile`` that verifies the checksum of every page it reads.

    Args:
        path: the file, or what to call it.
        data: its bytes, where they are in memory already.

    Raises:
        DamagedError: it is no parquet file, or not the one that was written; also for what the
            body comes upon.
        RunnerError: it has a newer layout than this program.
    """
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    try:
        source = path if data is None else pa.BufferReader(data)
        with ParquetFile(source, page_checksum_verification=True) as file:
            version = facts(file.metadata.metadata).get(layout.FACT_VERSION, "")
            layout.check_version(path, version)
            yield file
    except RunnerError:
        raise
    except (pa.ArrowException, OSError, *_UNFIT) as error:
        # What pyarrow itself finds wrong with a file has no number.
        if isinstance(error, OSError) and error.errno:
            raise unreadable(path, error) from error
        raise DamagedError(path, f"can't be read as parquet: {error}") from error


def read_rows(
    path: Path,
    file: Any,
    expected: Iterable[tuple[str, str]] = (),
    never_null: Collection[str] = (),
) -> list[dict[str, Any]]:
    """All rows of an open file of ours, as plain values.

    Args:
        path: what to call the file.
        file: as :func:`reading` gives it.
        expected: names and types of columns that it has.
        never_null: the names of those with a value in every row.

    Raises:
        DamagedError: it says that it has more of them than the memory can hold, or its columns are
            none of ours.
    """
    from runner.store.parquet import columns

    kinds = columns.kinds(file.schema_arrow)
    for name in file.schema_arrow.names:
        if name not in kinds:
            raise DamagedError(path, f"column {clip(name, 40)} is of no type that is ours")
    for name, kind in expected:
        if kinds.get(name) != kind:
            raise DamagedError(path, f"has no column {name} of type {kind}")

    count, width = file.metadata.num_rows, file.metadata.num_columns
    free = limits.available_memory()
    if free is not None and count * width * _A_CELL > free:
        raise DamagedError(path, f"says it has {count} rows, more than the memory can hold")
    rows = columns.rows(file.read(use_threads=False))
    for name in never_null:
        if any(row[name] is None for row in rows):
            raise DamagedError(path, f"lacks {name} in a row")
    return rows


def facts(schema_metadata: Any) -> dict[str, str]:
    """Key-value metadata as text."""
    return {
        key.decode("utf-8", "replace"): value.decode("utf-8", "replace")
        for key, value in (schema_metadata or {}).items()
        if key != b"ARROW:schema"
    }
