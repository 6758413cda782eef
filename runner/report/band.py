"""Charts of a sweep: a mean over the seeds, with the interval that it lies in as a band.

Their data come in the page: which statistic and which layer is the reader's to choose.
"""

from __future__ import annotations

from collections.abc import Sequence

from runner.analysis.swept import is_seed
from runner.analysis.typed import Value
from runner.report.charts import (
    Spec,
    axis,
    chart,
    css,
    exact,
    lines_palette,
    palette,
    quantity,
    spreads_far,
)

_TIPS = [exact("mean", "mean"), exact("low", "95 % from"), exact("high", "95 % to")]
_TIPS += [exact("n", "runs")]
_FEW = 9  # values whose names stand below the axis unturned


def show_value(value: Value) -> str:
    """``0.1``, ``1000``, ``relu``: as the page's script says it."""
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def against_key(
    key: str, values: Sequence[Value], *, title: str | None, series: Sequence[str]
) -> Spec:
    """A statistic against the values of a key: a line and a band, or points with bars.

    Args:
        key: its name.
        values: all of them; numbers have an axis, anything else a place each.
        title: of the legend.
        series: the lines there are.
    """
    numbers = [value for value in values if isinstance(value, (int, float))]
    numeric = len(numbers) == len(values)
    x: Spec = {"field": "value", "type": "ordinal", "title": key, "sort": None}
    x["axis"] = {"labelAngle": 0 if len(values) < _FEW else -40, "labelLimit": 120, "grid": False}
    x["scale"] = {"domain": list(values)}
    if numeric:
        log = spreads_far([float(v) for v in numbers])
        scale: Spec = {"type": "log"} if log else {"zero": False}
        x = quantity("value", key, domain=[min(numbers), max(numbers)], nice=False, **scale)
        x["scale"]["padding"] = 8
        x["axis"] = {**axis(log=log), "format": "~g"} if log else axis(log=False)
        if all(isinstance(value, int) for value in numbers):
            x["axis"] = {"format": "d", "tickMinStep": 1}
            if len(numbers) < _FEW:
                x["axis"]["values"] = numbers
    color: Spec = {"value": css("accent")}
    tips = [exact("value", key)]
    aside: Spec = {}
    if len(series) > 1:
        color = {"field": "series", "type": "nominal", "title": title}
        color["scale"] = {"domain": list(series), "range": palette(len(series))}
        color["legend"] = {"columns": 2 if title is None else 4, "labelLimit": 260}
        tips.append(exact("series", title or "of"))
        if not numeric:
            # Side by side: bars on top of each other hide one another.
            aside = {"xOffset": {"field": "series", "type": "nominal", "sort": list(series)}}
    # From one seed to the next there is no way.
    apart = not numeric or is_seed(key)
    return _banded(x, color, [*tips, *_TIPS], bars=apart, what=f"against {key}", aside=aside)


def against_depth(key: str, lines: Sequence[Value], depth: int) -> Spec:
    """A statistic over the layers: a line and a band for each value of a key.

    Args:
        key: its name.
        lines: its values, as many as have a line.
        depth: the position of the deepest layer.
    """
    domain = [0, max(depth, 1)]
    x = quantity("position", "layer, by its position in its run", domain=domain, nice=False)
    x["axis"] = {"tickMinStep": 1}
    color: Spec = {"field": "line", "type": "ordinal", "title": key, "sort": None}
    color["scale"] = {"domain": [show_value(line) for line in lines], "range": lines_palette(lines)}
    color["legend"] = {"columns": 4, "labelLimit": 120}
    tips = [exact("layer", "layer"), exact("line", key)]
    return _banded(x, color, [*tips, *_TIPS], bars=False, what=f"over depth, by {key}", aside={})


def _banded(x: Spec, color: Spec, tips: list[Spec], *, bars: bool, what: str, aside: Spec) -> Spec:
    y = quantity("mean", "statistic")
    interval = {"y": {**y, "field": "low"}, "y2": {"field": "high"}, "color": color}
    known = [{"filter": "isValid(datum.low) && isValid(datum.high)"}]
    mark: Spec = {"type": "rule", "strokeWidth": 2, "opacity": 0.6, "clip": True}
    if not bars:
        mark = {"type": "area", "opacity": 0.16, "tooltip": None, "clip": True}
    line: Spec = {"type": "line", "point": {"size": 40, "filled": True}}
    if bars:
        line = {"type": "point", "size": 70, "filled": True, "opacity": 1}
    return chart(
        {"values": []},
        f"Mean over the seeds and its 95 % interval, {what}",
        280,
        encoding={"x": x, **aside},
        layer=[
            {"transform": known, "mark": mark, "encoding": interval},
            {"mark": line, "encoding": {"y": y, "color": color, "tooltip": tips}},
        ],
    )
