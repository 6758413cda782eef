"""The page of a sweep: its runs as a table, and every statistic against every swept key."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from runner.analysis.swept import Job, Row, is_seed, jobs, swept_keys
from runner.analysis.typed import Value
from runner.errors import NotFoundError, clip, duration
from runner.report import charts
from runner.report.page import Page, number
from runner.report.panels import KEYS, axes_of, panels
from runner.report.runs_table import runs_table
from runner.store import layout
from runner.store.index import sound_rows
from runner.store.sweeps.spec import read_spec

_FAILURES = 200
_REASONS = {
    "DEAD": "its process is gone, and left no word: killed, or the machine stopped",
    "RUNNING": "it still runs",
}


def name_of_sweep(sweep: Path) -> str:
    """What its page is called: the last two parts of its directory's path."""
    path = sweep.resolve()
    return f"{path.parent.name}-{path.name}"


def page_of_sweep(sweep: Path, folder: Path) -> str:
    """The page as text.

    Args:
        sweep: its directory.
        folder: where the page will be: runs whose own page is there are linked.

    Raises:
        NotFoundError: there is no run in it.
        RunnerError: a run in it, or its index, is damaged.
        MissingExtraError: the extra ``report`` is not installed.
    """
    page = Page()
    found = sorted(sound_rows(sweep), key=_number)
    if not found:
        raise NotFoundError("run", str(sweep), (), hint="there is nothing in this sweep yet")
    each = jobs(found)
    # One that was killed at its start left no word of what it was to be.
    keys = swept_keys([one.typed for one in each if one.typed])
    finished = [row["status"] == layout.FINISHED for row in found]
    done = [one for one, ended in zip(each, finished, strict=True) if ended]
    failed = [row for row, ended in zip(found, finished, strict=True) if not ended]
    drawn = list(panels(done, keys))
    return page.render(
        "sweep.html",
        scripts=("sweep.js",),
        title=f"Sweep {name_of_sweep(sweep)}",
        headline=_headline(found, failed, keys, done, planned(sweep)),
        keys=[(key, _values(values), is_seed(key)) for key, values in keys.items()],
        panels=drawn,
        left_out=max(len(axes_of(keys)) - KEYS, 0),
        failures=[_failure(row) for row in failed[:_FAILURES]],
        n_failures=len(failed),
        n_runs=len(found),
        example=_example(keys),
        data={
            "axes": {kind: charts.axis(log=kind == "log") for kind in ("linear", "log")},
            "keys": list(keys),
            "table": runs_table(found, each, list(keys), folder),
            "panels": [panel.pop("data") for panel in drawn],
        },
    )


def planned(sweep: Path) -> int | None:
    """How many jobs a sweep of ours was begun with; None where it doesn't say."""
    try:
        count = (read_spec(sweep).get("points") or {}).get("count")
    except NotFoundError:  # another sweeper's
        return None
    return count if isinstance(count, int) else None


def _number(row: Row) -> tuple[float, str]:
    """By the number of the job; one that was killed has it in its folder's name."""
    name = Path(row["path"]).name
    number = row.get("number")
    if number is None:
        number = int(name) if name.isdecimal() and len(name) < 10 else math.inf
    return number, name


def _headline(
    found: Sequence[Row],
    failed: Sequence[Row],
    keys: Mapping[str, Sequence[Value]],
    done: Sequence[Job],
    jobs_planned: int | None,
) -> list[tuple[str, str]]:
    of = f" of {number(jobs_planned)}" if jobs_planned and jobs_planned > len(found) else ""
    facts = [("runs", number(len(found)) + of), ("finished", number(len(found) - len(failed)))]
    facts.append(("not finished", number(len(failed))))
    facts.append(("keys swept", number(len(keys))))
    depths = sorted({len(one.layers) for one in done if one.layers})
    if depths:
        few, many = number(depths[0]), number(depths[-1])
        facts.append(("layers", few if few == many else f"{few} – {many}"))
    times = [row[name] for row in found for name in ("start_time", "end_time") if row.get(name)]
    if times:
        facts.append(("took", duration((max(times) - min(times)).total_seconds())))
    return facts


def _failure(row: Row) -> dict[str, str]:
    return {
        "job": Path(row["path"]).name,
        "status": str(row["status"]),
        "error": clip(str(row.get("error") or _REASONS.get(row["status"]) or "no reason"), 400),
        "overrides": " ".join(row.get("overrides") or ()),
        "run": str(row["run_id"] or ""),
    }


def _values(values: Sequence[Value]) -> str:
    if len(values) <= 8:
        return ", ".join(map(str, values))
    return f"{values[0]}, {values[1]}, … {values[-1]} ({len(values):,} values)"


def _example(keys: Mapping[str, Sequence[Value]]) -> str:
    for key, values in keys.items():
        if all(isinstance(value, (int, float)) for value in values):
            return f"{key}<={values[len(values) // 2]}"
    return "status=FINISHED"
