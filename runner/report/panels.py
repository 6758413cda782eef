"""What a sweep's page draws: a panel for each key, its points for the reader to choose from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from runner.analysis.student import Summary
from runner.analysis.swept import (
    LAST,
    DeepPoint,
    Job,
    Point,
    curves,
    is_seed,
    metrics,
    over_depth,
)
from runner.analysis.typed import Value
from runner.report.band import against_depth, against_key, show_value
from runner.report.charts import plain
from runner.report.sample import part_of, spread
from runner.store.order import Order

STATISTICS = {
    "std": "std",
    "mean": "mean",
    "rms": "rms",
    "zero_fraction": "share of exact zeros",
    "min": "min",
    "max": "max",
}
"""Statistic -> what the page calls it."""

KEYS = 6
"""Up to so many keys have a panel each."""

_SERIES = 6  # combinations of the other keys that have a line each
_VALUES = 400  # on an axis
_LAYERS = 10  # that one can choose from
_POINTS = 24_000  # of all panels together
_LINES = 8  # values that have a line each over depth
_DEPTHS = 60  # layers of one kind there
_DEEP = 12_000  # points over depth, of all panels together


def axes_of(keys: Mapping[str, Sequence[Value]]) -> list[str]:
    """The keys that something is drawn against: the seeds, where nothing else varies."""
    return [key for key in keys if not is_seed(key)] or list(keys)


def panels(done: Sequence[Job], keys: Mapping[str, Sequence[Value]]) -> Iterator[dict[str, Any]]:
    """What the template shows of each key, and as ``data`` what the page's script draws.

    Args:
        done: the runs that finished.
        keys: those that were swept, with their values.
    """
    axes = axes_of(keys)
    names = _layer_names(done)
    for key in axes[:KEYS] if done else ():
        others = [other for other in axes if other != key]
        combinations = {tuple(one.typed.get(other) for other in others) for one in done}
        pooled = len(combinations) > _SERIES
        ended = {one.typed.get(key, "–") for one in done}
        values = [value for value in keys[key] if value in ended]
        shown = [values[index] for index in spread(len(values), _VALUES)]
        some = _POINTS // (min(len(axes), KEYS) * len(STATISTICS) * len(shown))
        some = max(1, min(_LAYERS, some // (1 if pooled else len(combinations))))
        chosen = [names[index] for index in spread(len(names), some)]
        preset = [LAST, *chosen] if names else []
        notes = []
        if others and pooled:
            notes.append(f"bands hold {', '.join(others)} as well, of too many values for lines")
        if len(chosen) < len(names):
            notes.append(f"{part_of(len(chosen), len(names), 'layers')} to choose from")
        if len(shown) < len(values):
            notes.append(part_of(len(shown), len(values), "values"))
        drawn = _with(done, key, shown)
        points = list(curves(drawn, key, () if pooled else others, preset, list(STATISTICS)))
        data = _curves(points, key, shown, () if pooled else others)
        if any(len(one.layers) > 2 for one in done):
            lines = [values[index] for index in spread(len(values), _LINES)]
            data |= _deep(done, key, lines, _DEEP // min(len(axes), KEYS))
        measured = metrics(done)
        yield {
            "key": key,
            "note": "; ".join(notes),
            "seeds": is_seed(key),
            "lines": part_of(min(len(values), _LINES), len(values), "values"),
            "statistics": {**(STATISTICS if names else {}), **{name: name for name in measured}},
            "layers": preset,
            "kinds": data.get("kinds"),
            "data": data,
        }


def _with(done: Sequence[Job], key: str, values: Sequence[Value]) -> list[Job]:
    """The runs that have one of some values of a key."""
    wanted = set(values)
    return [one for one in done if one.typed.get(key, "–") in wanted]


def _curves(
    points: Sequence[Point], key: str, values: Sequence[Value], others: Sequence[str]
) -> dict[str, Any]:
    """The points as columns: statistic -> layer -> [place, mean, low, high, n, runs]."""
    places: dict[tuple[Value, tuple[Value, ...]], int] = {}
    columns: dict[str, dict[str, list[list[Any]]]] = {}
    for point in points:
        place = places.setdefault((point.value, point.series), len(places))
        by_layer = columns.setdefault(point.statistic, {})
        lists = by_layer.setdefault(point.layer, [[] for _ in range(6)])
        for one, number in zip(lists, (place, *_plain(point.summary, point.runs)), strict=True):
            one.append(number)
    series = list(dict.fromkeys(_series(point.series, others) for point in points))
    title = others[0] if len(others) == 1 else None
    return {
        "places": [[value, _series(of, others)] for value, of in places],
        "points": columns,
        "key": against_key(key, values, title=title, series=series),
    }


def _series(values: Sequence[Value], others: Sequence[str]) -> str:
    """The values of the other keys as a legend has them: one alone, several with short names."""
    if len(others) == 1:
        return show_value(values[0])
    return ", ".join(
        f"{other.rpartition('.')[2]}={show_value(value)}"
        for other, value in zip(others, values, strict=bool(values))
    )


def _deep(done: Sequence[Job], key: str, lines: Sequence[Value], most: int) -> dict[str, Any]:
    """The points over depth as columns: statistic -> kind -> [line, position, layer, mean, …]."""
    statistics = list(STATISTICS)[:4]
    found = list(over_depth(_with(done, key, lines), key, statistics))
    positions: dict[str, set[int]] = {}
    for point in found:
        positions.setdefault(point.kind, set()).add(point.position)
    each = max(10, min(_DEPTHS, most // (len(statistics) * len(lines) * len(positions))))
    drawn = {}
    for kind, places in positions.items():
        there = sorted(places)
        drawn[kind] = {there[index] for index in spread(len(there), each)}
    columns: dict[str, dict[str, list[list[Any]]]] = {}
    for point in found:
        if point.position not in drawn[point.kind]:
            continue
        lists = columns.setdefault(point.statistic, {}).setdefault(
            point.kind, [[] for _ in range(8)]
        )
        for one, number in zip(lists, _placed(point), strict=True):
            one.append(number)
    # What follows the weights comes first: its statistics are those of the signal.
    kinds = sorted(positions, key=lambda kind: max(positions[kind]), reverse=True)
    depth = max(max(places) for places in positions.values())
    return {"deep": columns, "kinds": kinds, "depth": against_depth(key, lines, depth)}


def _placed(point: DeepPoint) -> list[Any]:
    line = show_value(point.value)
    return [line, point.position, point.layer, *_plain(point.summary, point.runs)]


def _plain(summary: Summary, runs: int) -> list[float | int | None]:
    numbers = (summary.mean, summary.low, summary.high)
    return [*map(plain, numbers), summary.n, runs]


def _layer_names(done: Sequence[Job]) -> list[str]:
    """The layers of all runs in one order."""
    order = Order()
    for one in done:
        order.add(one.layers)
    return list(order)
