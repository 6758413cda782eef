"""The journal of a sweep that is under way: a line for each job that ended, with its checksum."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from runner.errors import DamagedError, unreadable
from runner.store.files import read_file, writing

JOURNAL_FILE = ".journal.jsonl"

_DIGITS = 16  # of each line's checksum
_HOLE = b"\0\0"  # what no line has: the power went before this was on disk


class Journal:
    """The lines of the jobs that ended, appended as they do.

    Args:
        sweep: the directory.
        sweep_id: of the sweep, which is part of every checksum.
    """

    def __init__(self, sweep: Path, sweep_id: str) -> None:
        self._path = sweep / JOURNAL_FILE
        self._sweep_id = sweep_id
        with writing(self._path):
            self._file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
            # A line that a kill has torn must not swallow the next one.
            data = self._path.read_bytes()
            whole = data.rfind(b"\n") + 1
            if whole < len(data):
                os.ftruncate(self._file, whole)

    def append(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Adds rows; what is written survives the process."""
        data = b"".join(self._line(row) for row in rows)
        with writing(self._path):
            while data:
                data = data[os.write(self._file, data) :]

    def _line(self, row: Mapping[str, Any]) -> bytes:
        text = json.dumps(row, ensure_ascii=False, default=_as_text)
        data = text.encode("utf-8", "backslashreplace")
        return _checksum(self._sweep_id, data) + b" " + data + b"\n"

    def close(self) -> None:
        """No more rows."""
        os.close(self._file)


def journal_rows(sweep: Path, sweep_id: str, times: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The rows of a journal. A last line that a kill has torn is none: its run is found on disk.

    Args:
        sweep: the directory.
        sweep_id: of the sweep.
        times: the columns that are times.

    Raises:
        DamagedError: a line is not what was written.
    """
    path = sweep / JOURNAL_FILE
    try:
        data = read_file(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise unreadable(path, error) from error
    for line in data.split(b"\n")[:-1]:
        checksum, _, text = line.partition(b" ")
        if checksum != _checksum(sweep_id, text):
            if _HOLE in line:
                continue
            problem = "a line is not what was written; without the file the runs are found again"
            raise DamagedError(path, problem)
        row = json.loads(text)
        for name in times:
            if row.get(name):
                row[name] = datetime.fromisoformat(row[name])
        yield row


def _checksum(sweep_id: str, text: bytes) -> bytes:
    return hashlib.sha256(sweep_id.encode() + text).hexdigest()[:_DIGITS].encode()


def _as_text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    raise TypeError(f"{type(value).__name__} in a row")
