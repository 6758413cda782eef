"""The runs of a sweep as a table that a page sorts and filters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from runner.analysis.swept import Job, Row, metrics
from runner.report.charts import plain

_MEASURED = {
    "mean": "mean of {}",
    "std": "std of {}",
    "zero_fraction": "share of exact zeros in {}",
    "nonfinite_count": "values not finite in {}",
}


def runs_table(
    found: Sequence[Row], each: Sequence[Job], keys: Sequence[str], folder: Path
) -> dict[str, Any]:
    """Heads, and a list for each run.

    Args:
        found: the rows of the index.
        each: the same runs.
        keys: those that were swept.
        folder: of the page: whose pages of single runs are linked.
    """
    last = list(dict.fromkeys(list(one.layers)[-1] for one in each if one.layers))
    where = last[0] if len(last) == 1 else "the last layer"
    measured = [name for name in _MEASURED if last]
    if not any(_last(one).get("nonfinite_count") for one in each):
        measured = [name for name in measured if name != "nonfinite_count"]
    names = metrics(each)
    heads = [(name, name) for name in ("job", "status", *keys, *names)]
    heads += [(name, _MEASURED[name].format(where)) for name in measured]
    heads += [("seconds", "took, s"), ("run", "run")]
    lines = []
    for row, one in zip(found, each, strict=True):
        number = row.get("number")
        own = _last(one)
        lines.append(
            [
                Path(row["path"]).name if number is None else number,
                row["status"],
                *(one.typed.get(key) for key in keys),
                *(_cell(one.metrics.get(name)) for name in names),
                *(_cell(own.get(name)) for name in measured),
                _cell(_seconds(row)),
                row["run_id"] or "",
            ]
        )
    pages = {path.stem for path in folder.glob("*.html")} if folder.is_dir() else set()
    linked = [cells[-1] for cells in lines if cells[-1] in pages]
    return {"heads": heads, "rows": lines, "pages": linked}


def _last(one: Job) -> dict[str, float]:
    return next(reversed(one.layers.values()), {})


def _seconds(row: Row) -> float | None:
    if row.get("seconds") is not None:
        return float(row["seconds"])
    begun, ended = row.get("start_time"), row.get("end_time")
    if isinstance(begun, datetime) and isinstance(ended, datetime):
        return (ended - begun).total_seconds()
    return None


def _cell(value: float | None) -> float | str | None:
    """A number as JSON has it; of one that is not finite, which."""
    if value is None or math.isnan(value):
        return None if value is None else "not finite"
    return plain(value) if math.isfinite(value) else str(value)
