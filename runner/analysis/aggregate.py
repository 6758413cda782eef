"""A sweep by one of its keys: for every layer and value, mean and spread over the runs.

What the index has is taken from there: :data:`FROM_INDEX` opens no outputs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.analysis import outputs
from runner.analysis.expectation import expectations, second_moment
from runner.analysis.student import Summary, summarise
from runner.errors import NotFoundError, UnknownKeyError, show
from runner.schema import NOT_IN_HASH
from runner.store import layout
from runner.store.index import rows
from runner.store.query import matching
from runner.store.read import Run

if TYPE_CHECKING:
    import pandas as pd

FROM_INDEX = (*layout.STATISTICS, "second_moment", "rms")
"""``second_moment`` is the mean square of all outputs, ``rms`` its root: the norm of a sample's
outputs over the root of their number."""

STATISTICS = (*FROM_INDEX, *outputs.STATISTICS)
DEFAULT = ("mean", "std", "rms", "zero_fraction")

_INDIFFERENT = (*NOT_IN_HASH, "objective", "save", "seeds")


@dataclass(frozen=True)
class Cell:
    """One statistic of one layer, over the runs that share a value of the key.

    Attributes:
        value: of the key.
        layer: its name.
        statistic: one of :data:`STATISTICS`.
        summary: n, mean, std, and the 95 % confidence interval of the mean (Student's t).
    """

    value: Any
    layer: str
    statistic: str
    summary: Summary


@dataclass(frozen=True)
class Theory:
    """Mean second moment of one layer beside its prediction, over the runs of a value.

    Attributes:
        predicted: the mean of the runs' predictions at this width.
        error_bar: of the mean over so many networks.
        distance: error bars from the prediction to the measurement.
        reason: why there is none, or None.
    """

    predicted: float
    error_bar: float
    distance: float
    reason: str | None = None


@dataclass(frozen=True)
class Aggregate:
    """A sweep by one key; ``.frame()`` is a long table, ``.table()`` one to read.

    Attributes:
        key: the dotted key.
        runs: value -> number of runs.
        cells: by value, layer and statistic, in order.
        theory: (value, layer) -> prediction, where that was asked for.
        notes: what to keep in mind.
    """

    key: str
    runs: list[tuple[Any, int]]
    cells: list[Cell]
    theory: dict[tuple[str, str], Theory] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def rows(self) -> list[dict[str, Any]]:
        """A row for each value, layer and statistic; with theory, for the second moment too."""
        found = []
        for cell in self.cells:
            head = {self.key: cell.value, "layer": cell.layer, "statistic": cell.statistic}
            row = {**head, **cell.summary._asdict()}
            theory = self.theory.get((show(cell.value), cell.layer))
            if theory and cell.statistic == "second_moment":
                row |= {
                    name: getattr(theory, name) for name in ("predicted", "error_bar", "distance")
                }
                row["reason"] = theory.reason
            found.append(row)
        return found

    def frame(self) -> pd.DataFrame:
        """The same as a table."""
        import pandas as pd

        return pd.DataFrame(self.rows())

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain values."""
        runs = [{"value": value, "runs": count} for value, count in self.runs]
        return {"by": self.key, "values": runs, "rows": self.rows(), "notes": self.notes}

    def table(self) -> list[list[str]]:
        """A line for each value and layer, the heads first: mean, spread, confidence interval."""
        names = list(dict.fromkeys(cell.statistic for cell in self.cells))
        heads = [self.key, "layer", "runs"]
        for name in names:
            heads += [f"{name} ±", "95 %"]
        heads += ["theory", "error bar", "bars away"] if self.theory else []
        lines: dict[tuple[str, str], list[str]] = {}
        counts = {show(value): count for value, count in self.runs}
        for cell in self.cells:
            value = show(cell.value)
            line = lines.setdefault((value, cell.layer), [value, cell.layer, str(counts[value])])
            line += _texts(cell.summary)
        for place, line in lines.items():
            if self.theory:
                theory = self.theory[place]
                numbers = (theory.predicted, theory.error_bar, theory.distance)
                line += [_text(number) for number in numbers]
        return [heads, *lines.values()]

    def __repr__(self) -> str:
        count = sum(number for _, number in self.runs)
        return f"<Aggregate by {self.key}: {count} runs, {len(self.runs)} values>"

    def _repr_html_(self) -> str:
        return self.frame().to_html(index=False)


def aggregate(
    sweep: str | Path,
    by: str,
    *,
    statistics: Sequence[str] = DEFAULT,
    where: str | None = None,
    theory: bool = False,
    pair: tuple[int, int] = (0, 1),
) -> Aggregate:
    """Groups the finished runs of a sweep by the value of a key.

    Args:
        sweep: its directory, or any that holds runs.
        by: a dotted key of the configuration; or of ``metrics``, or a column.
        statistics: of :data:`STATISTICS`; those of :mod:`runner.analysis.outputs` read the
            outputs, where they are kept.
        where: an SQL condition over the columns; see :mod:`runner.store.query`.
        theory: put the mean-field prediction beside the second moment; reads the inputs.
        pair: the two samples of the correlation.

    Raises:
        NotFoundError: there is no finished run.
        UnknownKeyError: no run has the key, or there is no such statistic.
    """
    for name in statistics:
        if name not in STATISTICS:
            raise UnknownKeyError("statistics", name, name, STATISTICS)
    if theory and "second_moment" not in statistics:
        statistics = (*statistics, "second_moment")
    found = list(_finished(Path(sweep)))
    if where is not None:
        found = [found[at] for at in matching(found, where)]
    if not found:
        raise NotFoundError("finished run", str(sweep), (), hint="nothing to compare in it")
    column = _column(by, found)
    groups = _grouped(found, column)
    work = _Work(tuple(statistics), theory, pair)
    cells: list[Cell] = []
    predictions: dict[tuple[str, str], Theory] = {}
    for value, members in groups:
        measured, expected = work.group(members)
        for layer, by_name in measured.items():
            cells += [Cell(value, layer, name, summarise(by_name[name])) for name in statistics]
        predictions |= {(show(value), layer): one for layer, one in expected.items()}
    counts = [(value, len(members)) for value, members in groups]
    notes = [*_also_varying(groups, column), *sorted(work.notes)]
    return Aggregate(by, counts, cells, predictions, notes)


def _finished(sweep: Path) -> Iterator[dict[str, Any]]:
    """The rows of the finished runs, each with ``path``; from the index where there is one."""
    for row in reversed(rows(sweep)):
        if row["status"] == layout.FINISHED:
            yield row


def _column(by: str, found: Sequence[Mapping[str, Any]]) -> str:
    there = dict.fromkeys(key for row in found for key in row)
    for column in (f"params.{by}", f"metrics.{by}", by):
        if column in there:
            return column
    keys = [key.removeprefix("params.") for key in there if key.startswith("params.")]
    raise UnknownKeyError("--by", by, by, keys)


def _grouped(
    found: Sequence[dict[str, Any]], column: str
) -> list[tuple[Any, list[dict[str, Any]]]]:
    """The rows by value: numbers in their order, anything else as it comes."""
    groups: dict[str, tuple[Any, list[dict[str, Any]]]] = {}
    for row in found:
        value = row.get(column)
        groups.setdefault(show(value), (value, []))[1].append(row)
    ordered = list(groups.values())
    if all(isinstance(value, (int, float)) for value, _ in ordered):
        ordered.sort(key=lambda group: float(group[0]))
    return ordered


def _also_varying(
    groups: Sequence[tuple[Any, Sequence[Mapping[str, Any]]]], column: str
) -> Iterator[str]:
    """A spread is only one over the seeds where nothing else varies."""
    varying: dict[str, None] = {}
    for _, members in groups:
        keys = dict.fromkeys(key for row in members for key in row if key.startswith("params."))
        for key in keys:
            root = key.removeprefix("params.").partition(".")[0]
            if key == column or root in _INDIFFERENT:
                continue
            if len({show(row.get(key)) for row in members}) > 1:
                varying[key.removeprefix("params.")] = None
    if varying:
        yield f"the spread is not over the seeds alone: {', '.join(varying)} varies as well"


class _Work:
    """What is to be measured of each run, and what was remarkable."""

    def __init__(self, statistics: tuple[str, ...], theory: bool, pair: tuple[int, int]) -> None:
        self.notes: set[str] = set()
        self._statistics = statistics
        self._from_outputs = [name for name in statistics if name in outputs.STATISTICS]
        self._theory = theory
        self._pair = pair

    def group(
        self, members: Sequence[Mapping[str, Any]]
    ) -> tuple[dict[str, dict[str, list[float]]], dict[str, Theory]]:
        """Layer -> statistic -> a value for each run; layer -> prediction."""
        measured: dict[str, dict[str, list[float]]] = {}
        expected: dict[str, list[Any]] = {}
        for row in members:
            run = None
            layers = _from_row(row)
            if not layers or self._from_outputs or self._theory:
                run = Run(Path(row["path"]))
                layers = layers or {one.name: one.statistics for one in run.layers.values()}
            for name, statistics in layers.items():
                values = _derived(statistics)
                if run is not None:
                    values |= self._of_outputs(run, name)
                places = measured.setdefault(name, {key: [] for key in self._statistics})
                for key in self._statistics:
                    places[key].append(values.get(key, math.nan))
            if self._theory and run is not None:
                for one in expectations(run):
                    expected.setdefault(one.layer, []).append(one)
        return measured, {name: _together(some) for name, some in expected.items()}

    def _of_outputs(self, run: Run, name: str) -> dict[str, float]:
        layer = run.layers[name]
        if not self._from_outputs:
            return {}
        if layer.path is None:
            self.notes.add(f"no outputs kept in some runs: no {', '.join(self._from_outputs)}")
            return {}
        return outputs.outputs_statistics(layer, self._from_outputs, self._pair)


def _from_row(row: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Layer -> statistics, from the columns ``layers.NAME.STATISTIC`` of an index."""
    found: dict[str, dict[str, Any]] = {}
    for key, value in row.items():
        if key.startswith("layers.") and value is not None:
            name, _, statistic = key.removeprefix("layers.").rpartition(".")
            if statistic in layout.STATISTICS:
                found.setdefault(name, {})[statistic] = value
    return found


def _derived(statistics: Mapping[str, Any]) -> dict[str, float]:
    values = {name: math.nan if v is None else float(v) for name, v in statistics.items()}
    values = {name: values.get(name, math.nan) for name in layout.STATISTICS}
    values["second_moment"] = second_moment(values)
    values["rms"] = math.sqrt(values["second_moment"])
    return values


def _together(expected: Sequence[Any]) -> Theory:
    """The runs are independent networks: their bars add up in squares."""
    reasons = [one.prediction.reason for one in expected if one.prediction.reason]
    if reasons:
        return Theory(math.nan, math.nan, math.nan, reasons[0])
    n = len(expected)
    predicted = math.fsum(one.predicted for one in expected) / n
    measured = math.fsum(one.measured for one in expected) / n
    bar = math.sqrt(math.fsum(one.error_bar**2 for one in expected)) / n
    apart = measured - predicted
    distance = apart / bar if bar else math.copysign(math.inf, apart) if apart else 0.0
    return Theory(predicted, bar, distance)


def _texts(summary: Summary) -> list[str]:
    interval = "" if summary.n < 2 else f"{summary.low:.4g} .. {summary.high:.4g}"
    spread = "" if summary.n < 2 else f" ± {_text(summary.std)}"
    return [_text(summary.mean) + spread, interval]


def _text(number: float) -> str:
    return "" if math.isnan(number) else f"{number:.4g}"
