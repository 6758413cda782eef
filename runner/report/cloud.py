"""Charts of samples as points in a plane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runner.report.charts import (
    SEQUENTIAL,
    SHAPES,
    Spec,
    axis,
    chart,
    css,
    exact,
    palette,
    quantity,
    span,
    table,
)

CLASS_COLORS = palette(8)


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
    tips = [exact("x", axes[0]), exact("y", axes[1])]
    encoding: Spec = {"color": {"value": css("ink")}}
    opacity = 0.5 if len(points) > 600 else 0.7
    if classes is not None:
        columns["c"] = classes.astype(np.int64)
        encoding = by_class(sorted(set(columns["c"].tolist())), title)
        opacity = 0.85
    elif values is not None:
        columns["c"] = values
        scale: Spec = {"type": "quantize", "range": [css(name) for name in SEQUENTIAL]}
        color = {**quantity("c", title), "scale": scale | span(values)}
        color["legend"] = {"gradientLength": 200, "gradientThickness": 8, "format": ".3~g"}
        encoding = {"color": color}
        opacity = 0.9
    if len(columns) > 2:
        tips.append(exact("c", title))
    size = 9 if len(points) > 1200 else 16 if len(points) > 300 else 34
    across, up = (span(points[:, at]) for at in (0, 1))
    mark: Spec = {"type": "point", "filled": True, "size": size, "opacity": opacity}
    return chart(
        table(**columns),
        description,
        height,
        mark=mark | {"strokeWidth": 0},
        encoding={
            "x": {
                **quantity("x", axes[0], zero=False, nice=True, **across),
                "axis": axis(log=False),
            },
            "y": {**quantity("y", axes[1], zero=False, nice=True, **up), "axis": axis(log=False)},
            **encoding,
            "tooltip": tips,
        },
    )


def by_class(known: Sequence[int], title: str) -> Spec:
    """The colour of each class, and its shape where there are more classes than colours."""
    colors, domain = len(CLASS_COLORS), {"domain": list(known)}
    field: Spec = {"field": "c", "type": "nominal", "title": title}
    field["legend"] = {"columns": 6, "symbolLimit": 64}
    found = {
        "color": {**field, "scale": domain | {"range": [CLASS_COLORS[k % colors] for k in known]}}
    }
    if known and max(known) >= colors:
        shapes = [SHAPES[k // colors % len(SHAPES)] for k in known]
        found["shape"] = {**field, "scale": domain | {"range": shapes}}
    return found


def regions(
    points: NDArray[Any],
    classes: NDArray[Any] | None,
    picture: str,
    corners: tuple[tuple[float, float], tuple[float, float]],
    axes: tuple[str, str],
    labels: Sequence[tuple[float, float, str]] = (),
) -> Spec:
    """Points over a picture of the plane that they lie in.

    Args:
        points: (n, 2).
        classes: (n,) whole numbers, or None.
        picture: its address.
        corners: the plane's lowest and highest values, of either axis.
        axes: the names of the two columns.
        labels: texts and where they stand in the plane.
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
        layer=[below, {"mark": mark, "encoding": encoding}, *_texts(labels, encoding)],
    )


def _texts(labels: Sequence[tuple[float, float, str]], encoding: Spec) -> list[Spec]:
    if not labels:
        return []
    x, y, texts = zip(*labels, strict=True)
    mark = {"type": "text", "fontSize": 15, "fontWeight": 700, "color": css("ink")}
    halo = mark | {"stroke": css("paper"), "strokeWidth": 4, "strokeJoin": "round"}
    shown = {"x": encoding["x"], "y": encoding["y"], "text": {"field": "text", "type": "nominal"}}
    data = table(x=x, y=y, text=texts)
    return [{"data": data, "mark": one, "encoding": shown} for one in (halo, mark)]
