"""The mean-field prediction for each layer of a deep, fully connected, random network.

In a wide layer the pre-activations z = W a + b are Gaussian over the neurons, so a sample's
second moment obeys a recursion (Poole et al. 2016; Schoenholz et al. 2017, section 3)

    Dense       Q = w A + sigma_b^2        w = sigma_w^2 = n_inputs Var[weight]
    activation  A = F(Q) = E phi(sqrt(Q) z)^2

and so does the correlation of two samples (ibid.); the averages are those of
:mod:`runner.analysis.gaussian`, fixed points and the edge of chaos those of
:mod:`runner.analysis.criticality`. Glorot & Bengio (2010) and He et al. (2015) choose Var[weight]
so that w F(Q) is about Q.

**The error bar** is the standard deviation, over random networks of this width, of the second
moment measured for fixed inputs. Given A, the n neurons of a layer are independent (Gaussian
weights), so Q, A, Q, ... is a Markov chain. With the relative variances r of A and R of Q, the
elasticity eps = Q F'(Q) / F(Q) and nu = Var[phi^2] / F^2,

    Dense       R = (w A / Q)^2 r,   measured: R + 2 (1 + R) / n
    activation  r = eps^2 R + nu (1 + R) / n

to leading order in 1/n, and exactly for linear layers (nu = 2) and ReLU (nu = 5), where
1 + r grows by the factor 1 + nu/n for each layer. The curvature of F also moves the mean, by
``shift``: relative to A by eps S + Q^2 F'' R / (2 F), S that of Q; it is of order 1/n.

Orthogonal weights turn a into a direction that is uniform on a sphere, or, with fewer neurons
than inputs, a part of it: of the Gaussian's variance of |z|^2 only rho = 1 - n_neurons/n_inputs
remains (0 if that is negative; with biases 1 - (1 - rho) (w A / Q)^2). Then 2/n becomes 2 rho/n,
nu becomes nu - 2 eps^2 (1 - rho), and R in ``shift`` becomes R - 2 (1 - rho)/n.

Averaged over samples, the bar is the mean of the samples' bars: exact if they are fully
correlated, and an upper bound otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from runner.analysis import pair as pairs
from runner.analysis.criticality import FixedPoint, critical_sigma_w, fixed_point
from runner.analysis.gaussian import Activation, FloatArray, activation
from runner.analysis.scales import slope_of, weights_and_biases
from runner.errors import ConfigError

__all__ = [
    "KINDS",
    "FixedPoint",
    "Prediction",
    "critical_sigma_w",
    "fixed_point",
    "predict",
]

KINDS = {
    "ReLU": "relu",
    "LeakyReLU": "leaky_relu",
    "Tanh": "tanh",
    "Sigmoid": "sigmoid",
}
"""Kind of a layer -> name of its activation; ``Dense`` and ``Linear`` are known as well."""

ROUNDING = 1e-6
"""Relative error allowed for outputs in float32, where the prediction's own bar is 0."""


@dataclass(frozen=True)
class Prediction:
    """What theory says of one layer's outputs.

    Attributes:
        name: the layer's.
        kind: the layer's, as ``Dense``.
        second_moment: mean of the squared outputs over neurons and samples, at infinite width.
        standard_deviation: of that mean over networks drawn anew, at this width.
        shift: how far the expectation at this width lies from ``second_moment``, to order 1/n.
        correlation: of two inputs: sum x y / sqrt(sum x^2 sum y^2) over the neurons (the
            cosine: no mean is taken off); NaN if none was given.
        reason: why there is no prediction (all numbers are NaN), or None.
        correlation_deviation, correlation_shift: the same two of the correlation.
        chi_1: of an activation and the Dense layer before it, sigma_w^2 E phi'(sqrt(q) z)^2: below
            1 two inputs come closer there, above 1 they part.
    """

    name: str
    kind: str
    second_moment: float
    standard_deviation: float
    shift: float
    correlation: float
    reason: str | None = None
    correlation_deviation: float = math.nan
    correlation_shift: float = math.nan
    chi_1: float = math.nan

    def standard_error(self, n_networks: int = 1) -> float:
        """Of the mean over that many networks, the rounding of float32 outputs included."""
        spread = self.standard_deviation / math.sqrt(n_networks)
        return math.hypot(spread, ROUNDING * self.second_moment)

    def distance(self, measured: float, n_networks: int = 1) -> float:
        """How many standard errors a measured second moment lies above the prediction."""
        apart = measured - self.second_moment - self.shift
        return bars_away(apart, self.standard_error(n_networks))

    def correlation_error(self, n_networks: int = 1) -> float:
        """Of the mean correlation over that many networks."""
        return math.hypot(self.correlation_deviation / math.sqrt(n_networks), ROUNDING)


