"""Fixed points of very deep networks, their depth scales, and the edge of chaos.

A layer maps the second moment of the pre-activations as q -> sigma_w^2 F(q) + sigma_b^2 and the
correlation of two inputs as c -> (sigma_w^2 K(q*, q*, c) + sigma_b^2) / q* (Poole et al.
2016), F and K as in :mod:`runner.analysis.gaussian`. Here sigma_w^2 is n_inputs times the variance
of a weight, and sigma_b the standard deviation of a bias.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from runner.analysis.gaussian import LARGEST_CORRELATED, Activation, PiecewiseLinear, activation
from runner.errors import ConfigError

_MARGIN = 1e-12
"""A slope this close to 1 is 1: sqrt(2)^2 / 2 is not, in float64."""


@dataclass(frozen=True)
class FixedPoint:
    """Where depth leads, for layers that are all alike.

    Attributes:
        q: the second moment of pre-activations; inf if it grows without end, NaN if every
            value is a fixed point (ReLU at sigma_w^2 = 2, sigma_b = 0).
        c: the correlation that any two inputs end with; NaN if it depends on the inputs (linear
            layers, tanh whose q is 0) or ``q`` is too large for the sums.
        chi_1: sigma_w^2 E phi'(sqrt(q) z)^2, the slope of the map of c at c = 1, and the mean
            square factor of a gradient for each layer: below 1 ordered, above 1 chaotic.
        xi_q: layers in which the distance of q from its fixed point shrinks by e.
        xi_c: the same for c; inf on the edge of chaos, where the decay is a power of the depth.
    """

    q: float
    c: float
    chi_1: float
    xi_q: float
    xi_c: float


def fixed_point(name: str, sigma_w: float, sigma_b: float = 0.0, slope: float = 0.01) -> FixedPoint:
    """The stable fixed point and its depth scales.

    xi_q = -1 / log(sigma_w^2 F'(q*)) and xi_c = -1 / log(sigma_w^2 E phi'(u1) phi'(u2)) at c*
    (Schoenholz et al. 2017; sigma_w^2 F' is their chi_1 + sigma_w^2 E phi'' phi).

    Args:
        name: the activation: ``relu``, ``leaky_relu``, ``tanh``, ``sigmoid`` or ``linear``.
        sigma_w: sqrt(n_inputs) times the standard deviation of a weight, >= 0.
        sigma_b: the standard deviation of a bias, >= 0.
        slope: the leaky ReLU's.

    Raises:
        ConfigError: softmax, an unknown activation, or a scale that is negative or not finite.
    """
    phi = activation(name, slope)
    w, b = _square("sigma_w", sigma_w), _square("sigma_b", sigma_b)
    if isinstance(phi, PiecewiseLinear):
        return _of_piecewise_linear(phi, w, b)
    q = _stable_second_moment(phi, w, b)
    chi_1, chi_q = w * phi.slope_square(q), w * phi.growth(q)
    c = _stable_correlation(phi, w, b, q, chi_1)
    chi_c = chi_1 if c == 1 else w * phi.slope_product(q, q, c)
    return FixedPoint(q, c, chi_1, _depth_scale(chi_q), _depth_scale(chi_c))


def slope_at_fixed_point(
    name: str, sigma_w: float, sigma_b: float = 0.0, slope: float = 0.01
) -> float:
    """chi_1 alone, which takes no sums over two inputs; arguments as :func:`fixed_point`."""
    phi = activation(name, slope)
    w, b = _square("sigma_w", sigma_w), _square("sigma_b", sigma_b)
    if isinstance(phi, PiecewiseLinear):
        return w * phi.share
    return w * phi.slope_square(_stable_second_moment(phi, w, b))


def critical_sigma_w(name: str, sigma_b: float = 0.0, slope: float = 0.01) -> float:
    """The edge of chaos: the sigma_w for which chi_1 = 1 at the fixed point for this sigma_b.

    Along the edge sigma_w^2 = 1 / E phi'(sqrt(q) z)^2 and sigma_b^2 = q - sigma_w^2 F(q), a
    curve with q as its parameter; it is solved for q by bisection. For ReLU and its like chi_1
    does not depend on q, and the edge is sigma_w^2 = 2 / (1 + slope^2) for every sigma_b, with
    a finite q only for sigma_b = 0 (He et al. 2015).

    Raises:
        ConfigError: softmax, an unknown activation, a negative sigma_b, or one for which the
            second moment at the edge is beyond 1e12.
    """
    phi = activation(name, slope)
    b = _square("sigma_b", sigma_b)
    if isinstance(phi, PiecewiseLinear):
        return 1 / math.sqrt(phi.share)

    def missing(q: float) -> float:
        return b - (q - phi.second(q) / phi.slope_square(q))

    low, high = 0.0, 1e-3
    if b == 0 and missing(low) == 0:
        return 1 / math.sqrt(phi.slope_square(0.0))
    while missing(high) > 0:
        low, high = high, 2 * high
        if high > 1e12:
            raise ConfigError("sigma_b", sigma_b, "is too large: no edge of chaos below q = 1e12")
    return 1 / math.sqrt(phi.slope_square(_root(missing, low, high)))


def _square(key: str, scale: float) -> float:
    if not 0 <= scale < 1e100:
        raise ConfigError(key, scale, "must be a finite number, 0 or more")
    return float(scale) * float(scale)


def _of_piecewise_linear(phi: PiecewiseLinear, w: float, b: float) -> FixedPoint:
    chi = w * phi.share
    marginal = abs(chi - 1) < _MARGIN
    q = math.inf
    if marginal and b == 0:
        q = math.nan
    elif chi < 1 and not marginal:
        q = b / (1 - chi)
    if 0 < q < math.inf:
        return FixedPoint(q, 1.0, chi, _depth_scale(chi), _depth_scale(chi))
    # The correlation's map does not depend on q then: c -> K(1, 1, c) / F(1), of slope 1 at 1.
    bent = phi.slope != 1 and (w > 0 or b > 0)
    xi_q = _depth_scale(chi) if q == 0 else math.inf
    return FixedPoint(q, 1.0 if bent else math.nan, chi, xi_q, math.inf if bent else math.nan)


def _stable_second_moment(phi: Activation, w: float, b: float) -> float:
    """The root of a concave map, so the positive one is unique and stable where it exists."""

    def surplus(q: float) -> float:
        return w * phi.second(q) + b - q

    at_zero = surplus(0.0)
    if at_zero <= 0 and w * phi.growth(0.0) <= 1 + _MARGIN:
        return 0.0
    high = w + b  # |phi| <= 1
    low = high / 2
    while surplus(low) <= 0:
        low, high = low / 2, low
        if low < 1e-300:
            return 0.0
    return _root(surplus, low, high)


def _stable_correlation(phi: Activation, w: float, b: float, q: float, chi_1: float) -> float:
    """The map is convex in 0..1 and 1 is always fixed: another root exists where chi_1 > 1."""
    if q == 0 or q > LARGEST_CORRELATED:
        return math.nan
    if chi_1 <= 1 + _MARGIN:
        return 1.0
    c = 0.0
    # Newton's steps on a convex function climb to the root from below and never pass it.
    for _ in range(100):
        surplus = (w * phi.product(q, q, c) + b) / q - c
        step = surplus / (1 - w * phi.slope_product(q, q, c))
        if not step > _MARGIN:
            break
        c = min(c + step, 1.0)
    return c


def _depth_scale(chi: float) -> float:
    if math.isnan(chi):
        return math.nan
    if chi <= 0:
        return 0.0
    return math.inf if abs(chi - 1) < _MARGIN else abs(1 / math.log(chi))


def _root(surplus: Callable[[float], float], low: float, high: float) -> float:
    """Bisection to the last bit: surplus is positive at low and not at high."""
    while True:
        middle = 0.5 * (low + high)
        if not low < middle < high:
            return middle
        if surplus(middle) > 0:
            low = middle
        else:
            high = middle
