"""Activations under Gaussian averages: what a very wide layer does to second moments.

With z ~ N(0, 1) and a pre-activation of second moment q, a layer's mean-field behaviour is

    F(q)         = E phi(sqrt(q) z)^2
    K(q1, q2, c) = E phi(u1) phi(u2),   u1, u2 Gaussian, second moments q1, q2, correlation c
    D(q1, q2, c) = E phi'(u1) phi'(u2)

(Poole et al. 2016; Schoenholz et al. 2017). ReLU, leaky ReLU and
the identity have closed forms, the arc-cosine kernels of Cho & Saul (2009). For tanh and
sigmoid the averages are trapezoidal sums, which converge exponentially for analytic functions
that vanish at both ends (Trefethen & Weideman 2014). Gauss-Hermite nodes would have to grow
like q, as the poles of tanh(sqrt(q) z) close in on the real line like 1/sqrt(q); here their
number grows like log q in one dimension (the nodes crowd around 0 by a sinh) and like sqrt(q)
for each of two.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.polynomial import Polynomial
from numpy.typing import NDArray

from runner.errors import ConfigError, UnknownKeyError
from runner.numerics import check_scale

FloatArray = NDArray[np.float64]

LARGEST_CORRELATED = 2500.0
"""The largest second moment for which the two-dimensional sums are taken; NaN beyond."""

_STEP = 0.1
_REACH = 9.0  # standard deviations; the Gaussian is 3e-18 there
_CHUNK = 1 << 20
_TOGETHER = 64  # second moments whose sums are taken at once


class Response(NamedTuple):
    """What an activation makes of a second moment q; each an array of q's shape.

    Attributes:
        second: F(q).
        elasticity: q F'(q) / F(q): how a relative change of q goes on.
        curvature: q^2 F''(q) / F(q).
        noise: Var[phi^2] / F(q)^2: the relative variance that one neuron adds.
    """

    second: FloatArray
    elasticity: FloatArray
    curvature: FloatArray
    noise: FloatArray


class Activation(Protocol):
    """An activation with its Gaussian averages; see the module's docstring."""

    def response(self, q: FloatArray) -> Response:
        """F(q) and how it reacts, for an array of second moments."""

    def second(self, q: float) -> float:
        """F(q)."""

    def slope_square(self, q: float) -> float:
        """E phi'(sqrt(q) z)^2, which is D(q, q, 1)."""

    def growth(self, q: float) -> float:
        """F'(q) = E[phi'^2 + phi phi''], at q = 0 as well."""

    def product(self, q1: float, q2: float, c: float) -> float:
        """K(q1, q2, c)."""

    def slope_product(self, q1: float, q2: float, c: float) -> float:
        """D(q1, q2, c)."""


@dataclass(frozen=True)
class PiecewiseLinear:
    """phi(u) = u for u > 0 and slope u elsewhere: 0 is ReLU, 1 the identity."""

    slope: float

    @property
    def share(self) -> float:
        """F(q) / q = (1 + slope^2) / 2 (He et al. 2015, eq. 15 for leaky units)."""
        return (1 + self.slope**2) / 2

    def response(self, q: FloatArray) -> Response:
        """E phi^4 = 3 q^2 (1 + slope^4) / 2, so that ReLU's noise is 5 and the identity's 2."""
        noise = 3 * (1 + self.slope**4) / 2 / self.share**2 - 1
        one = np.full_like(q, 1.0)
        return Response(self.share * q, one, 0 * one, noise * one)

    def second(self, q: float) -> float:
        """F(q)."""
        return self.share * q

    def slope_square(self, q: float) -> float:
        """The same for every q."""
        return self.share

    def growth(self, q: float) -> float:
        """The same for every q."""
        return self.share

    def product(self, q1: float, q2: float, c: float) -> float:
        """Cho & Saul 2009, degree 1, for the part of phi that is ReLU; the rest is linear."""
        angle = math.acos(c)
        ramp = (math.sin(angle) + c * (math.pi - angle)) / (2 * math.pi)
        return math.sqrt(q1) * math.sqrt(q2) * (self.slope * c + (1 - self.slope) ** 2 * ramp)

    def slope_product(self, q1: float, q2: float, c: float) -> float:
        """Cho & Saul 2009, degree 0: the chances of equal and of different signs."""
        differ = math.acos(c) / math.pi
        return self.share * (1 - differ) + self.slope * differ


