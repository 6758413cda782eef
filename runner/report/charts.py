"""Charts as Vega-Lite specifications: plain dicts with their data inside.

Colours are names of :data:`COLORS`, which a page gives as CSS variables, so that one chart suits
light and dark. For a notebook, :func:`themed` puts colours in.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Spec = dict[str, Any]

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"

COLORS = {
    "ink": "#1c2024",
    "soft": "#5d6672",
    "line": "#d9dde2",
    "paper": "#ffffff",
    "accent": "#0072b2",
    "theory": "#c2570c",
    **{
        f"c{i}": color
        for i, color in enumerate(
            "#0072b2 #e69f00 #009e73 #cc79a7 #d55e00 #56b4e9 #8c783c #787878".split()
        )
    },
    **{
        f"s{i}": color
        for i, color in enumerate(
            "#440154 #482878 #3e4989 #31688e #26828e #1f9876 #4ba13f #8a9a00".split()
        )
    },
}
"""Name of a colour -> its value on white; the style sheet has those for either theme."""

SHAPES = ("circle", "triangle-up", "square", "diamond", "cross", "triangle-down", "arrow", "wedge")
"""Of points: after eight classes the colours come again, in the next shape."""

SEQUENTIAL = tuple(f"s{i}" for i in range(8))
"""Names of colours from little to much, viridis without the end that is lost on the paper."""

_LOG_FROM = 30.0  # times the smallest: from there a logarithmic axis shows more


def css(name: str) -> str:
    """A colour of :data:`COLORS` as a page says it."""
    return f"var(--{name})"


def palette(count: int) -> list[str]:
    """Colours for so many classes; they come again after the eighth."""
    return [css(f"c{i % 8}") for i in range(count)]


def lines_palette(values: Sequence[Any]) -> list[str]:
    """Colours for lines, one for each value: of numbers, the more the farther along."""
    if not all(isinstance(value, (int, float)) for value in values):
        return palette(len(values))
    last = len(SEQUENTIAL) - 1
    return [css(SEQUENTIAL[round(i * last / max(len(values) - 1, 1))]) for i in range(len(values))]


def config() -> Spec:
    """How all charts look."""
    font = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif"
    small: Spec = {"labelFontSize": 11, "titleFontSize": 11.5, "titleFontWeight": 500}
    axes = small | {
        "labelColor": css("soft"),
        "titleColor": css("soft"),
        "titlePadding": 8,
        "labelPadding": 4,
        "labelOverlap": True,
        "domainColor": css("line"),
        "gridColor": css("line"),
        "gridOpacity": 0.7,
        "tickColor": css("line"),
        "tickSize": 4,
        "tickCount": 5,
    }
    legend = small | {
        "labelColor": css("ink"),
        "labelLimit": 180,
        "titleColor": css("soft"),
        "titleOrient": "left",
        "titleLimit": 240,
        "orient": "bottom",
        "offset": 8,
        "columnPadding": 14,
        "symbolSize": 70,
        "symbolStrokeWidth": 0,
        "symbolOpacity": 1,
        # One below the other: side by side the second is cut off where the chart is narrow.
        "layout": {"bottom": {"direction": "vertical", "anchor": "start", "margin": 4}},
    }
    return {
        "background": "transparent",
        "font": font,
        "view": {"stroke": None},
        "axis": axes,
        "legend": legend,
        "line": {"strokeWidth": 2},
        "range": {"category": palette(8), "ordinal": {"scheme": "viridis"}},
        "header": {"labelColor": css("ink"), "titleColor": css("soft")},
    }


def themed(spec: Spec) -> Spec:
    """The chart with its colours in it, for a place that has no style sheet: on white."""

    def colored(node: Any) -> Any:
        if isinstance(node, Mapping):
            return {key: colored(value) for key, value in node.items()}
        if isinstance(node, list):
            return [colored(value) for value in node]
        if isinstance(node, str) and node.startswith("var(--"):
            return COLORS[node[6:-1]]
        return node

    whole: Spec = colored({**spec, "config": {**config(), **spec.get("config", {})}})
    return {"$schema": SCHEMA, **whole, "width": 360}


def table(**columns: Sequence[Any] | NDArray[Any]) -> Spec:
    """Data of a chart as CSV, a third of the size that JSON has; what is not finite is empty.

    Numbers have all the digits of their type: an axis may span the last of them alone.
    """
    lines = [",".join(columns)]
    lines += [",".join(map(_cell, row)) for row in zip(*columns.values(), strict=True)]
    numbers = {
        name: "number" if all(not isinstance(v, str) for v in values) else "string"
        for name, values in columns.items()
    }
    return {"values": "\n".join(lines), "format": {"type": "csv", "parse": numbers}}


def _cell(value: Any) -> str:
    if isinstance(value, str):
        quoted = value.replace('"', '""').replace("\n", " ")
        return f'"{quoted}"'
    if value is None or not math.isfinite(value):
        return ""
    # The shortest text that is read back as the same number.
    return str(value).removesuffix(".0")


def plain(value: float) -> float | None:
    """A number as JSON has it, with the digits that a float32 has; None: it is not finite."""
    return float(f"{value:.9g}") if math.isfinite(value) else None


def chart(data: Spec, description: str, height: int = 220, **rest: Any) -> Spec:
    """A specification as wide as its place."""
    return {
        "description": description,
        "width": "container",
        "height": height,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "data": data,
        **rest,
    }


def exact(field: str, title: str) -> Spec:
    """A line of a tooltip: a number with all of its digits, or a text."""
    return {"field": field, "type": "nominal", "title": title}


def span(*several: Sequence[float] | NDArray[Any]) -> Spec:
    """The domain of an axis for values that are all the same: a little around them; else nothing.

    A scale of no extent puts everything on one edge, under a single label.
    """
    there = [np.asarray(values, dtype=np.float64) for values in several]
    finite = np.concatenate([values[np.isfinite(values)] for values in there] or [np.empty(0)])
    if not finite.size or finite.min() < finite.max():
        return {}
    middle = float(finite[0])
    half = abs(middle) / 10 or 1.0
    return {"domain": [middle - half, middle + half]}


def quantity(field: str, title: str | None, **scale: Any) -> Spec:
    """A numeric axis with its name."""
    found: Spec = {"field": field, "type": "quantitative", "title": title}
    if scale:
        found["scale"] = scale
    return found


def axis(*, log: bool) -> Spec:
    """The numbers along a linear or a logarithmic scale; of the latter only powers have a line."""
    if not log:
        far = "abs(datum.value) >= 1e5 || (datum.value && abs(datum.value) < 1e-4)"
        return {"labelExpr": f"{far} ? format(datum.value, '.3~e') : datum.label"}
    exponent = "log(datum.value) / LN10"
    whole = {"test": f"abs({exponent} - round({exponent})) < 1e-6", "value": 0.7}
    opacity = {"condition": whole, "value": 0}
    return {"format": "~e", "gridOpacity": opacity, "tickOpacity": opacity}


def spreads_far(values: Sequence[float]) -> bool:
    """Whether numbers are all above zero and span so much that a logarithmic axis suits them."""
    finite = [value for value in values if math.isfinite(value)]
    return len(finite) > 1 and min(finite) > 0 and max(finite) > _LOG_FROM * min(finite)
