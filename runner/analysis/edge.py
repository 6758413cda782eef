"""How far a network is from the edge of chaos, by its last hidden layer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

from runner.analysis.criticality import critical_sigma_w, slope_at_fixed_point
from runner.analysis.scales import slope_of, weights_and_biases
from runner.analysis.theory import KINDS
from runner.errors import ConfigError

_ON_IT = 1e-9


@dataclass(frozen=True)
class Edge:
    """A Dense layer with its activation, beside the scale at which a signal lives on.

    Attributes:
        layer: the Dense layer's name.
        activation: its name.
        sigma_w, sigma_b: sqrt(n_inputs) times the standard deviation of a weight; that of a bias.
        critical: the sigma_w of the edge at this sigma_b; NaN if there is none.
        chi_1: at the fixed point of layers that are all like this one: 1 on the edge.
    """

    layer: str
    activation: str
    sigma_w: float
    sigma_b: float
    critical: float
    chi_1: float

    def __str__(self) -> str:
        away = self.chi_1 - 1
        phase = "ordered: inputs come together" if away < 0 else "chaotic: inputs part"
        if abs(away) < _ON_IT:
            phase = "on the edge of chaos"
        said = f"chi_1 = {self.chi_1:.4g} in layers like {self.layer}, {phase}"
        if math.isnan(self.critical):
            return f"{said}; no edge for sigma_b = {self.sigma_b:.4g}"
        said += f"; sigma_w = {self.sigma_w:.4g}, of {self.activation}'s edge {self.critical:.4g}"
        share = self.sigma_w / self.critical - 1
        if abs(away) < _ON_IT or not math.isfinite(share):
            return said
        return f"{said} ({100 * share:+.3g} %)"


def edge_of_chaos(layers: Sequence[Mapping[str, Any]]) -> Edge | None:
    """That of the last Dense layer with an activation of ours; None without one.

    Args:
        layers: as for :func:`runner.analysis.theory.predict`.

    Raises:
        ConfigError: a layer whose sizes or scales are missing or not numbers.
    """
    found = None
    for dense, after in pairwise(layers):
        drawn = dense.get("weights") is None and dense.get("biases") is None
        if dense.get("kind") == "Dense" and drawn and after.get("kind") in KINDS:
            found = dense, after
    if found is None:
        return None
    dense, after = found
    name, slope = KINDS[after["kind"]], slope_of(f"layers.{after['name']}", after)
    w, b = (math.sqrt(square) for square in weights_and_biases(f"layers.{dense['name']}", dense))
    return Edge(dense["name"], name, w, b, *_criticality(name, w, b, slope))


@lru_cache(256)  # a sweep asks for the same few again and again
def _criticality(name: str, w: float, b: float, slope: float) -> tuple[float, float]:
    try:
        critical = critical_sigma_w(name, b, slope)
    except ConfigError:
        critical = math.nan
    return critical, slope_at_fixed_point(name, w, b, slope)