LARGEST_SMOOTH = 1e5
"""The q up to which derivatives are averaged, to 1e-5; beyond it the leading order is as good."""


@dataclass(frozen=True)
class Saturating:
    """A bounded phi whose derivative is a polynomial of itself, phi' = rate(phi)."""

    function: Callable[[FloatArray], FloatArray]
    rate: Polynomial

    def response(self, q: FloatArray) -> Response:
        """By quadrature, all derivatives exact as polynomials in phi."""
        square = Polynomial([0, 0, 1])
        # d/dq E g(sqrt(q) z) = E g'' / 2, for any smooth g: integrate by parts.
        second_derivative = self._derivative(square, 2)
        fourth_derivative = self._derivative(square, 4)
        polynomials = (square, second_derivative / 2, fourth_derivative / 4, square**2)
        second, first, curved, fourth = gaussian_means(self.function, polynomials, q)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            # Where phi is a step but for a sliver, F nears its limit as 1 / sqrt(q), and the
            # derivatives would be differences of numbers that are all the same.
            far = q > LARGEST_SMOOTH
            slope = LARGEST_SMOOTH * self.growth(LARGEST_SMOOTH) * np.sqrt(LARGEST_SMOOTH / q)
            slope = np.where(far, slope, q * first)
            bend = np.where(far, -1.5 * slope, q * q * curved)
            elasticity = np.where(q > 0, slope / second, 1.0)
            curvature = np.where(q > 0, bend / second, 0.0)
            # Near 0 tanh is the identity, whose fourth moment float64 could not hold.
            noise = np.where(second > 1e-100, fourth / second / second - 1, 2.0)
        return Response(second, elasticity, curvature, noise)

    def second(self, q: float) -> float:
        """F(q)."""
        return self._mean(Polynomial([0, 0, 1]), q)

    def slope_square(self, q: float) -> float:
        """E phi'^2."""
        return self._mean(self.rate**2, q)

    def growth(self, q: float) -> float:
        """F'(q)."""
        return self._mean(self._derivative(Polynomial([0, 0, 1]), 2) / 2, q)

    def product(self, q1: float, q2: float, c: float) -> float:
        """A two-dimensional sum; NaN above :data:`LARGEST_CORRELATED`."""
        return correlated_mean(self.function, q1, q2, c)

    def slope_product(self, q1: float, q2: float, c: float) -> float:
        """A two-dimensional sum; NaN above :data:`LARGEST_CORRELATED`."""
        return correlated_mean(lambda u: self.rate(self.function(u)), q1, q2, c)

    def _mean(self, polynomial: Polynomial, q: float) -> float:
        return float(gaussian_means(self.function, (polynomial,), np.array([q]))[0][0])

    def _derivative(self, polynomial: Polynomial, order: int) -> Polynomial:
        for _ in range(order):
            polynomial = polynomial.deriv() * self.rate
        return polynomial


def _sigmoid(u: FloatArray) -> FloatArray:
    return 0.5 + 0.5 * np.tanh(0.5 * u)


TANH = Saturating(np.tanh, Polynomial([1, 0, -1]))
SIGMOID = Saturating(_sigmoid, Polynomial([0, 1, -1]))
ACTIVATIONS = ("relu", "leaky_relu", "tanh", "sigmoid", "linear")


def activation(name: str, slope: float = 0.01) -> Activation:
    """The activation of that name, as in the configuration; ``slope`` is the leaky ReLU's.

    Raises:
        ConfigError: for ``softmax``, whose neurons are not independent of each other, so that
            no mean-field prediction exists, and for a slope that is not finite or above 1e37.
        UnknownKeyError: an unknown name.
    """
    if name == "softmax":
        raise ConfigError("activation", name, "has no mean field: its neurons share their sum")
    check_scale("slope", slope)
    table: dict[str, Activation] = {
        "relu": PiecewiseLinear(0.0),
        "leaky_relu": PiecewiseLinear(slope),
        "tanh": TANH,
        "sigmoid": SIGMOID,
        "linear": PiecewiseLinear(1.0),
    }
    if name not in table:
        raise UnknownKeyError("activation", name, name, ACTIVATIONS)
    return table[name]


