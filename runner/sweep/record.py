"""The rows of a sweep's jobs, kept as they come."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from runner.store.journal import Journal
from runner.store.sweeps import sweep_id, sweep_rows, write_index
from runner.sweep.work import Row


@contextmanager
def indexing(directory: Path, rows: dict[int, Row]) -> Iterator[Any]:
    """Takes rows into the journal as they come, and into the index at the end, come what may."""
    journal = Journal(directory, sweep_id(directory))

    def record(row: Row) -> Row:
        # A row from a worker brings its own copies of the names of a hundred columns.
        row = {sys.intern(name): value for name, value in row.items()}
        rows[row["number"]] = row
        journal.append([row])
        return row

    try:
        yield record
    finally:
        journal.close()
        # A job in flight when a signal came has recorded itself in its run.
        rows |= {row["number"]: row for row in sweep_rows(directory)}
        write_index(directory, [rows[number] for number in sorted(rows)])
