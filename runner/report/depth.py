"""Charts over depth: a statistic of every layer, one layer after the other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from runner.report.charts import Spec, axis, chart, css, palette, quantity, spreads_far, table

_NAMED = 14  # layers whose names fit below the axis


def position(names: Sequence[str]) -> Spec:
    """The axis of the layers: their names, or, of many, their numbers."""
    if len(names) <= _NAMED:
        below = {"labelAngle": -35 if len(names) > 4 else 0, "grid": False, "labelLimit": 90}
        named = {"field": "layer", "type": "ordinal", "title": "layer", "sort": None}
        return {**named, "axis": below}
    title = f"layer, by its position from 0 to {len(names) - 1}"
    return {**quantity("position", title, nice=False, zero=False), "axis": {"tickMinStep": 1}}


def over_depth(
    names: Sequence[str],
    lines: Mapping[str, Sequence[float]],
    title: str,
    *,
    percent: bool = False,
    height: int = 200,
    description: str = "",
) -> Spec:
    """One line for each statistic.

    Args:
        names: of the layers, in order.
        lines: name -> a number for each layer; NaN: there is none.
        title: of the axis.
        percent: the numbers are shares.
        height: in pixels.
        description: what a reader hears who can't see it.
    """
    several = [name for name, values in lines.items() if any(map(math.isfinite, values))]
    data = table(
        position=[i for _ in several for i in range(len(names))],
        layer=[name for _ in several for name in names],
        value=[float(value) for name in several for value in lines[name]],
        line=[name for name in several for _ in names],
    )
    shown = [lines[name] for name in several]
    y = quantity("value", title, **_scale([v for values in shown for v in values], percent))
    y["axis"] = {"format": "%"} if percent else axis(log=y["scale"].get("type") == "log")
    scale = {"domain": several, "range": palette(len(several))}
    color: Spec = {"field": "line", "type": "nominal", "title": None, "scale": scale}
    if len(several) > 2:
        color["legend"] = {"columns": 2}
    if len(several) == 1:
        color = {"value": css("accent")}
    tips = [
        {"field": "layer", "type": "nominal"},
        {"field": "line", "type": "nominal", "title": "statistic"},
        {**quantity("value", title), "format": ".1%" if percent else ".4~g"},
    ]
    return chart(
        data,
        description,
        height,
        transform=[{"filter": "isValid(datum.value)"}],
        mark={"type": "line", "point": _point(len(names))},
        encoding={"x": position(names), "y": y, "color": color, "tooltip": tips},
    )


def with_theory(
    names: Sequence[str],
    measured: Sequence[float],
    predicted: Sequence[float],
    bars: Sequence[tuple[float, float]],
    title: str,
    *,
    height: int = 260,
    description: str = "",
) -> Spec:
    """What was measured beside theory's curve, with the band of one error bar about it."""
    low, high = zip(*bars, strict=True)
    data = table(
        position=range(len(names)),
        layer=list(names),
        measured=measured,
        predicted=predicted,
        low=low,
        high=high,
    )
    there = [v for v in (*measured, *predicted) if v > 0]
    scale = _scale(there, percent=False)
    above = ">" if scale.get("type") == "log" else ">="
    x = position(names)
    y = quantity("measured", title, **scale)
    y["axis"] = axis(log=scale.get("type") == "log")
    tips = [
        {"field": "layer", "type": "nominal"},
        {**quantity("measured", "measured"), "format": ".4~g"},
        {**quantity("predicted", "theory"), "format": ".4~g"},
        {**quantity("low", "theory - error bar"), "format": ".4~g"},
        {**quantity("high", "theory + error bar"), "format": ".4~g"},
    ]
    colors = {"domain": ["measured", "theory"], "range": [css("accent"), css("theory")]}
    color: Spec = {"type": "nominal", "title": None, "scale": colors}
    known = {"filter": "isValid(datum.predicted)"}
    band: Spec = {
        "transform": [known],
        "mark": {"type": "area", "opacity": 0.18, "color": css("theory")},
        "encoding": {"y": {**y, "field": "low"}, "y2": {"field": "high"}},
    }
    curve: Spec = {
        "transform": [known],
        "mark": {"type": "line", "strokeDash": [5, 4], "strokeWidth": 1.6, "tooltip": None},
        "encoding": {
            "y": {**y, "field": "predicted"},
            "color": {"datum": "theory", **color},
        },
    }
    points: Spec = {
        "transform": [{"filter": f"isValid(datum.measured) && datum.measured {above} 0"}],
        "mark": {"type": "line", "point": _point(len(names))},
        "encoding": {"y": y, "color": {"datum": "measured", **color}, "tooltip": tips},
    }
    layers = [band, points, curve] if any(map(math.isfinite, predicted)) else [points]
    return chart(data, description, height, encoding={"x": x}, layer=layers)


def _scale(values: Sequence[float], percent: bool) -> Spec:
    if percent:
        top = max((v for v in values if math.isfinite(v)), default=1.0)
        return {"zero": True, "domain": [0, 1]} if top > 0.3 else {"zero": True}
    return {"type": "log"} if spreads_far(values) else {"zero": True}


def _point(count: int) -> Any:
    return {"size": 36 if count <= 40 else 12, "filled": True}