def bars_away(apart: float, error: float) -> float:
    """A distance in error bars; infinite where there is a distance and no bar."""
    return apart / error if error else math.copysign(math.inf, apart) if apart else 0.0


class _Fresh(NamedTuple):
    """The Gaussian pre-activations of a Dense layer, before a measurement of them is noisy."""

    spread: FloatArray
    width: int
    tied: FloatArray  # 1 - rho of the module's docstring
    sigma_w_square: float


class _Signal(NamedTuple):
    """What goes from layer to layer: arrays over samples, and two samples of their own."""

    second: FloatArray
    spread: FloatArray
    shift: FloatArray
    pair: pairs.Pair | None
    fresh: _Fresh | None = None


def predict(
    layers: Sequence[Mapping[str, Any]],
    input_second_moment: float | NDArray[np.floating[Any]],
    *,
    input_correlation: float | None = None,
    pair_second_moments: tuple[float, float] | None = None,
) -> list[Prediction]:
    """Second moment, its error bar and the correlation of two inputs, layer by layer.

    Args:
        layers: one mapping a layer, in order: ``name``, ``kind`` (the class's name), ``n_inputs``,
            ``n_neurons``; for Dense ``weight_scale``, ``weight_init``, ``gain``, ``bias_scale``
            where they are not the default, and ``weights`` or ``biases`` if handwritten; for
            LeakyReLU ``slope``. Other keys are ignored.
        input_second_moment: measured mean of the squared inputs, over features; a number, or
            one for each sample (of samples, or of their quantiles). Where the lengths of the
            samples differ, tanh and sigmoid need them all, as F is not linear; for ReLU and
            linear layers their mean is enough.
        input_correlation: of two inputs, as in :class:`Prediction`.
        pair_second_moments: of those two inputs; None: both the mean of the first argument.

    Returns:
        One prediction for each layer. A softmax, handwritten numbers, a layer of the user's own,
        or an activation that does not follow a Dense layer has none, nor has any layer after it.

    Raises:
        ConfigError: an input moment below 0 or not finite, a correlation outside -1..1, or a
            layer whose sizes or scales are missing or not numbers.
    """
    signal = _inputs(input_second_moment, input_correlation, pair_second_moments)
    predictions: list[Prediction] = []
    reason: str | None = None
    for position, layer in enumerate(layers):
        kind = str(layer.get("kind"))
        name = str(layer.get("name", position))
        if reason is None:
            reason = _why_not(name, kind, layer, signal)
        if reason is not None:
            predictions.append(unpredicted(name, kind, reason))
            continue
        chi_1 = math.nan
        with np.errstate(over="ignore", invalid="ignore"):
            if kind == "Dense":
                signal = _dense(signal, f"layers.{name}", layer)
            elif kind != "Linear":
                phi = activation(KINDS[kind], slope_of(f"layers.{name}", layer))
                chi_1 = _chi_1(signal, phi)
                signal = _activate(signal, phi)
            if not np.isfinite(signal.second).all():
                reason = f"the second moment of {name} is beyond what float64 can hold"
                predictions.append(unpredicted(name, kind, reason))
                continue
            predictions.append(_prediction(name, kind, signal, chi_1))
    return predictions


