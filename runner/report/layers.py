"""One card for each layer: distribution, statistics, weights as a map, responses."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runner import limits
from runner.analysis.expectation import Expectation, rms
from runner.analysis.health import Mark
from runner.errors import duration
from runner.report import bars, charts, cloud, png
from runner.report.drawing import weights_shown
from runner.report.page import number
from runner.report.plane import Plane
from runner.report.sample import part_of, scattered
from runner.store.layer import Layer

CARDS = 40
"""Up to so many layers have a card of their own."""

_NUMBERS = 64  # cells of a matrix whose numbers are shown themselves
_CELLS = 600_000  # of all maps of a page
_POINTS = 24_000  # of all scatter charts of its layers
_PICTURES = 400
_NEURONS = 16
_MOST_COLUMNS = 512  # of which all of the covariance is taken
_FLOAT32 = 1e30
_ZEROS = 0.05  # share of exact zeros from which on they are left out of a histogram


@dataclass(frozen=True)
class Card:
    """What the template shows of a layer; the charts are those of :meth:`Page.chart`."""

    layer: Layer
    marks: list[Mark]
    statistics: list[tuple[str, str]]
    histogram: charts.Spec | None = None
    histogram_note: str = ""
    scatter: charts.Spec | None = None
    scatter_note: str = ""
    weights: dict[str, Any] | None = None
    responses: list[dict[str, Any]] = field(default_factory=list)
    responses_limit: str = ""
    responses_note: str = ""

    @property
    def anchor(self) -> str:
        """The card's id in the page."""
        return f"layer-{self.layer.position}"

    @property
    def shape(self) -> str:
        """``2 → 3``."""
        return f"{self.layer.n_inputs:,} → {self.layer.n_neurons:,}"


def statistics(
    layer: Layer, dead: float, saturated: float, expected: Expectation | None
) -> list[tuple[str, str]]:
    """Name and value of everything that is counted of a layer."""
    facts = layer.statistics
    rows = [(name, number(facts[name])) for name in ("mean", "std")]
    rows.append(("rms", number(rms(facts))))
    if expected is not None and not expected.prediction.reason:
        theory = math.sqrt(max(expected.predicted, 0.0))
        rows.append(("rms by theory", number(theory)))
        rows.append(("error bars away", f"{expected.distance:.2g}".replace("-", "−")))
    rows += [(name, number(facts[name])) for name in ("min", "max")]
    rows.append(("exact zeros", f"{facts['zero_fraction']:.3g}"))
    if facts["zero_fraction"] == facts["zero_fraction"]:
        rows[-1] = ("exact zeros", f"{100 * facts['zero_fraction']:.3g} %")
    if facts["nonfinite_count"]:
        rows.append(("not finite", f"{facts['nonfinite_count']:,} values"))
    if dead == dead and (dead > 0 or layer.kind in ("ReLU", "LeakyReLU")):
        rows.append(("dead neurons", f"{round(dead * layer.n_neurons):,} of {layer.n_neurons:,}"))
    if saturated == saturated:
        rows.append(("saturated", f"{100 * saturated:.3g} % of values"))
    rows += [("precision", layer.dtype), ("computed in", duration(layer.seconds))]
    if layer.path:
        rows.append(("on disk", limits.size(layer.bytes)))
    return rows


def distribution(layer: Layer, outputs: NDArray[Any], said: str) -> tuple[charts.Spec, str]:
    """The histogram of a layer's outputs, and what is to be said below it."""
    values = outputs.reshape(-1)
    finite = values[np.isfinite(values)]
    notes = []
    zeros = 1 - np.count_nonzero(finite) / finite.size if finite.size else 0.0
    if _ZEROS < zeros < 1:
        finite = finite[finite != 0]
        notes.append(f"{100 * zeros:.3g} % of the values are exactly 0 and left out")
    if len(values) > len(finite) and not notes:
        notes.append(f"{values.size - finite.size:,} values that are not finite are left out")
    notes.append(said)
    spec = bars.histogram(
        finite, f"output of {layer.name}", description=f"Distribution of the outputs: {said}"
    )
    return spec, "; ".join(notes)


