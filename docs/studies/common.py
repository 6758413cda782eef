"""What the studies share: where the runs are, a table on the screen, a picture in a file."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
from numpy.typing import NDArray

import runner
from runner.store import Run, resolve

SIZE = {"width": 330, "height": 230}


def jobs(*keys: str) -> list[tuple[tuple[Any, ...], Run]]:
    """The finished runs of the sweep that the first argument names, with their values of keys."""
    table = runner.runs(resolve(sys.argv[1]))
    # Stable, so that networks of the same seed stand at the same place in every group.
    finished = table[table["status"] == "FINISHED"].sort_values(
        [f"params.{key}" for key in keys], kind="stable"
    )
    values = zip(*(finished[f"params.{key}"] for key in keys), strict=True)
    return [
        (value, runner.load(path)) for value, path in zip(values, finished["path"], strict=True)
    ]


def show(head: str, rows: Sequence[Sequence[Any]]) -> None:
    """A table, its columns named in one line."""
    names = head.split(" | ")
    lines = [names, *([x if isinstance(x, str) else f"{x:.4g}" for x in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(f"{cell:>{width}}" for cell, width in zip(line, widths, strict=True)))


def slope(x: Sequence[float] | NDArray[Any], y: Sequence[float] | NDArray[Any]) -> float:
    """Of the straight line through the points, by least squares."""
    return float(np.polyfit(np.asarray(x, dtype=float), np.asarray(y, dtype=float), 1)[0])


def chart(values: Sequence[dict[str, Any]]) -> Any:
    """An altair chart of rows."""
    data: Any = alt.Data  # has no types
    return alt.Chart(data(values=values))


def save(picture: Any) -> None:
    """Writes an altair chart to the file that the second argument names, if there is one."""
    if len(sys.argv) > 2:
        picture.configure_view(stroke=None).configure_axis(grid=False).save(sys.argv[2])
