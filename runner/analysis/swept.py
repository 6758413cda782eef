"""What a sweep varied, and every statistic against it, over the runs of different seeds.

The keys are those of the overrides, as they were typed, so that a choice of groups is one key.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from runner.analysis.indexed import derived, layer_statistics
from runner.analysis.student import Summary, summarise
from runner.analysis.typed import Value, overrides
from runner.store.layer import Layer
from runner.store.read import Run

WHOLE = ""
"""Stands for the layer of what is of the whole run: its metrics."""

LAST = "last layer"
"""Stands for the last layer of each run, whatever its name."""

Row = Mapping[str, Any]

_OF_FINITE = ("mean", "std", "min", "max", "second_moment", "rms")


class Job(NamedTuple):
    """What the index says of one run, read once.

    Attributes:
        typed: key -> value of its overrides.
        layers: name -> statistics, in the order of the layers. Where a layer has values that are
            not finite, only the shares of zeros and the count of such values are numbers.
        kinds: name -> kind of layer.
        metrics: name -> value.
    """

    typed: dict[str, Value]
    layers: dict[str, dict[str, float]]
    kinds: Mapping[str, str]
    metrics: dict[str, float]


class Point(NamedTuple):
    """One statistic, over the runs that share a value.

    Attributes:
        value: of the key.
        series: the values of the other keys; empty where there are none.
        layer: its name, or :data:`LAST`, or :data:`WHOLE`.
        statistic: its name.
        summary: over the runs.
        runs: how many there are; those that are not in the summary have no finite value.
    """

    value: Value
    series: tuple[Value, ...]
    layer: str
    statistic: str
    summary: Summary
    runs: int


class DeepPoint(NamedTuple):
    """One statistic at one depth, over the runs that share a value.

    Attributes:
        value: of the key.
        kind: of the layers; of several runs ``ReLU or Tanh``, where each has one of them.
        position: theirs, each in its own run.
        layer: their name; their kind where they have several.
        statistic, summary, runs: as in :class:`Point`.
    """

    value: Value
    kind: str
    position: int
    layer: str
    statistic: str
    summary: Summary
    runs: int


def jobs(rows: Sequence[Row]) -> list[Job]:
    """The runs of some rows of an index.

    Of each stack of layers one run that is still there is opened; and every run that the index has
    no layers of, as that of a sweep that was killed.
    """
    orders: dict[frozenset[str], dict[str, str]] = {}
    measured = []
    for row in rows:
        statistics: Mapping[str, Mapping[str, Any]] = layer_statistics(row)
        stored = [] if statistics else _layers(row)
        statistics = statistics or {layer.name: layer.statistics for layer in stored}
        names = frozenset(statistics)
        if names not in orders or not all(orders[names].values()):
            orders[names] = _kinds(stored or _layers(row), statistics)
        measured.append(statistics)
    return [
        _job(row, statistics, orders[frozenset(statistics)])
        for row, statistics in zip(rows, measured, strict=True)
    ]


def _job(row: Row, statistics: Mapping[str, Mapping[str, Any]], kinds: Mapping[str, str]) -> Job:
    layers = {name: _usable(statistics[name]) for name in kinds}
    values = {
        key.removeprefix("metrics."): _number(value)
        for key, value in row.items()
        if value is not None and key.startswith("metrics.")
    }
    return Job(overrides(row), layers, kinds, values)


def _layers(row: Row) -> list[Layer]:
    try:
        return list(Run(Path(row["path"])).layers.values()) if row.get("path") else []
    except FileNotFoundError:
        return []  # it never ended, or is gone since: what the index has is drawn without


def _kinds(stored: Iterable[Layer], statistics: Iterable[str]) -> dict[str, str]:
    """Name -> kind in the order of the layers: an index has the columns of all its runs in one."""
    kinds = dict.fromkeys(statistics, "")
    known = {layer.name: layer.kind for layer in stored if layer.name in kinds}
    return known | {name: "" for name in kinds if name not in known}


def _usable(statistics: Mapping[str, Any]) -> dict[str, float]:
    values = derived(statistics)
    # Those of the finite values alone would fall back to 0 where a run explodes.
    return values | dict.fromkeys(_OF_FINITE, math.nan) if values["nonfinite_count"] > 0 else values


def swept_keys(each: Sequence[Mapping[str, Value]]) -> dict[str, list[Value]]:
    """The keys that have different values in different runs, each with all its values in order.

    Args:
        each: the overrides of every run.
    """
    found: dict[str, dict[Value, None]] = {}
    counts: dict[str, int] = {}
    for one in each:
        for key, value in one.items():
            found.setdefault(key, {})[value] = None
            counts[key] = counts.get(key, 0) + 1
    for key, count in counts.items():
        if count < len(each):
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
    runs: Sequence[Job],
    key: str,
    others: Sequence[str],
    layers: Sequence[str],
    statistics: Sequence[str],
) -> Iterator[Point]:
    """Every statistic of some layers, and every metric, against one key.

    Args:
        runs: those that finished.
        key: the one on the axis.
        others: keys whose values make a series of their own.
        layers: their names; :data:`LAST` is one.
        statistics: of :data:`runner.analysis.indexed.FROM_INDEX`.
    """
    groups: dict[Value, dict[tuple[Value, ...], list[Job]]] = {}
    for one in runs:
        series = tuple(one.typed.get(other, "–") for other in others)
        by_series = groups.setdefault(one.typed.get(key, "–"), {})
        by_series.setdefault(series, []).append(one)
    for value in ordered(groups):
        for series, members in groups[value].items():
            for layer, statistic, numbers in _measured(members, layers, statistics):
                yield Point(value, series, layer, statistic, summarise(numbers), len(numbers))


def over_depth(runs: Sequence[Job], key: str, statistics: Sequence[str]) -> Iterator[DeepPoint]:
    """Every statistic of all layers by their position, a curve for each value and kind of layer."""
    groups: dict[tuple[Value, str, int], dict[str, list[dict[str, float]]]] = {}
    kinds = _like_kinds(runs)
    for one in runs:
        value = one.typed.get(key, "–")
        for position, (name, values) in enumerate(one.layers.items()):
            there = groups.setdefault((value, kinds[one.kinds[name]], position), {})
            there.setdefault(name, []).append(values)
    for (value, kind, position), by_name in groups.items():
        layer = next(iter(by_name)) if len(by_name) == 1 else kind
        each = [values for some in by_name.values() for values in some]
        for statistic in statistics:
            summary = summarise([values[statistic] for values in each])
            yield DeepPoint(value, kind, position, layer, statistic, summary, len(each))


def _like_kinds(runs: Sequence[Job]) -> dict[str, str]:
    """Kind -> ``ReLU or Tanh``: kinds that no run has both of are in each other's place.

    One that nobody knows any more, "", is in nobody's.
    """
    together = {frozenset(one.kinds.values()) for one in runs}
    groups: list[list[str]] = []
    for kind in dict.fromkeys(kind for one in runs for kind in one.kinds.values()):
        for group in groups:
            if (
                kind
                and group[0]
                and not any(kind in some and not some.isdisjoint(group) for some in together)
            ):
                group.append(kind)
                break
        else:
            groups.append([kind])
    return {kind: " or ".join(group) for group in groups for kind in group}


def _measured(
    members: Sequence[Job], layers: Sequence[str], statistics: Sequence[str]
) -> Iterator[tuple[str, str, list[float]]]:
    for layer in layers:
        if layer == LAST:
            every = [list(one.layers.values())[-1] for one in members if one.layers]
        else:
            every = [one.layers[layer] for one in members if layer in one.layers]
        for statistic in statistics if every else ():
            yield layer, statistic, [one[statistic] for one in every]
    for metric in metrics(members):
        yield WHOLE, metric, [one.metrics.get(metric, math.nan) for one in members]


def metrics(runs: Iterable[Job]) -> list[str]:
    """The metrics that any run has, by name."""
    return list(dict.fromkeys(name for one in runs for name in one.metrics))


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else math.nan
