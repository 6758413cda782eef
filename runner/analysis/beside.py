"""Means over several runs beside what theory says of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from runner.analysis.expectation import Expectation
from runner.analysis.theory import bars_away


@dataclass(frozen=True)
class Theory:
    """A mean of one layer beside its prediction, over the runs of a value.

    Attributes:
        predicted: the mean of the runs' predictions at this width.
        error_bar: of the mean over so many networks.
        distance: error bars from the prediction to the measurement.
        reason: why there is none, or None.
        chi_1: of an activation, see :class:`runner.analysis.theory.Prediction`; the runs' mean.
    """

    predicted: float
    error_bar: float
    distance: float
    reason: str | None = None
    chi_1: float = math.nan


def together(expected: Sequence[Expectation]) -> Theory:
    """The runs are independent networks: their bars add up in squares."""
    if reason := next((one.prediction.reason for one in expected if one.prediction.reason), None):
        return Theory(math.nan, math.nan, math.nan, reason)
    n = len(expected)
    predicted = sum(one.predicted / n for one in expected)
    measured = sum(one.measured / n for one in expected)
    bar = math.hypot(*(one.error_bar / n for one in expected))
    chi_1 = sum(one.prediction.chi_1 / n for one in expected)
    return Theory(predicted, bar, bars_away(measured - predicted, bar), None, chi_1)


def correlated(expected: Sequence[Expectation]) -> Theory:
    """The same of the correlation."""
    n = len(expected)
    predicted = sum(one.correlation_predicted / n for one in expected)
    measured = sum(one.correlation / n for one in expected)
    bar = math.hypot(*(one.correlation_error / n for one in expected))
    distance = bars_away(measured - predicted, bar)
    if n == 1:  # the mean of several is spread evenly by itself
        distance = expected[0].correlation_distance
    return Theory(predicted, bar, distance)
