"""Where the statistics of a layer go wrong: dead, saturated, exploding, vanishing, constant."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runner.analysis.expectation import rms
from runner.analysis.outputs import NEAR, RANGES
from runner.store.layer import Layer

FACTOR = 100.0
"""A layer explodes or vanishes whose rms is so many times that of the inputs, or of it."""

DEAD = 0.05
"""Share of dead neurons from which on a layer is marked."""

SATURATED = 0.5
"""Share of saturated values from which on a layer is marked."""

RULES = {
    "not finite": "some outputs are infinite or not a number",
    "exploding": f"the rms of its outputs is more than {FACTOR:g} times that of the inputs",
    "vanishing": f"the rms of its outputs is less than 1/{FACTOR:g} of that of the inputs",
    "constant": "all its outputs are the same number",
    "dead": f"{DEAD:.0%} of its neurons or more put out 0 for every sample",
    "saturated": f"{SATURATED:.0%} of its values or more lie within {NEAR:.0%} of an end "
    "of their range (tanh, sigmoid)",
}
"""Name of a mark -> what it says."""


@dataclass(frozen=True)
class Mark:
    """Something that goes wrong in a layer.

    Attributes:
        kind: one of :data:`RULES`.
        amount: how much of it, as text: ``31 %``, ``x 2.1e+04``.
    """

    kind: str
    amount: str

    def __str__(self) -> str:
        return f"{self.kind} {self.amount}".strip()


def dead_neurons(outputs: NDArray[Any]) -> NDArray[np.bool_]:
    """(n_neurons,) which neurons put out 0 for each of the (rows, n_neurons) given."""
    return np.asarray(~outputs.any(axis=0))


def saturated_share(kind: str, outputs: NDArray[Any]) -> float:
    """Share of values near an end of the kind's range; NaN for a kind that has none."""
    if kind not in RANGES or not outputs.size:
        return math.nan
    low, high = RANGES[kind]
    margin = NEAR * (high - low)
    return float(((outputs <= low + margin) | (outputs >= high - margin)).mean())


def _times(ratio: float) -> str:
    return f"{ratio:,.0f}" if ratio < 1e6 else f"{ratio:.0e}"


def marks(layer: Layer, inputs_rms: float, dead: float, saturated: float) -> list[Mark]:
    """What goes wrong in a layer, the worst first.

    Args:
        layer: a stored one.
        inputs_rms: root mean square of the network's inputs.
        dead: share of neurons that are dead; NaN: unknown.
        saturated: share of values that are; NaN: unknown, or there is no such thing.
    """
    found = []
    statistics = layer.statistics
    broken = statistics["nonfinite_count"]
    if broken:  # what the others say is of the values that are left
        found.append(Mark("not finite", f"{broken:,}"))
    size = rms(statistics)
    ratio = size / inputs_rms if inputs_rms > 0 else math.nan
    # A softmax adds up to 1 whatever comes in.
    if layer.kind != "Softmax" and ratio > FACTOR:
        found.append(Mark("exploding", f"× {_times(ratio)}"))
    if not broken and layer.kind != "Softmax" and 0 < ratio < 1 / FACTOR:
        found.append(Mark("vanishing", f"÷ {_times(1 / ratio)}"))
    if not broken and statistics["std"] == 0 and layer.n_samples * layer.n_neurons > 1:
        found.append(Mark("constant", f"{statistics['mean']:.3g}"))
    if statistics["zero_fraction"] == 1:
        dead = 1.0
    if dead >= DEAD:
        found.append(Mark("dead", f"{dead:.0%}"))
    if layer.kind != "Softmax" and saturated >= SATURATED:
        found.append(Mark("saturated", f"{saturated:.0%}"))
    return found
