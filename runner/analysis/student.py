"""Mean, spread and confidence interval of a few numbers, by Student's t distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from runner.numerics import times_power

CONFIDENCE = 0.95


class Summary(NamedTuple):
    """What several runs say of one number.

    Attributes:
        n: how many finite values there are.
        mean: of them; NaN without one.
        std: their sample standard deviation, over n - 1; NaN with fewer than two.
        low, high: the 95 % confidence interval of the mean; NaN with fewer than two.
    """

    n: int
    mean: float
    std: float
    low: float
    high: float


def summarise(values: Sequence[float]) -> Summary:
    """The summary of those values that are finite."""
    finite = [value for value in values if math.isfinite(value)]
    n = len(finite)
    if not n:
        return Summary(0, *[math.nan] * 4)
    # By a power of two, which changes no digit: squares would overflow, or vanish.
    exponent = math.frexp(max(map(abs, finite)))[1]
    scaled = [math.ldexp(value, -exponent) for value in finite]
    middle = math.fsum(scaled) / n
    mean = times_power(middle, exponent)
    if n == 1:
        return Summary(1, mean, *[math.nan] * 3)
    if min(finite) == max(finite):
        # Their mean, rounded, may be beside them.
        return Summary(n, finite[0], 0.0, finite[0], finite[0])
    variance = math.fsum((value - middle) ** 2 for value in scaled) / (n - 1)
    std = times_power(math.sqrt(variance), exponent)
    half = quantile(n - 1) * std / math.sqrt(n)
    return Summary(n, mean, std, mean - half, mean + half)


@cache
def quantile(degrees: int, confidence: float = CONFIDENCE) -> float:
    """The t that so much of the distribution lies within, on both sides of 0.

    By bisection of the closed form for whole degrees of freedom (Abramowitz & Stegun 1964,
    26.7.3 and 26.7.4). 12.706 for one degree, 1.960 for many.
    """
    low, high = 0.0, 1.0
    while _within(high, degrees) < confidence:
        high *= 2
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, degrees) < confidence else (low, middle)
    return (low + high) / 2


def _within(t: float, degrees: int) -> float:
    """The share of the distribution in -t..t."""
    angle = math.atan(t / math.sqrt(degrees))
    sine, square = math.sin(angle), math.cos(angle) ** 2
    odd = degrees % 2
    term = math.cos(angle) if odd else 1.0
    total = 0.0
    for k in range(1 + odd, degrees, 2):
        total += term
        term *= square * k / (k + 1)
    return 2 / math.pi * (angle + sine * total) if odd else sine * total
