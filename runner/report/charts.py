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
}
"""Name of a colour -> its value on white; the style sheet has those for either theme."""

BINS = 50
_LOG_FROM = 30.0  # times the smallest: from there a logarithmic axis shows more


def css(name: str) -> str:
    """A colour of :data:`COLORS` as a page says it."""
    return f"var(--{name})"


def palette(count: int) -> list[str]:
    """Colours for so many classes; they come again after the eighth."""
    return [css(f"c{i % 8}") for i in range(count)]


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
    """Data of a chart as CSV, a third of the size that JSON has; what is not finite is empty."""
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
    return f"{value:.4g}" if isinstance(value, (float, np.floating)) else str(value)


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


def quantity(field: str, title: str | None, **scale: Any) -> Spec:
    """A numeric axis with its name."""
    found: Spec = {"field": field, "type": "quantitative", "title": title}
    if scale:
        found["scale"] = scale
    return found


def scatter(
    points: NDArray[Any],
    axes: tuple[str, str],
    *,
    classes: NDArray[Any] | None = None,
    values: NDArray[Any] | None = None,
    title: str = "class",
    height: int = 320,
    description: str = "",
) -> Spec:
    """Points in a plane; without colours, or by class, or by a number.

    Args:
        points: (n, 2).
        axes: the names of the two columns.
        classes: (n,) whole numbers, or None.
        values: (n,) numbers for a colour scale, or None.
        title: of the colours.
        height: in pixels.
        description: what a reader hears who can't see it.
    """
    columns: dict[str, Any] = {"x": points[:, 0], "y": points[:, 1]}
    tips = [quantity("x", axes[0]), quantity("y", axes[1])]
    color: Spec = {"value": css("ink")}
    opacity = 0.5 if len(points) > 600 else 0.7
    if classes is not None:
        columns["c"] = classes.astype(np.int64)
        known = sorted(set(columns["c"].tolist()))
        scale = {"domain": known, "range": [css(f"c{k % 8}") for k in known]}
        color = {"field": "c", "type": "nominal", "title": title, "scale": scale}
        opacity = 0.85
    elif values is not None:
        columns["c"] = values
        color = {**quantity("c", title), "scale": {"scheme": "viridis"}}
        color["legend"] = {"gradientLength": 160, "gradientThickness": 8}
        opacity = 0.9
    if len(columns) > 2:
        tips.append({key: color[key] for key in ("field", "type", "title")})
    size = 9 if len(points) > 1200 else 16 if len(points) > 300 else 34
    return chart(
        table(**columns),
        description,
        height,
        mark={"type": "circle", "size": size, "opacity": opacity, "strokeWidth": 0},
        encoding={
            "x": {**quantity("x", axes[0], zero=False, nice=True), "axis": axis(log=False)},
            "y": {**quantity("y", axes[1], zero=False, nice=True), "axis": axis(log=False)},
            "color": color,
            "tooltip": tips,
        },
    )


def regions(
    points: NDArray[Any],
    classes: NDArray[Any] | None,
    picture: str,
    corners: tuple[tuple[float, float], tuple[float, float]],
    axes: tuple[str, str],
) -> Spec:
    """Points over a picture of the plane that they lie in.

    Args:
        points: (n, 2).
        classes: (n,) whole numbers, or None.
        picture: its address.
        corners: the plane's lowest and highest values, of either axis.
        axes: the names of the two columns.
    """
    above = scatter(points, axes, classes=classes, height=460)
    (x0, y0), (x1, y1) = corners
    encoding = above["encoding"]
    encoding["x"] = quantity("x", axes[0], domain=[x0, x1], nice=False)
    encoding["y"] = quantity("y", axes[1], domain=[y0, y1], nice=False)
    mark = {**above["mark"], "stroke": css("paper"), "strokeWidth": 0.6, "opacity": 1}
    whole = {"expr": "width"}, {"expr": "height"}
    below: Spec = {
        "data": {"values": [{}]},
        "mark": {
            "type": "image",
            "url": picture,
            "aspect": False,
            "align": "left",
            "baseline": "top",
            "width": whole[0],
            "height": whole[1],
        },
        "encoding": {"x": {"value": 0}, "y": {"value": 0}},
    }
    return chart(
        above["data"],
        "Decision regions over the input plane, with the samples",
        460,
        layer=[below, {"mark": mark, "encoding": encoding}],
    )


def bins(values: NDArray[Any], low: float, high: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """Edges (n + 1,) and counts (n,) of the finite values between two numbers."""
    if not low < high:
        half = max(abs(low), 1.0) * 0.01
        low, high = low - half, high + half
    count = max(5, min(BINS, math.ceil(2 * values.size ** (1 / 3)) if values.size else 5))
    counts, edges = np.histogram(values.astype(np.float64), bins=count, range=(low, high))
    return edges, counts


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
    columns: dict[str, list[Any]] = {"a": [], "b": [], "share": [], "run": []}
    for name, values in finite.items():
        edges, counts = bins(values, low, high)
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
            {**quantity("a", "from"), "format": ".4~g"},
            {**quantity("b", "to"), "format": ".4~g"},
            {**quantity("share", "share"), "format": ".3~p"},
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


def heat(
    names: tuple[Sequence[str], Sequence[str]],
    values: NDArray[Any],
    title: str,
    axes: tuple[str, str],
    *,
    domain: tuple[float, float] = (0.0, 1.0),
    description: str = "",
) -> Spec:
    """A matrix as coloured cells, the first row on top.

    Args:
        names: of the rows and of the columns.
        values: (rows, columns); NaN is left empty.
        title: what the numbers are.
        axes: what rows and columns are.
        domain: the ends of the colour scale.
        description: what a reader hears who can't see it.
    """
    rows, columns = names
    data = table(
        row=[name for name in rows for _ in columns],
        column=[name for _ in rows for name in columns],
        value=values.reshape(-1).astype(np.float64),
    )
    few = max(len(rows), len(columns)) <= 14
    down: Spec = {"field": "row", "type": "nominal", "title": axes[0], "sort": list(rows)}
    across: Spec = {"field": "column", "type": "nominal", "title": axes[1]}
    across |= {"sort": list(columns), "axis": {"labelAngle": 0 if few else -90, "grid": False}}
    down["axis"] = {"grid": False, "labelLimit": 110}
    across["axis"] |= {"labelAngle": -40, "labelLimit": 90}
    color = {
        **quantity("value", title),
        "scale": {"scheme": "viridis", "domain": list(domain), "clamp": True},
        "legend": {"gradientLength": 160, "gradientThickness": 8},
    }
    cells: list[Spec] = [{"mark": {"type": "rect"}, "encoding": {"color": color}}]
    if few:
        middle = sum(domain) / 2
        white = {"test": f"datum.value < {middle:g}", "value": "#fff"}
        ink = {"condition": white, "value": "#1c2024"}
        text = {"field": "value", "type": "quantitative", "format": ".2f"}
        mark = {"type": "text", "fontSize": 10}
        cells.append({"mark": mark, "encoding": {"text": text, "color": ink}})
    tips = [
        {"field": "row", "type": "nominal", "title": axes[0]},
        {"field": "column", "type": "nominal", "title": axes[1]},
        {**quantity("value", title), "format": ".4f"},
    ]
    return chart(
        data,
        description,
        max(120, min(26 * len(rows), 560)),
        encoding={"x": across, "y": down, "tooltip": tips},
        layer=cells,
    )
