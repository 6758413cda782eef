"""The network as a drawing: columns of neurons and the weights between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runner.report.sample import spread

COLUMNS = 9
"""Up to so many columns, inputs included, are drawn neuron by neuron; more become a ribbon."""

_SHOWN = 10  # neurons of a column; of more, some at the top and some at the bottom
_STEP, _ACROSS, _TOP = 30, 132, 26


@dataclass(frozen=True)
class Column:
    """What is drawn of one layer, or of the inputs.

    Attributes:
        name, detail: two lines below it.
        anchor: what a click leads to, or nothing.
        count: its neurons.
        weights: (n of the column before, count), or None: each neuron has its own before it.
        dead: (count,) which are dead, or None.
        marks: what goes wrong, as texts.
    """

    name: str
    detail: str
    anchor: str
    count: int
    weights: NDArray[Any] | None = None
    dead: NDArray[np.bool_] | None = None
    marks: Sequence[str] = ()

    @property
    def shown(self) -> list[int]:
        """The neurons that are drawn."""
        if self.count <= _SHOWN:
            return list(range(self.count))
        half = _SHOWN // 2 - 1
        return [*range(half), *range(self.count - half, self.count)]


def drawing(columns: Sequence[Column]) -> dict[str, Any]:
    """Circles, lines and texts with their places, for the template to draw."""
    rows = max(_rows(column) for column in columns)
    height = _TOP + rows * _STEP
    circles, lines, gaps, labels = [], [], [], []
    before: dict[int, tuple[float, float]] = {}
    for at, column in enumerate(columns):
        x = 66.0 + at * _ACROSS
        top = _TOP + (rows - _rows(column)) * _STEP / 2 + _STEP / 2
        here = {}
        for place, neuron in enumerate(column.shown):
            gap = column.count > _SHOWN and place >= len(column.shown) // 2
            here[neuron] = (x, top + (place + 2 * gap) * _STEP)
        if column.count > _SHOWN:
            middle = top + (len(column.shown) // 2 + 0.5) * _STEP
            hidden = column.count - len(column.shown)
            gaps.append({"x": x, "y": middle, "text": f"{hidden:,} more"})
        lines += _lines(column, before, here)
        for neuron, (cx, cy) in here.items():
            dead = column.dead is not None and bool(column.dead[neuron])
            circles.append({"x": cx, "y": cy, "dead": dead, "input": at == 0, "n": neuron})
        labels.append({"x": x, "column": column})
        before = here
    return {
        "width": 132 + (len(columns) - 1) * _ACROSS,
        "height": height + 74,
        "label_y": height + 22,
        "circles": circles,
        "lines": lines,
        "gaps": gaps,
        "labels": labels,
        "has_dead": any(circle["dead"] for circle in circles),
    }


def _rows(column: Column) -> int:
    return len(column.shown) + (2 if column.count > _SHOWN else 0)


def _lines(
    column: Column, before: dict[int, tuple[float, float]], here: dict[int, tuple[float, float]]
) -> list[dict[str, Any]]:
    if not before:
        return []
    if column.weights is None:
        pairs = [(before[n], place, 0.0) for n, place in here.items() if n in before]
        return [_line(a, b, None, 0.0) for a, b, _ in pairs]
    largest = float(np.nanmax(np.abs(column.weights), initial=0.0)) or 1.0
    found = []
    for source, start in before.items():
        for neuron, end in here.items():
            weight = float(column.weights[source, neuron])
            found.append(_line(start, end, weight, min(abs(weight) / largest, 1.0)))
    return found


def _line(
    a: tuple[float, float], b: tuple[float, float], weight: float | None, share: float
) -> dict[str, Any]:
    return {
        "x1": a[0] + 9,
        "y1": a[1],
        "x2": b[0] - 9,
        "y2": b[1],
        "kind": "own" if weight is None else "positive" if weight > 0 else "negative",
        "opacity": round(0.12 + 0.78 * share, 2) if weight is not None else 0.5,
        "width": round(0.6 + 1.9 * share, 2) if weight is not None else 1,
    }


def weights_shown(
    weights: NDArray[Any], cells: int
) -> tuple[NDArray[Any], tuple[list[int], list[int]]]:
    """Some rows and columns of (n_inputs, n_neurons), so many cells at most, and which they are."""
    side = max(int(cells**0.5), 2)
    n_inputs, n_neurons = weights.shape
    across = spread(n_inputs, max(side, cells // max(n_neurons, 1)))
    down = spread(n_neurons, max(side, cells // max(n_inputs, 1)))
    return weights[across][:, down], (across, down)
