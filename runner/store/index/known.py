"""The rows of runs that were read before, so that a tree of thousands is listed at once.

A committed run never changes, so its row is good for as long as ``run.parquet`` is the same file:
same time, size and inode. The file here is a copy and nothing more: whatever is wrong with it, it
is read as empty and made anew; where it can't be written, all goes on without it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from runner.store.files import read_file
from runner.store.layout import LAYOUT_VERSION, RUN_COLUMNS, RUN_FILE

FILE = ".runs.json"
"""Its name, in the folder that was listed."""

WORTH_KEEPING = 100
"""So many rows that weren't known before make it worth writing."""

_TIMES = tuple(name for name, kind in RUN_COLUMNS if kind == "timestamp")
_Stamp = tuple[int, int, int]


class KnownRows:
    """Relative path of a run -> its row.

    Args:
        root: the folder that is listed.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._prefix = f"{root}{os.sep}"
        self._stamps: dict[str, _Stamp] = {}
        self._rows: dict[str, dict[str, Any]] = {}
        self._seen: dict[str, None] = {}
        self._new = 0
        # Damaged, from another version, or not there: it is made anew.
        with contextlib.suppress(
            OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError
        ):
            self._stamps, self._rows = _parse(read_file(root / FILE))

    def get(self, folder: Path) -> dict[str, Any] | None:
        """The row of a run, if it is known and still so; costs one look at a file's facts."""
        path = str(folder).removeprefix(self._prefix)
        stamp = self._stamps.get(path)
        if stamp is None or stamp != _stamp(folder):
            return None
        self._seen[path] = None
        return {**self._rows[path], "path": str(folder)}

    def stamp(self, folder: Path) -> _Stamp | None:
        """What a run's file is like; to be taken before it is read."""
        return _stamp(folder)

    def add(self, folder: Path, stamp: _Stamp | None, row: Mapping[str, Any]) -> None:
        """Takes in a row that was read."""
        if stamp is None:
            return
        path = str(folder).removeprefix(self._prefix)
        self._stamps[path] = stamp
        self._rows[path] = {name: value for name, value in row.items() if name != "path"}
        self._seen[path] = None
        self._new += 1

    def save(self) -> None:
        """Writes the rows that were asked for or added, if enough of them are new."""
        if self._new < WORTH_KEEPING:
            return
        fresh = self._root / f"{FILE}-{secrets.token_hex(4)}"
        try:
            data = _dump([(path, self._stamps[path], self._rows[path]) for path in self._seen])
            fresh.write_bytes(data)
            os.replace(fresh, self._root / FILE)
        except (OSError, ValueError, TypeError):
            with contextlib.suppress(OSError):
                fresh.unlink()


def _stamp(folder: Path) -> _Stamp | None:
    try:
        facts = os.stat(f"{folder}{os.sep}{RUN_FILE}")
    except OSError:
        return None
    return facts.st_mtime_ns, facts.st_size, facts.st_ino


def _dump(entries: list[tuple[str, _Stamp, dict[str, Any]]]) -> bytes:
    """Column by column, every value once: most are the same in all runs."""
    columns: dict[str, dict[str, list[Any]]] = {}
    names = dict.fromkeys(name for _, _, row in entries for name in row)
    for name in names:
        places: dict[str, int] = {}
        at = []
        for _, _, row in entries:
            if name not in row:
                at.append(-1)
                continue
            value = row[name]
            text = json.dumps(value.isoformat() if isinstance(value, datetime) else value)
            at.append(places.setdefault(text, len(places)))
        columns[name] = {"values": [json.loads(text) for text in places], "at": at}
    whole = {
        "layout_version": LAYOUT_VERSION,
        "paths": [path for path, _, _ in entries],
        "stamps": [stamp for _, stamp, _ in entries],
        "columns": columns,
    }
    data = json.dumps(whole, ensure_ascii=False).encode("utf-8", "backslashreplace")
    return hashlib.sha256(data).hexdigest().encode() + b"\n" + data


def _parse(data: bytes) -> tuple[dict[str, _Stamp], dict[str, dict[str, Any]]]:
    digest, _, rest = data.partition(b"\n")
    if hashlib.sha256(rest).hexdigest().encode() != digest:
        raise ValueError("not what was written")
    whole = json.loads(rest)
    if whole["layout_version"] != LAYOUT_VERSION:
        raise ValueError("of another layout")
    paths = whole["paths"]
    rows: list[dict[str, Any]] = [{} for _ in paths]
    for name, column in whole["columns"].items():
        values = column["values"]
        if name in _TIMES:
            values = [None if value is None else datetime.fromisoformat(value) for value in values]
        lists = any(isinstance(value, list) for value in values)
        for row, at in zip(rows, column["at"], strict=True):
            if at >= 0:
                row[name] = list(values[at]) if lists and values[at] is not None else values[at]
    stamps = {path: tuple(stamp) for path, stamp in zip(paths, whole["stamps"], strict=True)}
    return stamps, dict(zip(paths, rows, strict=True))
