"""What came of grouping a sweep by one of its keys."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from runner.analysis.beside import Theory
from runner.analysis.student import Summary
from runner.errors import show

if TYPE_CHECKING:
    import pandas as pd


NOTE_LIMIT = 190
"""Characters of a note: printed with a word before it, it is a line like any other."""


_BESIDE = ("theory", "error bar", "bars away")


@dataclass(frozen=True)
class Cell:
    """One statistic of one layer, over the runs that share a value of the key.

    Attributes:
        value: of the key.
        layer: its name.
        statistic: one of :data:`runner.analysis.aggregate.STATISTICS`.
        summary: n, mean, std, and the 95 % confidence interval of the mean (Student's t).
        runs: how many have the layer; the summary leaves out what is not finite.
    """

    value: Any
    layer: str
    statistic: str
    summary: Summary
    runs: int = 0


@dataclass(frozen=True)
class Aggregate:
    """A sweep by one key; ``.frame()`` is a long table, ``.table()`` one to read.

    Attributes:
        key: the dotted key.
        runs: value -> number of runs.
        cells: by value, layer and statistic, in order.
        theory: (value, layer) -> prediction of the second moment, where that was asked for.
        correlations: the same of the correlation, where that was asked for as well.
        notes: what to keep in mind.
    """

    key: str
    runs: list[tuple[Any, int]]
    cells: list[Cell]
    theory: dict[tuple[str, str], Theory] = field(default_factory=dict)
    correlations: dict[tuple[str, str], Theory] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def rows(self) -> list[dict[str, Any]]:
        """A row for each value, layer and statistic; with theory, where there is one of it."""
        found = []
        for cell in self.cells:
            head = {self.key: cell.value, "layer": cell.layer, "statistic": cell.statistic}
            row = {**head, "runs": cell.runs, **cell.summary._asdict()}
            of = {"second_moment": self.theory, "correlation": self.correlations}
            theory = of.get(cell.statistic, {}).get((show(cell.value), cell.layer))
            if theory:
                row |= asdict(theory)
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
        # One run of each value has no spread.
        several = any(cell.summary.n > 1 for cell in self.cells)
        for name in names:
            heads += [f"{name} ±", "95 %"] if several else [name]
        beside = [("", self.theory), ("correlation: ", self.correlations)]
        for head, theories in beside:
            heads += [f"{head}{name}" for name in _BESIDE] if theories else []
        heads += ["chi_1"] if self.theory else []
        lines: dict[tuple[str, str], list[str]] = {}
        for cell in self.cells:
            value = show(cell.value)
            line = lines.setdefault((value, cell.layer), [value, cell.layer, str(cell.runs)])
            line += _texts(cell.summary)[: 1 + several]
        for place, line in lines.items():
            for _, theories in beside:
                if theory := theories.get(place):
                    numbers = (theory.predicted, theory.error_bar, theory.distance)
                    line += [_text(number) for number in numbers]
            if self.theory:
                line.append(_text(self.theory[place].chi_1))
        return [heads, *lines.values()]

    def __repr__(self) -> str:
        count = sum(number for _, number in self.runs)
        return f"<Aggregate by {self.key}: {count} runs, {len(self.runs)} values>"

    def _repr_html_(self) -> str:
        return self.frame().to_html(index=False)


def _texts(summary: Summary) -> list[str]:
    interval = "" if summary.n < 2 else f"{summary.low:.4g} .. {summary.high:.4g}"
    spread = "" if summary.n < 2 else f" ± {_text(summary.std)}"
    return [_text(summary.mean) + spread, interval]


def _text(number: float) -> str:
    return "" if math.isnan(number) else f"{number:.4g}"
