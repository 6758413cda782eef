"""Charts over depth: a statistic of every layer, a line for each kind of layer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from runner.report.charts import (
    SHAPES,
    Spec,
    axis,
    chart,
    css,
    exact,
    palette,
    quantity,
    span,
    spreads_far,
    table,
)

_NAMED = 14  # layers whose names fit below the axis
_FAR = 1000.0  # times the smallest: from there numbers of either sign need a logarithmic axis, too
_TICKS = 4  # powers of ten on either side of 0


def position(names: Sequence[str]) -> Spec:
    """The axis of the layers: their names, or, of many, their numbers."""
    if len(names) <= _NAMED:
        below = {"labelAngle": -35 if len(names) > 4 else 0, "grid": False, "labelLimit": 90}
        named = {"field": "layer", "type": "ordinal", "title": "layer", "sort": None}
        return {**named, "axis": below}
    title = f"layer, by its position from 0 to {len(names) - 1}"
    domain = [0, len(names) - 1]
    return {**quantity("position", title, nice=False, domain=domain), "axis": {"tickMinStep": 1}}


def over_depth(
    names: Sequence[str],
    kinds: Sequence[str],
    lines: Mapping[str, Sequence[float]],
    title: str,
    *,
    percent: bool = False,
    height: int = 200,
    description: str = "",
) -> Spec | None:
    """One line for each statistic and kind of layer; None where there is no number at all.

    Args:
        names: of the layers, in order.
        kinds: of the same; a line through all of them would be a zigzag.
        lines: name -> a number for each layer; what is not finite is a gap.
        title: of the axis.
        percent: the numbers are shares.
        height: in pixels.
        description: what a reader hears who can't see it.
    """
    several = [name for name, values in lines.items() if any(map(math.isfinite, values))]
    if not several:
        return None
    data = table(
        position=[i for _ in several for i in range(len(names))],
        layer=[name for _ in several for name in names],
        kind=[kind for _ in several for kind in kinds],
        value=[float(value) for name in several for value in lines[name]],
        line=[name for name in several for _ in names],
    )
    y = quantity("value", title) | _scale([lines[name] for name in several], percent)
    color: Spec = {"value": css("accent")}
    if len(several) > 1:
        color = {"field": "line", "type": "nominal", "title": None}
        color["scale"] = {"domain": several, "range": palette(len(several))}
        color["legend"] = {"columns": 2}
    share = {**quantity("value", title), "format": ".3~%"}
    tips = [
        exact("layer", "layer"),
        exact("line", "statistic"),
        share if percent else exact("value", title),
    ]
    shape = _shape(kinds)
    drawn = {"y": y, "color": color}
    return chart(
        data,
        description,
        height,
        encoding={"x": position(names)},
        layer=[
            {"mark": {"type": "line"}, "encoding": drawn | _apart(kinds)},
            {"mark": _point(len(names)), "encoding": drawn | shape | {"tooltip": tips}},
        ],
    )


def with_theory(
    names: Sequence[str],
    kinds: Sequence[str],
    measured: Sequence[float],
    predicted: Sequence[float],
    bars: Sequence[tuple[float, float]],
    title: str,
    *,
    height: int = 260,
    description: str = "",
) -> Spec | None:
    """What was measured beside theory's curve, with the band of one error bar about it."""
    low, high = zip(*bars, strict=True)
    data = table(
        position=range(len(names)),
        layer=list(names),
        kind=list(kinds),
        measured=measured,
        predicted=predicted,
        low=low,
        high=high,
    )
    there = [v for v in (*measured, *predicted) if v > 0]
    log = spreads_far(there)
    above = "> 0" if log else ">= 0"
    y = quantity("measured", title, **({"type": "log"} if log else {"zero": True}))
    y["axis"] = axis(log=log)
    if not log:
        y["scale"] |= span(measured, predicted, low, high)
    tips = [
        exact("layer", "layer"),
        exact("measured", "measured"),
        exact("predicted", "theory"),
        exact("low", "theory − error bar"),
        exact("high", "theory + error bar"),
    ]
    labels = ["measured", "theory"]
    color = {"domain": labels, "range": [css("accent"), css("theory")]}
    dash = {"domain": labels, "range": [[1, 0], [5, 4]]}
    legend = {"symbolType": "stroke", "symbolStrokeWidth": 2.5, "symbolSize": 260}

    def named(label: str) -> Spec:
        # Of one scale each, so that the legend shows the theory dashed.
        plain: Spec = {"datum": label, "type": "nominal", "title": None, "legend": legend}
        return {"color": {**plain, "scale": color}, "strokeDash": {**plain, "scale": dash}}

    apart = _apart(kinds)
    theory = [{"filter": f"isValid(datum.predicted) && datum.predicted {above}"}]
    known = [{"filter": f"isValid(datum.measured) && datum.measured {above}"}]
    area: Spec = {"type": "area", "opacity": 0.18, "color": css("theory"), "tooltip": None}
    band = {"y": {**y, "field": "low"}, "y2": {"field": "high"}} | apart
    line = {"y": y} | named("measured") | apart
    curve = {"y": {**y, "field": "predicted"}} | named("theory") | apart
    points = {"y": y, "color": {"value": css("accent")}, "tooltip": tips} | _shape(kinds)
    layers: list[Spec] = []
    has_theory = any(_placed(value, log) for value in predicted)
    has_measured = any(_placed(value, log) for value in measured)
    if has_theory:
        layers.append({"transform": theory, "mark": area, "encoding": band})
        # Where a kind has one layer, there is no band between two.
        alone = [{"filter": {"field": "kind", "oneOf": _alone(kinds)}}]
        rule: Spec = {"type": "rule", "strokeWidth": 8, "opacity": 0.25, "color": css("theory")}
        if _alone(kinds):
            layers.append({"transform": theory + alone, "mark": rule, "encoding": band})
            tick: Spec = {"type": "tick", "color": css("theory"), "thickness": 1.6, "size": 16}
            level = {"y": {**y, "field": "predicted"}}
            layers.append({"transform": theory + alone, "mark": tick, "encoding": level})
    if has_measured:
        layers.append({"transform": known, "mark": {"type": "line"}, "encoding": line})
    if has_theory:
        dashed: Spec = {"type": "line", "strokeWidth": 1.6, "tooltip": None}
        layers.append({"transform": theory, "mark": dashed, "encoding": curve})
    if has_measured:
        layers.append({"transform": known, "mark": _point(len(names)), "encoding": points})
    if not layers:
        return None
    return chart(data, description, height, encoding={"x": position(names)}, layer=layers)


