"""A sweep by one of its keys: for every layer and value, mean and spread over the runs.

What the index has is taken from there, and no outputs are opened for it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from runner.analysis import outputs
from runner.analysis.aggregation import NOTE_LIMIT, Aggregate, Cell
from runner.analysis.beside import Beside, correlated, together
from runner.analysis.columns import column_of
from runner.analysis.edge import edge_of_chaos
from runner.analysis.expectation import (
    Expectation,
    Known,
    describe,
    expectations,
)
from runner.analysis.indexed import FROM_INDEX, derived, layer_statistics
from runner.analysis.student import summarise
from runner.analysis.typed import overrides
from runner.errors import ConfigError, NotFoundError, UnknownKeyError, clip, show
from runner.schema import NOT_IN_HASH
from runner.store import layout
from runner.store.index import sound_rows
from runner.store.index.query import matching
from runner.store.layer import Layer
from runner.store.order import Order
from runner.store.read import Run, load

STATISTICS = (*FROM_INDEX, *outputs.STATISTICS)
DEFAULT = ("mean", "std", "rms", "zero_fraction")

_EDGES = 6  # values of the key whose distance from the edge of chaos is told
_INDIFFERENT = (*NOT_IN_HASH, "objective", "save", "seeds")


def aggregate(
    sweep: str | Path,
    by: str,
    *,
    statistics: Sequence[str] = DEFAULT,
    where: str | None = None,
    theory: bool = False,
    pair: tuple[int, int] | None = None,
) -> Aggregate:
    """Groups the finished runs of a sweep by the value of a key.

    Args:
        sweep: its directory, or any that holds runs.
        by: a dotted key of the configuration; or of ``metrics``, or a column; or a group that a
            sweep chose its options of: ``data``, ``layers``.
        statistics: of :data:`STATISTICS`; those of :mod:`runner.analysis.outputs` read the
            outputs, where they are kept.
        where: an SQL condition over the columns; see :mod:`runner.store.index.query`.
        theory: put the mean-field prediction beside the second moment; reads the inputs.
        pair: the two samples of the correlation; None: the first two whose inputs are not 0, as
            the spiral's first one is, which correlates with nothing.

    Raises:
        NotFoundError: there is no finished run.
        UnknownKeyError: no run has the key, or there is no such statistic.
        RunnerError: a run or the index of the sweep is damaged; none is left out.
        ConfigError: the key is a group of keys that nobody chose the options of; or a run has no
            such samples.
    """
    statistics = tuple(dict.fromkeys(statistics))
    for name in statistics:
        if name not in STATISTICS:
            raise UnknownKeyError("--statistics", name, name, STATISTICS)
    if theory and "second_moment" not in statistics:
        statistics = (*statistics, "second_moment")
    every = list(reversed(sound_rows(sweep)))
    if where is not None:
        every = [every[at] for at in matching(every, where, also=column_of)]
    found = [row for row in every if row["status"] == layout.FINISHED]
    if not found:
        hint = "nothing to compare in it"
        if where is not None and not every:
            hint = f"none meets --where {clip(show(where), 80)}"
        raise NotFoundError("finished run", str(sweep), (), hint=hint)
    values = _values(by, found)
    groups = _grouped(found, values)
    work = _Work(by, statistics, theory, pair)
    done = [(value, len(members), *work.group(value, members)) for value, members in groups]
    cells = [
        Cell(value, layer, name, summarise(measured[layer][name]), len(measured[layer][name]))
        for value, _, measured, _ in done
        for layer in work.layers
        if layer in measured
        for name in statistics
    ]
    expected = {
        (show(value), layer): some
        for value, _, _, by_layer in done
        for layer, some in by_layer.items()
    }
    predictions = {place: together(some) for place, some in expected.items()}
    shared = "correlation" in statistics
    correlations = {at: correlated(some) for at, some in expected.items() if shared}
    counts = [(value, count) for value, count, *_ in done]
    notes = [*_left_out(every), *_also_varying(groups, by), *work.notes()]
    reasons = dict.fromkeys(one.reason for one in predictions.values() if one.reason)
    notes += [f"no prediction: {reason}" for reason in reasons]
    notes = [clip(note, NOTE_LIMIT) for note in notes]
    return Aggregate(by, counts, cells, predictions, correlations, notes)


def _left_out(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What of the runs there is nothing to measure of."""
    counts = Counter(row["status"] for row in rows if row["status"] != layout.FINISHED)
    if counts:
        parts = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
        yield f"left out of {len(rows)} runs: {parts}"


