"""The row of a run's ``run.parquet``, which is what makes a run exist."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from runner.errors import DamagedError, unreadable
from runner.store import layout
from runner.store.files import read_file
from runner.store.sums import Files

_ALWAYS = ("run_id", "status", "start_time", "end_time")


def read_row(files: Files) -> dict[str, Any]:
    """The row of a run's ``run.parquet``, its layout checked.

    Raises:
        FileNotFoundError: there is none, and nothing that says there was.
        DamagedError: it is not what was written.
        RunnerError: its layout is newer than this program.
    """
    from runner.store.parquet import read_rows, reading

    path = files.directory / layout.RUN_FILE
    try:
        data = read_file(path)
    except FileNotFoundError:
        if is_complete_without_run_file(files.directory):
            raise DamagedError(path, "is missing") from None
        raise
    except OSError as error:
        raise unreadable(path, error) from error
    files.compare(layout.RUN_FILE, lambda: hashlib.sha256(data).hexdigest())
    with reading(path, data) as file:
        if file.metadata.num_rows != 1:
            raise DamagedError(path, "is not the row of a run")
        [row] = read_rows(path, file, layout.RUN_COLUMNS, _ALWAYS)
    texts = [*(row["tags"] or ()), *(row["overrides"] or ())]
    if row["status"] not in layout.STORED_STATUSES or None in texts:
        raise DamagedError(path, "is not the row of a run")
    return row


def is_complete_without_run_file(directory: Path) -> bool:
    """Whether ``run.parquet`` was taken away from a run that was committed."""
    sums, claim = directory / layout.SUMS_FILE, directory / layout.CLAIM_FILE
    run_file = directory / layout.RUN_FILE
    return os.path.exists(sums) and not os.path.exists(claim) and not os.path.exists(run_file)
