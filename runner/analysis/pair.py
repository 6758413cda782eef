"""Two samples on their way through a random network: their correlation and its error bar.

The state is the Gram matrix of the two outputs, per neuron: q1, k, q2, and c = k / sqrt(q1 q2).
As in :mod:`runner.analysis.theory` the neurons of a layer are independent given the layer before,
so the Gram matrix is a Markov chain. Its covariance ``spread`` goes on by the derivatives of
the map, and each measurement over n neurons adds that of one neuron over n: of Gaussian outputs
2 q1^2, 2 q1 k, q1 q2 + k^2, … (Wishart 1928). What orthogonal weights hold fast of that, and what
it takes off after an activation, is the same projection as for one sample.

All changes are relative, as in :mod:`runner.analysis.joint`. Then dc = dk - c (dq1 + dq2) / 2,
which gives the standard deviation of a measured c, to leading order in 1/n, and to the next one

    E c_measured - c = -(V_1k + V_2k) / 2 + c (3 V_11 + 3 V_22 + 2 V_12) / 8

beside what the curvature of the layers before has shifted. Where there are half as many layers as
neurons or more, both are no more than an order of magnitude.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from runner.analysis.gaussian import Activation, FloatArray
from runner.analysis.joint import joint


class Fresh(NamedTuple):
    """The pre-activations of a Dense layer before a measurement of them is noisy.

    Attributes:
        spread: (3, 3), of their covariances.
        tied: (3, 3), what orthogonal weights take off the noise of one neuron.
        width: how many neurons there are.
    """

    spread: FloatArray
    tied: FloatArray
    width: int


class Pair(NamedTuple):
    """Two samples after a layer.

    Attributes:
        q1, q2: their second moments.
        c: their correlation.
        spread: (3, 3), covariance of what is measured of them, relative.
        shift: (3,), how far its mean lies from the limit of infinite width, relative.
        fresh: after a Dense layer.
    """

    q1: float
    q2: float
    c: float
    spread: FloatArray
    shift: FloatArray
    fresh: Fresh | None = None

    @property
    def deviation(self) -> float:
        """Standard deviation of the measured correlation over networks drawn anew."""
        slope = np.array([-self.c / 2, 1.0, -self.c / 2])
        variance = float(slope @ self.spread @ slope)
        return math.sqrt(max(variance, 0.0)) if not math.isnan(variance) else math.nan

    @property
    def bias(self) -> float:
        """How far the mean of the measured correlation lies from ``c``, to order 1/n."""
        (one, one_k, both), (_, _, two_k), (_, _, two) = self.spread
        moved = self.shift[1] - self.c * (self.shift[0] + self.shift[2]) / 2
        bent = -(one_k + two_k) / 2 + self.c * (3 * one + 3 * two + 2 * both) / 8
        return float(moved + bent)


def inputs(q1: float, q2: float, c: float) -> Pair:
    """Two samples that are given: nothing varies."""
    return Pair(q1, q2, c, np.full((3, 3), 0.0), np.full(3, 0.0))


def dense(pair: Pair, w: float, b: float, width: int, tied: float) -> Pair:
    """After weights of variance w / n_inputs and biases of variance b.

    Args:
        pair: what comes in.
        w: sigma_w^2.
        b: sigma_b^2.
        width: neurons.
        tied: the share of the weights' noise that is held fast; 0: they are independent.
    """
    # Samples that are 0 share nothing but the biases, and have no correlation of their own.
    before = pair.c if pair.q1 and pair.q2 else 0.0
    covariance = w * math.sqrt(pair.q1) * math.sqrt(pair.q2) * before + b
    q1, q2 = w * pair.q1 + b, w * pair.q2 + b
    c = _bounded(covariance, math.sqrt(q1) * math.sqrt(q2))
    shares = [w * one / q if q else 0.0 for one, q in ((pair.q1, q1), (pair.q2, q2))]
    slopes = np.array([shares[0], math.sqrt(shares[0] * shares[1]), shares[1]])
    both = np.outer(slopes, slopes)
    spread = _part(both, pair.spread)
    held = _part(tied * both, _of_one_neuron(before, pair.spread))
    measured = spread + (_of_one_neuron(c, spread) - held) / width
    return Pair(q1, q2, c, measured, _part(slopes, pair.shift), Fresh(spread, held, width))


def activate(pair: Pair, phi: Activation) -> Pair:
    """After an activation, which follows a Dense layer."""
    assert pair.fresh is not None
    if not (pair.q1 > 0 and pair.q2 > 0 and abs(pair.c) <= 1):
        # A sample that is 0 correlates with none.
        q1, q2 = phi.second(pair.q1), phi.second(pair.q2)
        c = _bounded(phi.product(pair.q1, pair.q2, 0.0), math.sqrt(q1) * math.sqrt(q2))
        return Pair(q1, q2, c, np.full((3, 3), math.nan), np.full(3, math.nan))
    spread, held, width = pair.fresh
    after = joint(phi, pair.q1, pair.q2, pair.c)
    larger = 1 + (spread[0, 0] + spread[2, 2]) / 2
    noise = after.noise * larger - after.slopes @ held @ after.slopes.T
    measured = after.slopes @ spread @ after.slopes.T + noise / width
    bent = 0.5 * np.einsum("ijk,jk->i", after.bends, spread - held / width)
    shift = after.slopes @ pair.shift + bent
    return Pair(*after.seconds, _bounded(after.c, 1.0), measured, shift)


def _part(shares: FloatArray, of: FloatArray) -> FloatArray:
    """So much of something; of what is not known, 0 is 0."""
    return np.where(shares == 0, 0.0, shares * of)


def _of_one_neuron(c: float, spread: FloatArray) -> FloatArray:
    """The covariance of x^2, x y and y^2 for Gaussian x, y, over matrices that vary so."""
    (one, one_k, both), (_, k, two_k), (_, _, two) = spread
    first, second, square = 2 * (c + one_k), 2 * (c + two_k), c * c + k
    return np.array(
        [
            [2 * (1 + one), first, 2 * square],
            [first, 1 + both + square, second],
            [2 * square, second, 2 * (1 + two)],
        ]
    )


def _bounded(covariance: float, scale: float) -> float:
    c = covariance / scale if scale else math.nan
    # Rounding alone leads out of -1..1; a NaN stays one.
    return math.copysign(1.0, c) if abs(c) > 1 else c
