"""The page of a sweep: its runs as a table, and every statistic against every swept key."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from runner.analysis.aggregate import layer_statistics
from runner.analysis.swept import (
    WHOLE,
    Row,
    curves,
    is_seed,
    metrics,
    swept_keys,
)
from runner.analysis.typed import Value, overrides
from runner.errors import NotFoundError, clip
from runner.report import charts
from runner.report.band import against_depth, against_key
from runner.report.page import Page, number, seconds
from runner.report.sample import part_of, spread
from runner.store import layout
from runner.store.index import sound_rows

STATISTICS = ("std", "mean", "rms", "zero_fraction", "min", "max")
_KEYS = 6  # of which there is a panel each
_SERIES = 6  # combinations of the other keys that have a line each
_LAYERS = 10  # that one can choose from
_DEPTHS = 60  # layers on the axis of depth
_VALUES = 8  # that have a line each there
_POINTS = 400  # values on an axis
_FAILURES = 200


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
    found = sorted(
        sound_rows(sweep), key=lambda row: (row.get("number") is None, row.get("number"))
    )
    if not found:
        raise NotFoundError("run", str(sweep), (), hint="there is nothing in this sweep yet")
    keys = swept_keys(found)
    done = [row for row in found if row["status"] == layout.FINISHED]
    failed = [row for row in found if row["status"] != layout.FINISHED]
    panels = list(_panels(done, keys))
    layers = _layer_names(done)
    return page.render(
        "sweep.html",
        scripts=("sweep.js",),
        title=f"Sweep {name_of_sweep(sweep)}",
        headline=_headline(found, failed, keys, layers),
        keys=[(key, _values(values), is_seed(key)) for key, values in keys.items()],
        panels=panels,
        left_out=max(len(_axes(keys)) - _KEYS, 0),
        failures=[_failure(row) for row in failed[:_FAILURES]],
        n_failures=len(failed),
        n_runs=len(found),
        example=_example(keys),
        data={
            "axes": {kind: charts.axis(log=kind == "log") for kind in ("linear", "log")},
            "table": _table(found, keys, layers, folder),
            "panels": [panel.pop("data") for panel in panels],
        },
    )


def _headline(
    found: Sequence[Row], failed: Sequence[Row], keys: dict[str, list[Value]], layers: list[str]
) -> list[tuple[str, str]]:
    facts = [("runs", number(len(found))), ("finished", number(len(found) - len(failed)))]
    facts.append(("not finished", number(len(failed))))
    facts.append(("keys swept", number(len(keys))))
    if layers:
        facts.append(("layers", number(len(layers))))
    times = [row[name] for row in found for name in ("start_time", "end_time") if row.get(name)]
    if times:
        facts.append(("took", seconds((max(times) - min(times)).total_seconds())))
    return facts


def _axes(keys: dict[str, list[Value]]) -> list[str]:
    """The keys that something is drawn against: the seeds, where nothing else varies."""
    return [key for key in keys if not is_seed(key)] or list(keys)


def _panels(done: Sequence[Row], keys: dict[str, list[Value]]) -> Iterator[dict[str, Any]]:
    axes = _axes(keys)
    names = _layer_names(done)
    chosen = [names[index] for index in spread(len(names), _LAYERS)]
    for key in axes[:_KEYS] if done else ():
        others = [other for other in axes if other != key]
        combinations = {tuple(overrides(row).get(o) for o in others) for row in done}
        pooled = len(combinations) > _SERIES
        points = list(curves(done, key, () if pooled else others, chosen, STATISTICS))
        values = keys[key]
        shown = {values[index] for index in spread(len(values), _POINTS)}
        lines = [values[index] for index in spread(len(values), _VALUES)]
        deep = [names[index] for index in spread(len(names), _DEPTHS)]
        numeric = all(isinstance(value, (int, float)) for value in values)
        notes = []
        if others and pooled:
            notes.append(f"bands hold {', '.join(others)} as well, of too many values for lines")
        if len(chosen) < len(names):
            notes.append(part_of(len(chosen), len(names), "layers"))
        if len(shown) < len(values):
            notes.append(part_of(len(shown), len(values), "values"))
        data: dict[str, Any] = {"points": [_plain(p) for p in points if p.value in shown]}
        series = list(dict.fromkeys(p.series for p in points))
        data["key"] = against_key(key, values, numeric=numeric, series=series)
        if len(names) > 2:
            over = curves(done, key, (), deep, STATISTICS[:4])
            data["deep"] = [_plain(p) for p in over if p.value in lines and p.layer != WHOLE]
            data["depth"] = against_depth(key, lines, names)
            data["positions"] = {name: index for index, name in enumerate(names)}
        statistics = [*STATISTICS, *metrics(done)] if names else metrics(done)
        yield {
            "key": key,
            "note": "; ".join(notes),
            "seeds": is_seed(key),
            "lines": part_of(len(lines), len(values), "values"),
            "has_depth": "depth" in data,
            "statistics": statistics,
            "layers": chosen,
            "data": data,
        }


def _plain(point: Any) -> list[Any]:
    summary = point.summary
    numbers = (summary.mean, summary.low, summary.high)
    return [
        point.value,
        point.series,
        point.layer,
        point.statistic,
        *(float(f"{x:.5g}") if math.isfinite(x) else None for x in numbers),
        summary.n,
    ]


def _layer_names(done: Sequence[Row]) -> list[str]:
    """The layers of the run that has most of them, and then those of others."""
    each = sorted((list(layer_statistics(row)) for row in done), key=len, reverse=True)
    return list(dict.fromkeys(name for names in each for name in names))


def _table(
    found: Sequence[Row], keys: dict[str, list[Value]], layers: list[str], folder: Path
) -> dict[str, Any]:
    """Heads, and a list for each run."""
    last = layers[-1:]
    measured = [name for name in ("mean", "std", "zero_fraction") if last]
    heads = ["job", "status", *keys, *metrics(found)]
    heads += [f"{last[0]}.{name}" for name in measured]
    heads += ["seconds", "run"]
    lines = []
    for place, row in enumerate(found):
        typed, statistics = overrides(row), layer_statistics(row)
        cells: list[Any] = [row.get("number", place), row["status"]]
        cells += [typed.get(key) for key in keys]
        cells += [_finite(row.get(f"metrics.{name}")) for name in metrics(found)]
        own = statistics.get(last[0], {}) if last else {}
        cells += [_finite(own.get(name)) for name in measured]
        cells += [_finite(_seconds(row)), row["run_id"] or ""]
        lines.append(cells)
    pages = {path.stem for path in folder.glob("*.html")} if folder.is_dir() else set()
    linked = [cells[-1] for cells in lines if cells[-1] in pages]
    return {"heads": heads, "rows": lines, "pages": linked}


def _seconds(row: Row) -> float | None:
    if row.get("seconds") is not None:
        return float(row["seconds"])
    begun, ended = row.get("start_time"), row.get("end_time")
    if isinstance(begun, datetime) and isinstance(ended, datetime):
        return (ended - begun).total_seconds()
    return None


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else str(value)
    return value


def _failure(row: Row) -> dict[str, str]:
    return {
        "job": str(row.get("number", "")),
        "status": str(row["status"]),
        "error": clip(str(row.get("error") or "no reason is on record"), 400),
        "overrides": " ".join(row.get("overrides") or ()),
        "run": str(row["run_id"] or ""),
    }


def _values(values: Sequence[Value]) -> str:
    if len(values) <= 8:
        return ", ".join(map(str, values))
    return f"{values[0]}, {values[1]}, … {values[-1]} ({len(values):,} values)"


def _example(keys: dict[str, list[Value]]) -> str:
    for key, values in keys.items():
        if all(isinstance(value, (int, float)) for value in values):
            return f"{key}<={values[len(values) // 2]}"
    return "status=FINISHED"
