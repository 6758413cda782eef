"""What an activation makes of two samples at once: their second moments and what they share.

Two samples have pre-activations u1, u2 of second moments q1, q2 and covariance k = c sqrt(q1 q2).
What comes out are F(q1), K(q1, q2, c) and F(q2) of :mod:`runner.analysis.gaussian`. Changes are
relative: of q1 and q2 to themselves, of k to sqrt(q1 q2), of K to sqrt(F(q1) F(q2)).

As E g(u1) h(u2) obeys dE/dq1 = E g'' h / 2 and dE/dk = E g' h', every derivative is an average of
the same kind. For tanh and sigmoid these are polynomials of phi(u1) and phi(u2), so that one table
of moments has them all; for ReLU and its like K = sqrt(q1 q2) kappa(c), and moments are integrals
over the angle of (u1, u2).
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.polynomial import Polynomial
from numpy.polynomial.legendre import leggauss

from runner.analysis.gaussian import (
    Activation,
    FloatArray,
    PiecewiseLinear,
    Saturating,
    joint_means,
)

_IDENTITY = PiecewiseLinear(1.0)
_SMALLEST = 1e-100
"""Second moments below which tanh is the identity, whose fourth moments float64 could not hold."""

_STEP = 0.35  # an error bar needs fewer nodes, and a deep network has many layers
_NODES = 16  # for each piece of the circle: exact for the polynomials in sine and cosine there


class Joint(NamedTuple):
    """Two samples after an activation; relative, in the order of sample 1, both, sample 2.

    Attributes:
        seconds: F(q1) and F(q2).
        c: their correlation.
        slopes: (3, 3), how each of three reacts to each.
        bends: (3, 3, 3), the second derivatives of each.
        noise: (3, 3), the covariance that one neuron adds.
    """

    seconds: tuple[float, float]
    c: float
    slopes: FloatArray
    bends: FloatArray
    noise: FloatArray


def joint(phi: Activation, q1: float, q2: float, c: float) -> Joint:
    """Everything that a pair of samples needs; NaN where q1 or q2 is too large for the sums."""
    if isinstance(phi, PiecewiseLinear):
        return _of_piecewise_linear(phi, q1, q2, c)
    assert isinstance(phi, Saturating)
    seconds = phi.second(q1), phi.second(q2)
    if min(seconds) < _SMALLEST:
        return _of_piecewise_linear(_IDENTITY, q1, q2, c)
    return _of_saturating(phi, q1, q2, c)


def _of_saturating(phi: Saturating, q1: float, q2: float, c: float) -> Joint:
    def powers(u: FloatArray) -> FloatArray:
        found = np.empty((6, *u.shape))
        found[0], found[1] = 1.0, phi.function(u)
        for n in range(2, 6):
            np.multiply(found[n - 1], found[1], out=found[n])
        return found

    moments = joint_means(powers, q1, q2, c, _STEP)
    derivatives = [Polynomial([0, 1])]
    for _ in range(4):
        derivatives.append(derivatives[-1].deriv() * phi.rate)

    def mean(first: int, second: int) -> float:
        """Of that derivative of phi(u1) times that of phi(u2)."""
        a, b = (np.asarray(derivatives[order].coef, "f8") for order in (first, second))
        return float(a @ moments[: len(a), : len(b)] @ b)

    f1, k, f2 = moments[2, 0], moments[1, 1], moments[0, 2]
    both = math.sqrt(f1 * f2)
    root = math.sqrt(q1 * q2)
    responses = phi.response(np.array([q1, q2]))
    slopes = np.diag([responses.elasticity[0], root * mean(1, 1) / both, responses.elasticity[1]])
    slopes[1, 0], slopes[1, 2] = 0.5 * q1 * mean(2, 0) / both, 0.5 * q2 * mean(0, 2) / both
    bends = np.full((3, 3, 3), 0.0)
    bends[0, 0, 0], bends[2, 2, 2] = responses.curvature
    crossed = q1 * q2 * mean(2, 2)
    bend = [
        [0.25 * q1 * q1 * mean(4, 0), 0.5 * q1 * root * mean(3, 1), 0.25 * crossed],
        [0.5 * q1 * root * mean(3, 1), crossed, 0.5 * q2 * root * mean(1, 3)],
        [0.25 * crossed, 0.5 * q2 * root * mean(1, 3), 0.25 * q2 * q2 * mean(0, 4)],
    ]
    bends[1] = np.array(bend) / both
    fourth = [moments[4 - n, n] for n in range(5)]
    return Joint((f1, f2), k / both, slopes, bends, _noise(fourth, f1, k, f2))


def _of_piecewise_linear(phi: PiecewiseLinear, q1: float, q2: float, c: float) -> Joint:
    share = phi.share
    kappa, slope = phi.product(1.0, 1.0, c), phi.slope_product(1.0, 1.0, c)
    # At c = 1 it has a pole, which what is multiplied by it outweighs.
    bend = (1 - phi.slope) ** 2 / (2 * math.pi * math.sqrt(max((1 - c) * (1 + c), 1e-12)))
    if share == 0:
        nothing = np.full((3, 3), math.nan)
        return Joint((0.0, 0.0), math.nan, nothing, np.full((3, 3, 3), math.nan), nothing)
    own = 0.5 * (kappa - c * slope)
    slopes = np.array([[share, 0, 0], [own, slope, own], [0, 0, share]]) / share
    far = 0.25 * (c * c * bend)
    one, other = far - 0.25 * (kappa - c * slope), far + 0.25 * (kappa - c * slope)
    bends = np.full((3, 3, 3), 0.0)
    bends[1] = [[one, -0.5 * c * bend, other], [0, bend, 0], [other, -0.5 * c * bend, one]]
    bends[1, 1, 0] = bends[1, 1, 2] = -0.5 * c * bend
    bends[1] /= share
    noise = _noise(_fourth_moments(phi.slope, c), share, kappa, share)
    return Joint((share * q1, share * q2), kappa / share, slopes, bends, noise)


def _fourth_moments(slope: float, c: float) -> list[float]:
    """E phi(u1)^(4 - n) phi(u2)^n for n = 0..4 at unit second moments.

    u1 = r cos(t), u2 = r cos(t - angle), with E r^4 = 8 and t uniform; smooth between the four
    places where either changes its sign.
    """
    angle = math.acos(c)
    half = math.pi / 2
    ends = sorted(x % (2 * math.pi) for x in (half, -half, angle + half, angle - half))
    ends.append(ends[0] + 2 * math.pi)
    nodes, weights = leggauss(_NODES)
    totals = [0.0] * 5
    for low, high in pairwise(ends):
        t = low + (nodes + 1) * (high - low) / 2
        x, y = (np.where(u > 0, u, slope * u) for u in (np.cos(t), np.cos(t - angle)))
        for n in range(5):
            totals[n] += float(weights @ (x ** (4 - n) * y**n)) * (high - low) / 2
    return [8 * total / (2 * math.pi) for total in totals]


def _noise(fourth: list[float], f1: float, k: float, f2: float) -> FloatArray:
    """The relative covariance of phi(u1)^2, phi(u1) phi(u2) and phi(u2)^2."""
    means = np.array([f1, k, f2])
    places = np.add.outer(np.arange(3), np.arange(3))
    scale = np.array([f1, math.sqrt(f1 * f2), f2])
    return (np.array(fourth)[places] - np.outer(means, means)) / np.outer(scale, scale)
