"""A matrix of numbers as coloured cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runner.report.charts import Spec, chart, exact, quantity, table


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
    across["sort"] = list(columns)
    across["axis"] = {"labelAngle": -40, "labelLimit": 90, "grid": False}
    down["axis"] = {"grid": False, "labelLimit": 110}
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
        exact("row", axes[0]),
        exact("column", axes[1]),
        exact("value", title),
    ]
    return chart(
        data,
        description,
        max(120, min(26 * len(rows), 560)),
        encoding={"x": across, "y": down, "tooltip": tips},
        layer=cells,
    )
