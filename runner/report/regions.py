"""Which class a network chooses where in the plane of its two inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from runner.report import cloud, png
from runner.report.material import Material
from runner.report.page import Page
from runner.report.plane import Plane, plane_over
from runner.report.sample import part_of, scattered

_SIDE = 180  # points along the side of the plane


def regions(page: Page, material: Material) -> dict[str, Any] | None:
    """Which class the last layer chooses where in the plane, with the samples on top."""
    if material.n_features != 2 or not material.layers or material.replay.stopped:
        return None
    last = material.layers[-1]
    if last.n_neurons < 2 or not (last.kind == "Softmax" or material.n_classes == last.n_neurons):
        return None
    plane = plane_over(material.inputs, material.replay, _SIDE)
    if plane is None or material.inputs_matrix is None:
        return None
    *_, answer = material.replay.forward(plane.points(material.inputs_matrix.dtype))
    classes = np.argmax(np.nan_to_num(answer, nan=-np.inf), axis=1)
    sure = np.full(len(answer), 0.6)
    if last.kind == "Softmax":
        least = 1 / last.n_neurons
        sure = 0.25 + 0.75 * (answer.max(axis=1) - least) / (1 - least)
    inputs, targets = material.inputs, material.targets
    chosen = scattered(len(inputs))
    spec = cloud.regions(
        inputs[chosen],
        targets[chosen] if targets is not None and material.has_classes else None,
        png.regions(plane.picture(classes), plane.picture(sure)),
        (plane.low, plane.high),
        ("input 0", "input 1"),
        _labels(plane, classes) if classes.max() >= len(png.CLASSES) else (),
    )
    there = sorted({int(c) for c in classes})
    return {
        "chart": page.chart(spec),
        "classes": ", ".join(map(str, there[:12])) + (", …" if len(there) > 12 else ""),
        "count": len(there),
        "n": last.n_neurons,
        "note": part_of(len(chosen), material.data.total, "samples") + " drawn",
        "softmax": last.kind == "Softmax",
    }


def _labels(plane: Plane, classes: NDArray[np.integer]) -> list[tuple[float, float, str]]:
    """The number of each class amid its region: more classes than colours share some of them."""
    points = plane.points(np.dtype(np.float64))
    found = []
    for one in np.unique(classes).tolist():
        own = points[classes == one]
        # The mean may lie in another's region.
        middle = own[np.square(own - own.mean(axis=0)).sum(axis=1).argmin()]
        found.append((float(middle[0]), float(middle[1]), str(one)))
    return found
