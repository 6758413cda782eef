"""Values as the verbs print them: for a table, for CSV, for JSON."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from runner import console


def as_json(value: Any) -> str:
    """Indented JSON, without a character that a terminal obeys, or that stdout has no name for."""
    text = json.dumps(plain(value), indent=2, ensure_ascii=False)
    try:
        text.encode(sys.stdout.encoding or "utf-8", "surrogatepass")
    except UnicodeEncodeError:
        text = json.dumps(plain(value), indent=2)
    return console.CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def as_csv(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells as CSV, without a character that a terminal obeys."""
    import csv

    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().removesuffix("\n")


def plain(value: Any) -> Any:
    """What JSON can hold: times as text, numbers that it has no name for as null."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value.isoformat() if isinstance(value, datetime) else value


def cell(value: Any) -> str:
    """One value as text, nothing for None."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, (list, tuple)):
        return " ".join(map(str, value))
    return str(value)


def short(key: str, value: Any) -> str:
    """One value of a column as a cell of a table."""
    if isinstance(value, float):
        return console.number(value)
    text = cell(value)
    if key == "start_time":
        return text[:19]
    return text if key == "path" or len(text) <= 48 else text[:47] + "…"
