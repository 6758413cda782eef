"""Charts of distributions: how often which value occurs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runner.report.charts import Spec, axis, chart, css, exact, palette, quantity, table

BINS = 50
"""Up to so many bars."""


def histogram(
    values: NDArray[Any], title: str, *, height: int = 200, description: str = ""
) -> Spec:
    """How often which value occurs; those that are not finite are left out.

    Args:
        values: of any shape.
        title: what they are.
        height: in pixels.
        description: what a reader hears who can't see it.
    """
    return histograms({"": values}, title, height=height, description=description)


def histograms(
    several: Mapping[str, NDArray[Any]], title: str, *, height: int = 200, description: str = ""
) -> Spec:
    """One or several distributions over the same bins, as shares; the first is filled."""
    finite = {name: values[np.isfinite(values)] for name, values in several.items()}
    there = [values for values in finite.values() if values.size]
    low = min((float(values.min()) for values in there), default=0.0)
    high = max((float(values.max()) for values in there), default=1.0)
    number = bars_for(min((values.size for values in there), default=0))
    columns: dict[str, list[Any]] = {"a": [], "b": [], "share": [], "run": []}
    for name, values in finite.items():
        edges, counts = bins(values, low, high, number)
        columns["a"] += edges[:-1].tolist()
        columns["b"] += edges[1:].tolist()
        columns["share"] += (counts / max(values.size, 1)).tolist()
        columns["run"] += [name] * len(counts)
    names = list(finite)
    across = quantity("a", title, zero=False, nice=False)
    encoding: Spec = {
        "x": {**across, "bin": {"binned": True}, "axis": {**axis(log=False), "tickCount": 4}},
        "x2": {"field": "b"},
        "y": {**quantity("share", "share of values"), "axis": {"format": "%"}},
        "tooltip": [
            exact("a", "from"),
            exact("b", "to"),
            {**quantity("share", "share"), "format": ".4~p"},
        ],
    }
    if len(names) > 1:
        scale = {"domain": names, "range": palette(len(names))}
        encoding["color"] = {"field": "run", "type": "nominal", "title": None, "scale": scale}
        encoding["tooltip"].insert(0, {"field": "run", "type": "nominal", "title": "run"})
        mark: Spec = {"type": "bar", "opacity": 0.55, "binSpacing": 0}
        encoding["y"]["stack"] = None
    else:
        mark = {"type": "bar", "color": css("accent"), "binSpacing": 0.5}
    return chart(table(**columns), description, height, mark=mark, encoding=encoding)


def bars_for(size: int) -> int:
    """How many bars suit so many values: by Rice's rule, within reason."""
    return max(5, min(BINS, math.ceil(2 * math.cbrt(size))))


def bins(
    values: NDArray[Any], low: float, high: float, number: int
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Edges (number + 1,) and counts (number,) of the finite values between two numbers."""
    if not low < high:
        half = max(abs(low), 1.0) * 0.01
        low, high = low - half, high + half
    least = 2 * number * float(np.spacing(max(abs(low), abs(high))))
    if high - low < least:  # no more floats than bars
        low, high = low - least, high + least
    # Halves, whose difference is never beyond the largest float.
    halves = values.astype(np.float64) / 2
    counts, edges = np.histogram(halves, bins=number, range=(low / 2, high / 2))
    return edges * 2, counts