def scatter(
    layer: Layer,
    outputs: NDArray[Any],
    targets: NDArray[Any] | None,
    has_classes: bool,
    n_cards: int,
) -> tuple[charts.Spec | None, str]:
    """The samples as this layer puts them out: two neurons, or the main plane of many."""
    usable = np.isfinite(outputs).all(axis=1)
    outputs = outputs[usable]
    targets = None if targets is None else targets[usable]
    if outputs.shape[1] < 2 or not len(outputs):
        return None, ""
    chosen = scattered(len(outputs), max(300, min(2000, _POINTS // n_cards)))
    points, axes = plane_of(outputs[chosen], "neuron")
    colored: dict[str, Any] = {}
    if targets is not None:
        colored["classes" if has_classes else "values"] = targets[chosen]
    spec = cloud.scatter(
        points,
        axes,
        **colored,
        title="class" if has_classes else "target",
        height=240,
        description=f"The samples as {layer.name} puts them out",
    )
    return spec, part_of(len(chosen), layer.n_samples, "samples")


def plane_of(rows: NDArray[Any], what: str) -> tuple[NDArray[Any], tuple[str, str]]:
    """(n, 2) of (n, columns): the two columns, of three the first two, of more the main plane.

    The main plane is that of the first two principal components.
    """
    if rows.shape[1] <= 3:
        return rows[:, :2], (f"{what} 0", f"{what} 1")
    centred = rows.astype(np.float64) - rows.mean(axis=0, dtype=np.float64)
    largest = float(np.abs(centred).max())
    if not 0 < largest < math.inf:
        return rows[:, :2], (f"{what} 0", f"{what} 1")
    centred /= largest
    points = centred @ _main_directions(centred)
    shares = np.square(points).sum(axis=0) / np.square(centred).sum()
    points *= largest
    first, second = (f"component {i + 1} ({100 * shares[i]:.0f} % of variance)" for i in (0, 1))
    # Half the digits in the page, where they suffice.
    return points.astype(np.float32) if largest < _FLOAT32 else points, (first, second)


def _main_directions(centred: NDArray[np.float64]) -> NDArray[np.float64]:
    """(columns, 2) the directions of largest variance; of many columns, among some of the rows."""
    if centred.shape[1] <= _MOST_COLUMNS:
        _, directions = np.linalg.eigh(centred.T @ centred)
        return np.asarray(directions[:, [-1, -2]])
    some = centred[scattered(len(centred), _MOST_COLUMNS // 2)]
    sizes, left = np.linalg.eigh(some @ some.T)
    found = some.T @ left[:, -2:][:, ::-1]
    return np.asarray(found / np.sqrt(np.maximum(sizes[-2:][::-1], np.finfo(np.float64).tiny)))


def weights_map(layer: Layer, n_cards: int) -> dict[str, Any] | None:
    """The weights as numbers, where they are few, or as a picture: a row for each neuron."""
    weights, biases = layer.weights, layer.biases
    if weights is None or weights.ndim != 2 or not weights.size:
        return None
    finite = weights[np.isfinite(weights)]
    limit = float(np.abs(finite).max()) if finite.size else 0.0
    facts = {
        "rows": weights.shape[1],
        "columns": weights.shape[0],
        "limit": number(limit),
        "mean": number(float(finite.mean())) if finite.size else "–",
        "std": number(float(finite.std())) if finite.size else "–",
        "biases": _biases(biases),
    }
    if weights.size <= _NUMBERS and max(weights.shape) <= 16:
        facts["numbers"] = [
            [(number(float(w)), _tint(float(w), limit)) for w in row] for row in weights.T
        ]
        return facts
    shown, (across, down) = weights_shown(weights, min(1 << 16, _CELLS // n_cards))
    facts["picture"] = png.diverging(shown.T, limit)
    facts["shown"] = (len(across), len(down))
    facts["size"] = part_of(shown.size, weights.size, "weights")
    return facts


def responses(
    layer: Layer, plane: Plane, answers: NDArray[Any], n_cards: int
) -> tuple[list[dict[str, Any]], str, str]:
    """A picture of each neuron's output over the input plane; the full colour; what is left out."""
    most = max(4, min(_NEURONS, _PICTURES // n_cards))
    chosen = list(range(min(answers.shape[1], most)))
    finite = answers[:, chosen][np.isfinite(answers[:, chosen])]
    limit = float(np.abs(finite).max()) if finite.size else 0.0
    pictures = [
        {
            "neuron": neuron,
            "picture": png.diverging(plane.picture(answers[:, neuron]), limit),
            "range": _range(answers[:, neuron]),
        }
        for neuron in chosen
    ]
    return pictures, number(limit), part_of(len(chosen), layer.n_neurons, "neurons")


def _range(values: NDArray[Any]) -> str:
    finite = values[np.isfinite(values)]
    if not finite.size:
        return "not finite anywhere"
    return f"{number(float(finite.min()))} … {number(float(finite.max()))}"


def _biases(biases: NDArray[Any] | None) -> str:
    if biases is None or not biases.size:
        return "none"
    if not biases.any():
        return "all 0"
    if biases.size <= 8:
        return ", ".join(number(float(b)) for b in biases.ravel())
    return _range(biases)


def _tint(value: float, limit: float) -> str:
    share = abs(value) / limit if limit > 0 and math.isfinite(value) else 0.0
    red, green, blue = png.POSITIVE if value > 0 else png.NEGATIVE
    return f"rgb({red} {green} {blue} / {0.75 * share:.2f})"