def _values(by: str, found: Sequence[Mapping[str, Any]]) -> list[Any]:
    """The key's value in each of the runs."""
    there = dict.fromkeys(key for row in found for key in row)
    for column in (f"params.{by}", f"metrics.{by}", by):
        if column in there:
            values = [row.get(column) for row in found]
            if column.startswith("params.") or any(value is not None for value in values):
                return [str(v) if isinstance(v, datetime) else v for v in values]
            raise ConfigError("--by", by, "no run has a value of it")
    typed = [overrides(row).get(by) for row in found]
    if any(value is not None for value in typed):
        return typed
    keys = [key.removeprefix("params.") for key in there if key.startswith("params.")]
    below = [key for key in keys if key.startswith(f"{by}.")]
    if below:
        problem = f"is a group of keys, name one of them: {clip(', '.join(below), 90)}"
        raise ConfigError("--by", by, problem)
    if "," in by:
        raise ConfigError("--by", by, "takes one key; --where picks the runs by another")
    raise UnknownKeyError("--by", by, by, keys)


def _grouped(
    found: Sequence[dict[str, Any]], by: Sequence[Any]
) -> list[tuple[Any, list[dict[str, Any]]]]:
    """The rows by value: numbers in their order, NaN after them, then anything else as it comes."""
    groups: dict[str, tuple[Any, list[dict[str, Any]]]] = {}
    for row, value in zip(found, by, strict=True):
        groups.setdefault(show(value), (value, []))[1].append(row)
    return sorted(groups.values(), key=lambda group: _rank(group[0]))


def _rank(value: Any) -> tuple[int, float]:
    if not isinstance(value, (int, float)):
        return 2, 0.0
    return (1, 0.0) if math.isnan(value) else (0, float(value))


def _also_varying(
    groups: Sequence[tuple[Any, Sequence[Mapping[str, Any]]]], by: str
) -> Iterator[str]:
    """A spread is only one over the seeds where nothing else varies, and each has its own."""
    varying: dict[str, None] = {}
    for _, members in groups:
        keys = dict.fromkeys(key for row in members for key in row if key.startswith("params."))
        for key in keys:
            name = key.removeprefix("params.")
            if name == by or name.partition(".")[0] in _INDIFFERENT:
                continue
            if len({show(row.get(key)) for row in members}) > 1:
                varying[name] = None
    if varying:
        vary = "varies" if len(varying) == 1 else "vary"
        names = clip(", ".join(varying), 120)
        yield f"the spread is not over the seeds alone: {names} {vary} as well"
    for _, members in groups:
        seeds = [row.get("params.seeds.layers") for row in members]
        if None not in seeds and 1 < len(set(seeds)) < len(seeds):
            counted = f"{len(seeds)} runs have {len(set(seeds))} values of seeds.layers"
            yield f"the 95 % interval takes runs for independent networks, and {counted}"
            return


