"""What a sweep varied, and every statistic against it, over the runs of different seeds.

The keys are those of the overrides, as they were typed, so that a choice of groups is one key.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from runner.analysis.aggregate import derived, layer_statistics
from runner.analysis.student import Summary, summarise
from runner.analysis.typed import Value, overrides

WHOLE = ""
"""Stands for the layer of what is of the whole run: its metrics."""

Row = Mapping[str, Any]


class Point(NamedTuple):
    """One statistic, over the runs that share a value.

    Attributes:
        value: of the key.
        series: the values of the other keys, as text; empty where there are none.
        layer: its name, or :data:`WHOLE`.
        statistic: its name.
        summary: over the runs.
    """

    value: Value
    series: str
    layer: str
    statistic: str
    summary: Summary


def swept_keys(rows: Sequence[Row]) -> dict[str, list[Value]]:
    """The keys that have different values in different runs, each with all its values in order."""
    found: dict[str, dict[Value, None]] = {}
    each = [overrides(row) for row in rows]
    for one in each:
        for key, value in one.items():
            found.setdefault(key, {})[value] = None
    missing = {key for key in found if any(key not in one for one in each)}
    for key in missing:
        found[key]["–"] = None
    return {key: ordered(values) for key, values in found.items() if len(values) > 1}


def ordered(values: Iterable[Value]) -> list[Value]:
    """Numbers by size; anything else as it comes."""
    listed = list(values)
    if all(isinstance(value, (int, float)) for value in listed):
        return sorted(listed)
    return listed


def is_seed(key: str) -> bool:
    """Whether a key is one of the seeds, over which a spread is taken."""
    return key.partition(".")[0] == "seeds"


def curves(
    rows: Sequence[Row],
    key: str,
    others: Sequence[str],
    layers: Sequence[str],
    statistics: Sequence[str],
) -> Iterator[Point]:
    """Every statistic of some layers, and every metric, against one key.

    Args:
        rows: of finished runs.
        key: the one on the axis.
        others: keys whose values make a series of their own.
        layers: their names.
        statistics: of :data:`runner.analysis.aggregate.FROM_INDEX`.
    """
    groups: dict[tuple[Value, str], list[Row]] = {}
    for row in rows:
        typed = overrides(row)
        series = ", ".join(f"{other}={typed.get(other, '–')}" for other in others)
        groups.setdefault((typed.get(key, "–"), series), []).append(row)
    values = ordered(dict.fromkeys(value for value, _ in groups))
    for value in values:
        for (there, series), members in groups.items():
            if there == value:
                yield from _points(value, series, members, layers, statistics)


def _points(
    value: Value,
    series: str,
    members: Sequence[Row],
    layers: Sequence[str],
    statistics: Sequence[str],
) -> Iterator[Point]:
    measured = [layer_statistics(row) for row in members]
    for layer in layers:
        every = [derived(one[layer]) for one in measured if layer in one]
        for statistic in statistics if every else ():
            numbers = [one[statistic] for one in every]
            yield Point(value, series, layer, statistic, summarise(numbers))
    for metric in metrics(members):
        numbers = [_number(row.get(f"metrics.{metric}")) for row in members]
        yield Point(value, series, WHOLE, metric, summarise(numbers))


def metrics(rows: Sequence[Row]) -> list[str]:
    """The metrics that any run has, by name."""
    names = dict.fromkeys(key for row in rows for key in row if key.startswith("metrics."))
    there = [name for name in names if any(row.get(name) is not None for row in rows)]
    return [name.removeprefix("metrics.") for name in there]


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else math.nan
