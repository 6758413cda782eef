"""The rows of a sweep's jobs, kept as they come."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from runner.errors import InterruptedRunError
from runner.store.journal import Journal
from runner.store.sweeps import sweep_id, sweep_rows, write_index
from runner.sweep.work import Row

_MOST_IN_A_HURRY = 5000  # rows: some 0.2 s


@contextmanager
def indexing(directory: Path, rows: dict[int, Row]) -> Iterator[Any]:
    """Takes rows into the journal as they come, and into the index at the end, come what may.

    After a signal there is no time for the index of a large sweep: the journal has it all.
    """
    journal = Journal(directory, sweep_id(directory))

    def record(row: Row) -> Row:
        # A row from a worker brings its own copies of the names of a hundred columns.
        row = {sys.intern(name): value for name, value in row.items()}
        rows[row["number"]] = row
        journal.append([row])
        return row

    hurried = False
    try:
        yield record
    except InterruptedRunError:
        hurried = len(rows) > _MOST_IN_A_HURRY
        raise
    finally:
        journal.close()
        if not hurried:
            # A job in flight when a signal came has recorded itself in its run.
            there = sweep_rows(directory, rows)
            rows |= {row["number"]: row for row in there}
            write_index(directory, there)
