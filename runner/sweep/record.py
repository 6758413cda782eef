"""The rows of a sweep's jobs, kept as they come."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from runner.errors import InterruptedRunError
from runner.store.files import writing
from runner.store.sweeps import present, unknown_rows, write_index
from runner.store.sweeps.job_folders import folders
from runner.store.sweeps.journal import Journal
from runner.store.sweeps.spec import sweep_id
from runner.sweep.places import Row
from runner.sweep.rows import Rows

_MOST_IN_A_HURRY = 5000  # rows: some 0.2 s


@contextmanager
def indexing(directory: Path, rows: Rows) -> Iterator[Callable[[Row], Row]]:
    """Takes rows into the journal as they come, and into the index at the end, come what may.

    After a signal there is no time for the index of a large sweep: the journal has it all.
    """
    journal = Journal(directory, sweep_id(directory))

    def record(row: Row) -> Row:
        rows.add(row)
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
            with writing(directory):  # which may be gone
                _write(directory, rows)


def _write(directory: Path, rows: Rows) -> None:
    # A job in flight when a signal came has recorded itself in its run.
    for row in unknown_rows(directory, rows.directories, rows):
        rows.add(row)
    whole = rows.directories <= folders(directory)
    values = rows.values()
    write_index(directory, values if whole else list(present(directory, values)))