def _prediction(name: str, kind: str, signal: _Signal, chi_1: float) -> Prediction:
    bars = signal.second * np.sqrt(signal.spread)
    shift = float((signal.second * signal.shift).mean())
    known = Prediction(
        name, kind, float(signal.second.mean()), float(bars.mean()), shift, math.nan, chi_1=chi_1
    )
    if signal.pair is None:
        return known
    c, deviation, bias = signal.pair.c, signal.pair.deviation, signal.pair.bias
    return replace(known, correlation=c, correlation_deviation=deviation, correlation_shift=bias)


def unpredicted(name: str, kind: str, reason: str) -> Prediction:
    """A layer of which theory says nothing, and why."""
    nan = math.nan
    return Prediction(name, kind, nan, nan, nan, nan, reason)


def _inputs(
    second_moment: float | NDArray[np.floating[Any]],
    correlation: float | None,
    pair: tuple[float, float] | None,
) -> _Signal:
    second = np.atleast_1d(np.asarray(second_moment, dtype=np.float64)).ravel()
    if not second.size or not np.isfinite(second).all() or second.min() < 0:
        shown = second_moment if np.ndim(second_moment) == 0 else "array"
        raise ConfigError("input_second_moment", shown, "must be finite and 0 or more")
    nothing = np.full_like(second, 0.0)
    if correlation is None:
        return _Signal(second, nothing, nothing, None)
    if not -1 <= correlation <= 1:
        raise ConfigError("input_correlation", correlation, "must lie in -1..1")
    q1, q2 = (float(second.mean()),) * 2 if pair is None else pair
    if not (0 <= q1 < math.inf and 0 <= q2 < math.inf):
        raise ConfigError("pair_second_moments", [q1, q2], "must be finite and 0 or more")
    return _Signal(second, nothing, nothing, pairs.inputs(float(q1), float(q2), float(correlation)))


def _why_not(name: str, kind: str, layer: Mapping[str, Any], signal: _Signal) -> str | None:
    if kind == "Dense":
        for key in ("weights", "biases"):
            if layer.get(key) is not None:
                return f"{name} has handwritten {key}, which no distribution describes"
        return None
    if kind == "Linear":
        return None
    if kind == "Softmax":
        return f"{name} is a softmax, whose neurons share their sum: it has no mean field"
    if kind not in KINDS:
        return f"{name} is a {kind}, of which theory knows nothing"
    if signal.fresh is None:
        return f"{name} does not follow a Dense layer, so its inputs are not Gaussian"
    return None


def _dense(signal: _Signal, key: str, layer: Mapping[str, Any]) -> _Signal:
    w, b = weights_and_biases(key, layer)
    n_inputs, n_neurons = layer["n_inputs"], layer["n_neurons"]
    second = w * signal.second + b
    share = np.divide(w * signal.second, second, out=np.full_like(second, 0.0), where=second > 0)
    orthogonal = layer.get("weight_init") == "orthogonal"
    held = min(n_neurons / n_inputs, 1.0) if orthogonal else 0.0
    tied = share**2 * held
    spread = share**2 * signal.spread
    measured = spread + 2 * (1 - tied) * (1 + spread) / n_neurons
    pair = signal.pair
    if pair is not None:
        pair = pairs.dense(pair, w, b, n_neurons, held)
    return _Signal(second, measured, share * signal.shift, pair, _Fresh(spread, n_neurons, tied, w))


def _chi_1(signal: _Signal, phi: Activation) -> float:
    assert signal.fresh is not None
    return signal.fresh.sigma_w_square * phi.slope_square(float(signal.second.mean()))


def _activate(signal: _Signal, phi: Activation) -> _Signal:
    assert signal.fresh is not None
    spread, width, tied, _ = signal.fresh
    answer = phi.response(signal.second)
    noise = np.maximum(answer.noise - 2 * answer.elasticity**2 * tied, 0.0)
    measured = answer.elasticity**2 * spread + noise * (1 + spread) / width
    bend = 0.5 * answer.curvature * (spread - 2 * tied / width)
    pair = signal.pair
    if pair is not None:
        pair = pairs.activate(pair, phi)
    return _Signal(answer.second, measured, answer.elasticity * signal.shift + bend, pair)
