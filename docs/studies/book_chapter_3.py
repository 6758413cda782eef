"""Draws the spiral through two layers: python -m docs.studies.book_chapter_3 RUN [PICTURE]."""

from __future__ import annotations

import sys

import altair as alt

import runner
from docs.studies.common import chart, save


def main() -> None:
    """Two features, or the first two neurons of each layer, of every sample."""
    run = runner.load(sys.argv[1])
    parts = {"the spiral": run.inputs} | {x.name: x.outputs for x in run.layers.values()}
    assert run.targets is not None
    charts = []
    for name, part in parts.items():
        points = [
            {"a": float(f"{a:.3g}"), "b": float(f"{b:.3g}"), "class": int(label)}
            for a, b, label in zip(part[:, 0], part[:, 1], run.targets, strict=True)
        ]
        drawn = chart(points).mark_point(filled=True, size=9)
        x, y = ("x", "y") if name == "the spiral" else ("neuron 0", "neuron 1")
        encoded = drawn.encode(
            x=alt.X("a:Q", title=x), y=alt.Y("b:Q", title=y), color=alt.Color("class:N")
        )
        charts.append(encoded.properties(title=name, width=150, height=150))
    save(alt.hconcat(*charts))


if __name__ == "__main__":
    main()