def _placed(value: float, log: bool) -> bool:
    return math.isfinite(value) and (value > 0 or (not log and value == 0))


def _several(kinds: Sequence[str]) -> list[str]:
    """The kinds that have a line each; none where no line would have two points."""
    different = list(dict.fromkeys(kinds))
    return different if 1 < len(different) < len(kinds) else []


def _alone(kinds: Sequence[str]) -> list[str]:
    """The kinds that have one layer, where others have more."""
    return [kind for kind in _several(kinds) if list(kinds).count(kind) == 1]


def _apart(kinds: Sequence[str]) -> Spec:
    return {"detail": {"field": "kind", "type": "nominal"}} if _several(kinds) else {}


def _shape(kinds: Sequence[str]) -> Spec:
    several = _several(kinds)
    if not several:
        return {}
    shapes = [SHAPES[i % len(SHAPES)] for i in range(len(several))]
    scale = {"domain": several, "range": shapes}
    legend = {"symbolFillColor": css("soft"), "columns": 3}
    field = {"field": "kind", "type": "nominal", "title": None}
    return {"shape": {**field, "scale": scale, "legend": legend}}


def _scale(lines: Sequence[Sequence[float]], percent: bool) -> Spec:
    """The scale of the numbers, and its axis."""
    values = [value for line in lines for value in line if math.isfinite(value)]
    if percent:
        top = max(values)
        domain = {"domain": [0, 1]} if top > 0.3 or top == 0 else {}
        return {"scale": {"zero": True, **domain}, "axis": {"format": "%"}}
    if spreads_far(values):
        return {"scale": {"type": "log"}, "axis": axis(log=True)}
    # A mean that is 0 but for rounding must not set the scale of what stands beside it.
    least = max(
        (
            min(sizes)
            for line in lines
            if (sizes := [abs(v) for v in line if v and math.isfinite(v)])
        ),
        default=0.0,
    )
    if least and max(map(abs, values)) > _FAR * least:
        return _either_sign(values, least)
    return {"scale": {"zero": True, **span(values)}, "axis": axis(log=False)}


def _either_sign(values: Sequence[float], least: float) -> Spec:
    """Logarithmic on both sides of 0, from a size on; only some powers have a line."""
    first, last = math.ceil(math.log10(least)) + 1, math.ceil(math.log10(max(map(abs, values))))
    step = max(1, math.ceil((last - first) / _TICKS))
    powers = [float(f"1e{at}") for at in range(last, first - 1, -step)]
    ticks = [0.0]
    ticks += [power for power in powers if power <= max(values)]
    ticks += [-power for power in powers if -power >= min(values)]
    domain = {"domain": [min(0.0, *values), max(0.0, *values)], "nice": False}
    scale = {"type": "symlog", "constant": least, **domain}
    label = "datum.value ? format(datum.value, '~e') : '0'"
    return {"scale": scale, "axis": {"values": sorted(ticks), "labelExpr": label}}


def _point(count: int) -> Spec:
    size = 36 if count <= 40 else 14 if count <= 160 else 5
    return {"type": "point", "filled": True, "size": size, "opacity": 1}