def gaussian_means(
    phi: Callable[[FloatArray], FloatArray], polynomials: tuple[Polynomial, ...], q: FloatArray
) -> list[FloatArray]:
    """E p(phi(sqrt(q) z)) for each polynomial p, for an array of second moments q >= 0.

    Nodes z = k sinh(t), k = min(1, 1/sqrt(q)): the phi of interest have their poles at
    distances of the order 1/sqrt(q) from 0. Good to 1e-12 for tanh and sigmoid at any q.
    """
    root = np.sqrt(np.asarray(q, dtype=np.float64)).ravel()
    results = [np.full_like(root, math.nan) for _ in polynomials]
    finite = np.flatnonzero(np.isfinite(root))
    # Those of a like size together, as the largest of them says how many nodes are taken.
    finite = finite[np.argsort(root[finite], kind="stable")]
    for start in range(0, len(finite), _TOGETHER):
        places = finite[start : start + _TOGETHER]
        r = root[places, None]
        near = 1.0 / np.maximum(1.0, r)
        t = _grid(math.asinh(_REACH / float(near.min())), _STEP)
        z = near * np.sinh(t)
        with np.errstate(over="ignore"):  # far beyond the reach of the smaller ones
            weights = np.cosh(t) * np.exp(-0.5 * z * z)
        values = phi(r * z)
        for result, polynomial in zip(results, polynomials, strict=True):
            result[places] = (weights * polynomial(values)).sum(axis=1) / weights.sum(axis=1)
    return [result.reshape(np.shape(q)) for result in results]


def correlated_mean(g: Callable[[FloatArray], FloatArray], q1: float, q2: float, c: float) -> float:
    """E g(u1) g(u2), as :func:`joint_means`."""
    return float(joint_means(lambda u: g(u)[None], q1, q2, c)[0, 0])


def joint_means(
    g: Callable[[FloatArray], FloatArray], q1: float, q2: float, c: float, step: float = 0.2
) -> FloatArray:
    """E g_i(u1) g_j(u2) for Gaussian u1, u2 of second moments q1, q2 and correlation c.

    A product rule on u1 = sqrt(q1) z1, u2 = sqrt(q2) (c z1 + sqrt(1 - c^2) z2); NaN where q1 or
    q2 is above :data:`LARGEST_CORRELATED` or not a number.

    Args:
        g: gives n functions of an array: the shape (...) becomes (n, ...).
        q1: the second moment of u1.
        q2: of u2.
        c: in -1..1.
        step: between nodes where phi is steepest: 0.2 is good to 1e-12, 0.35 to 1e-9.

    Returns:
        (n, n).
    """
    if not max(q1, q2) <= LARGEST_CORRELATED or math.isnan(q1 + q2 + c):
        n = len(g(np.full(1, 0.0)))
        return np.full((n, n), math.nan)
    z = _grid(_REACH, min(0.4, step / math.sqrt(max(q1, q2, 0.25))))
    weights = np.exp(-0.5 * z * z)
    weights /= weights.sum()
    outer = weights * g(math.sqrt(q1) * z)
    across = math.sqrt(q2) * math.sqrt((1 - c) * (1 + c)) * z
    total = np.full((len(outer), len(outer)), 0.0)
    rows = max(_CHUNK // outer.size, 1)
    for start in range(0, len(z), rows):
        along = math.sqrt(q2) * c * z[start : start + rows, None]
        total += outer[:, start : start + rows] @ (g(along + across) @ weights).T
    return total


def _grid(reach: float, step: float) -> FloatArray:
    half = math.ceil(reach / step)
    return np.arange(-half, half + 1, dtype=np.float64) * step