class _Work:
    """What is to be measured of each run, and what was remarkable."""

    def __init__(
        self, by: str, statistics: tuple[str, ...], theory: bool, pair: tuple[int, int] | None
    ) -> None:
        self._key = by.rpartition(".")[2]
        self._statistics = statistics
        self._from_outputs = [name for name in statistics if name in outputs.STATISTICS]
        self._theory = theory
        self._pair = pair
        self._pairs: dict[tuple[int, int], None] = {}
        self._order = Order()
        self._known: Known = {}
        self._edges: dict[str, dict[str, None]] = {}
        self._bare = False
        self._partly: dict[int, None] = {}
        self._not_finite: dict[str, int] = {}

    @property
    def layers(self) -> Sequence[str]:
        """The names of all layers that were met, in the order of the data."""
        return tuple(self._order)

    def group(
        self, value: Any, members: Sequence[Mapping[str, Any]]
    ) -> tuple[dict[str, dict[str, list[float]]], dict[str, list[Beside]]]:
        """Layer -> statistic -> a value for each run; layer -> what was expected of each run."""
        measured: dict[str, dict[str, list[float]]] = {}
        expected: dict[str, list[Beside]] = {}
        for row in members:
            run = None
            layers = layer_statistics(row)
            if not layers or self._from_outputs or self._theory:
                run = load(row["path"])
                layers = layers or {one.name: one.statistics for one in run.layers.values()}
            pair = self._pair_in(run)
            self._order.add(layers)
            theory = self._expect(run, pair, value) if self._theory and run else {}
            network = tuple(row.get(f"params.seeds.{key}") for key in ("seed", "layers"))
            for name, one in theory.items():
                expected.setdefault(name, []).append(Beside(network, one))
            for name, statistics in layers.items():
                values = derived(statistics)
                if values["nonfinite_count"] > 0:
                    self._not_finite[name] = self._not_finite.get(name, 0) + 1
                if run is not None and self._from_outputs:
                    values |= self._of_outputs(run.layers[name], pair, theory.get(name))
                places = measured.setdefault(name, {key: [] for key in self._statistics})
                for key in self._statistics:
                    places[key].append(values.get(key, math.nan))
        return measured, expected

    def notes(self) -> Iterator[str]:
        """What is to be kept in mind of all groups."""
        if self._partly:
            rows = " or ".join(map(str, self._partly))
            yield f"of the first {rows} samples, which are kept: {', '.join(self._from_outputs)}"
        if self._bare:
            yield f"no outputs kept in some runs: no {', '.join(self._from_outputs)}"
        if self._pairs:
            pairs = " or ".join(f"{i} and {j}" for i, j in self._pairs)
            why = "" if self._pair else ", the first two whose inputs are not 0"
            yield f"the correlation is that of samples {pairs}{why}"
        if self._not_finite:
            layers = ", ".join(
                f"{name} ({count} run{'' if count == 1 else 's'})"
                for name, count in self._not_finite.items()
            )
            yield f"values that are not finite are left out of the statistics: {layers}"
        # Of runs that differ in their layers no single one would stand for all.
        alike = [(value, *some) for value, some in self._edges.items() if len(some) == 1]
        for value, edge in alike[:_EDGES]:
            yield f"{self._key}={value}: {edge}"

    def _pair_in(self, run: Run | None) -> tuple[int, int] | None:
        if run is None or "correlation" not in self._from_outputs:
            return None
        pair = self._pair or outputs.telling_pair(run)
        if pair is not None:
            outputs.check_pair(run, pair)
            self._pairs[pair] = None
        return pair

    def _expect(self, run: Run, pair: tuple[int, int] | None, value: Any) -> dict[str, Expectation]:
        if edge := edge_of_chaos(describe(run)):
            self._edges.setdefault(show(value), {})[str(edge)] = None
        return {one.layer: one for one in expectations(run, pair=pair, known=self._known)}

    def _of_outputs(
        self, layer: Layer, pair: tuple[int, int] | None, theory: Expectation | None
    ) -> dict[str, float]:
        if layer.path is None:
            self._bare = True
            return {}
        if layer.kept_rows < layer.n_samples:
            self._partly[layer.kept_rows] = None
        if theory is None or pair is None:
            return outputs.outputs_statistics(layer, self._from_outputs, pair or (0, 1))
        rest = [name for name in self._from_outputs if name != "correlation"]
        return outputs.outputs_statistics(layer, rest) | {"correlation": theory.correlation}
