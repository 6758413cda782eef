"""The data of a run as the book shows it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from runner.report import charts, layers
from runner.report.bars import histogram, histograms
from runner.report.cloud import scatter
from runner.report.material import Material
from runner.report.sample import part_of, scattered


def data_charts(material: Material) -> Iterator[tuple[str, str, charts.Spec]]:
    """The data as the book shows it: first without colours, then with."""
    inputs, targets = material.inputs, material.targets
    if not inputs.size:
        return
    usable = np.isfinite(inputs).all(axis=1)
    inputs = inputs[usable]
    targets = None if targets is None else targets[usable]
    chosen = scattered(len(inputs))
    note = part_of(len(chosen), material.data.total, "samples") + " drawn"
    rows = inputs[chosen]
    colors = None if targets is None else targets[chosen]
    if not len(rows):
        return
    if rows.shape[1] == 1 and colors is not None and not material.has_classes:
        points, axes = np.column_stack([rows[:, 0], colors]), ("input 0", "target")
        yield (
            "Inputs and targets",
            note,
            scatter(points, axes, description="Inputs and targets"),
        )
        return
    if rows.shape[1] == 1:
        yield "Without colours", note, histogram(rows, "input 0", height=320)
        if colors is not None:
            parts = {f"class {k}": rows[colors == k] for k in np.unique(colors)[:8].tolist()}
            yield "By class", note, histograms(parts, "input 0", height=320)
        return
    points, axes = layers.plane_of(rows, "input")
    yield "Without colours", note, scatter(points, axes, description="The inputs")
    if colors is None:
        return
    kind = "classes" if material.has_classes else "values"
    title = "class" if material.has_classes else "target"
    spec = scatter(
        points, axes, **{kind: colors}, title=title, description=f"The inputs by {title}"
    )
    yield f"Coloured by {title}", note, spec
