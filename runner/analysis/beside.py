"""Means over several runs beside what theory says of them."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from runner.analysis.expectation import Expectation
from runner.analysis.theory import bars_away


@dataclass(frozen=True)
class Theory:
    """A mean of one layer beside its prediction, over the runs of a value.

    Attributes:
        predicted: the mean of the runs' predictions at this width.
        error_bar: of the mean over so many networks; runs of one seed of the weights are one.
        distance: error bars from the prediction to the measurement.
        reason: why there is none, or None.
        chi_1: of an activation, see :class:`runner.analysis.theory.Prediction`; the runs' mean.
    """

    predicted: float
    error_bar: float
    distance: float
    reason: str | None = None
    chi_1: float = math.nan


class Beside(NamedTuple):
    """What was expected of a layer of one run.

    Attributes:
        network: the same for runs whose weights come from the same seed.
        of: measurement and prediction.
    """

    network: Hashable
    of: Expectation


def together(several: Sequence[Beside]) -> Theory:
    """The second moment's mean over runs."""
    expected = [one.of for one in several]
    if reason := next((one.prediction.reason for one in expected if one.prediction.reason), None):
        return Theory(math.nan, math.nan, math.nan, reason)
    n = len(expected)
    predicted = sum(one.predicted / n for one in expected)
    measured = sum(one.measured / n for one in expected)
    bar = _bar(several, [one.error_bar for one in expected])
    chi_1 = sum(one.prediction.chi_1 / n for one in expected)
    return Theory(predicted, bar, bars_away(measured - predicted, bar), None, chi_1)


def correlated(several: Sequence[Beside]) -> Theory:
    """The same of the correlation."""
    expected = [one.of for one in several]
    n = len(expected)
    predicted = sum(one.correlation_predicted / n for one in expected)
    measured = sum(one.correlation / n for one in expected)
    bar = _bar(several, [one.correlation_error for one in expected])
    distance = bars_away(measured - predicted, bar)
    if n == 1:  # the mean of several is spread evenly by itself
        distance = expected[0].correlation_distance
    return Theory(predicted, bar, distance)


def _bar(several: Sequence[Beside], bars: Sequence[float]) -> float:
    """Independent networks add up in squares; one that was given other data is the same again."""
    of_each: dict[Hashable, float] = {}
    for one, bar in zip(several, bars, strict=True):
        of_each[one.network] = of_each.get(one.network, 0.0) + bar / len(bars)
    return math.hypot(*of_each.values())
