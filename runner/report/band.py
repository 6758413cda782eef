"""Charts of a sweep: a mean over the seeds, with the interval that it lies in as a band.

Their data come in the page: which statistic and which layer is the reader's to choose.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from runner.report.charts import Spec, chart, css, palette, quantity, spreads_far

_TIPS = [
    {**quantity("mean", "mean"), "format": ".4~g"},
    {**quantity("low", "95 % from"), "format": ".4~g"},
    {**quantity("high", "95 % to"), "format": ".4~g"},
    quantity("n", "runs"),
]


def against_key(key: str, values: Sequence[Any], *, numeric: bool, series: Sequence[str]) -> Spec:
    """A statistic against the values of a key: a line and a band, or points with bars.

    Args:
        key: its name.
        values: all of them.
        numeric: they are numbers.
        series: the lines there are.
    """
    x: Spec = {"field": "value", "type": "ordinal", "title": key, "sort": None}
    x["axis"] = {"labelAngle": 0 if len(values) < 9 else -40, "labelLimit": 120, "grid": False}
    if numeric:
        scale: Spec = (
            {"type": "log"} if spreads_far([float(v) for v in values]) else {"zero": False}
        )
        x = quantity("value", key, nice=False, padding=8, **scale)
    color: Spec = {"value": css("accent")}
    if len(series) > 1:
        domain = {"domain": list(series), "range": palette(len(series))}
        legend = {"columns": 2, "labelLimit": 260}
        color = {"field": "series", "type": "nominal", "title": None, "scale": domain}
        color["legend"] = legend
    value = {"field": "value", "type": "nominal", "title": key}
    others = [{"field": "series", "type": "nominal", "title": "of"}] if len(series) > 1 else []
    return _banded(x, color, [value, *others, *_TIPS], bars=not numeric, what=f"against {key}")


def against_depth(key: str, lines: Sequence[Any], layers: Sequence[str]) -> Spec:
    """A statistic over the layers: a line and a band for each value of a key."""
    x = quantity("position", f"layer, by its position from 0 to {len(layers) - 1}", nice=False)
    x["axis"] = {"tickMinStep": 1}
    scheme = {"name": "viridis", "extent": [0.18, 0.9]}  # its ends are lost on dark, and on light
    color: Spec = {
        "field": "line",
        "type": "ordinal",
        "title": key,
        "sort": None,
        "scale": {"domain": [str(line) for line in lines], "scheme": scheme},
        "legend": {"columns": 4, "labelLimit": 120},
    }
    value = {"field": "line", "type": "nominal", "title": key}
    layer = {"field": "layer", "type": "nominal", "title": "layer"}
    return _banded(x, color, [layer, value, *_TIPS], bars=False, what=f"over depth, by {key}")


def _banded(x: Spec, color: Spec, tips: list[Spec], *, bars: bool, what: str) -> Spec:
    y = {**quantity("mean", "statistic"), "axis": {"format": ".3~g"}}
    interval = {"y": {**y, "field": "low"}, "y2": {"field": "high"}, "color": color}
    known = [{"filter": "isValid(datum.low) && isValid(datum.high)"}]
    mark: Spec = {"type": "rule", "strokeWidth": 2, "opacity": 0.6}
    if not bars:
        mark = {"type": "area", "opacity": 0.2, "tooltip": None}
    line: Spec = {"type": "line", "point": {"size": 40, "filled": True}}
    if bars:
        line = {"type": "point", "size": 70, "filled": True, "opacity": 1}
    return chart(
        {"values": []},
        f"Mean over the seeds and its 95 % interval, {what}",
        280,
        encoding={"x": x},
        layer=[
            {"transform": known, "mark": mark, "encoding": interval},
            {"mark": line, "encoding": {"y": y, "color": color, "tooltip": tips}},
        ],
    )
