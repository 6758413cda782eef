"""What is known of how two arrays differ: where first, by how much, how often."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, NamedTuple

from runner.errors import ConfigError


@dataclass(frozen=True)
class Tolerance:
    """What counts as the same: any of them is enough. All zero: the bits alone.

    Attributes:
        atol, rtol: as numpy's ``isclose`` has it, |a - b| <= atol + rtol * |b|.
        ulp: the number of floats between the two, at most.

    Raises:
        ConfigError: one of them is negative, or not a number; or ``ulp`` not a whole one.
    """

    atol: float = 0.0
    rtol: float = 0.0
    ulp: int = 0

    def __post_init__(self) -> None:
        for name, kind, needed in (
            ("atol", Real, "a number from 0"),
            ("rtol", Real, "a number from 0"),
            ("ulp", Integral, "a whole number from 0: so many floats between the two"),
        ):
            value = getattr(self, name)
            if not _from_zero(value, kind):
                raise ConfigError(name, value, f"needs {needed}")

    def __bool__(self) -> bool:
        return bool(self.atol or self.rtol or self.ulp)

    def __str__(self) -> str:
        named = {"atol": self.atol, "rtol": self.rtol, "ulp": self.ulp}
        return ", ".join(f"{name}={value:g}" for name, value in named.items() if value)


def _from_zero(value: Any, kind: type[Any]) -> bool:
    if isinstance(value, bool) or not isinstance(value, kind):
        return False
    try:
        return math.isfinite(value) and value >= 0
    except OverflowError:  # a whole number that no float is as large as
        return False


class Place(NamedTuple):
    """Where two arrays differ.

    Attributes:
        sample, neuron: row and column.
        a, b: the two values, numpy scalars of their own precision.
    """

    sample: int
    neuron: int
    a: Any
    b: Any


@dataclass
class Differences:
    """What is known of two arrays after some of their pieces.

    Attributes:
        compared: pairs of values.
        differing: of them, those whose bits differ.
        beyond: of them, those that differ by more than the tolerance.
        nan: of the differing, those where either is NaN; left out of everything below.
        inf: of the others, those where either is infinite; left out as well.
        max_abs, sum_abs: of |a - b|, in float64.
        max_rel, sum_rel: of |a - b| / max(|a|, |b|).
        max_ulp: the most floats between two values; None where the precisions differ.
        first: the first beyond the tolerance, by sample, then by neuron.
    """

    compared: int = 0
    differing: int = 0
    beyond: int = 0
    nan: int = 0
    inf: int = 0
    max_abs: float = 0.0
    sum_abs: float = 0.0
    max_rel: float = 0.0
    sum_rel: float = 0.0
    max_ulp: int | None = 0
    first: Place | None = None

    @property
    def mean_abs(self) -> float:
        """Of all pairs; those of equal bits count as 0, those in ``nan`` and ``inf`` not at all."""
        return self._mean(self.sum_abs)

    @property
    def mean_rel(self) -> float:
        """The same of the relative difference."""
        return self._mean(self.sum_rel)

    @property
    def share(self) -> float:
        """Of values whose bits differ."""
        return self.differing / self.compared if self.compared else 0.0

    def add(self, other: Differences) -> None:
        """Takes in what is known of other pieces."""
        self.compared += other.compared
        self.differing += other.differing
        self.beyond += other.beyond
        self.nan += other.nan
        self.inf += other.inf
        self.sum_abs += other.sum_abs
        self.sum_rel += other.sum_rel
        self.max_abs = max(self.max_abs, other.max_abs)
        self.max_rel = max(self.max_rel, other.max_rel)
        both = self.max_ulp is not None and other.max_ulp is not None
        self.max_ulp = max(self.max_ulp, other.max_ulp) if both else None  # type: ignore[type-var]
        if other.first and (self.first is None or other.first[:2] < self.first[:2]):
            self.first = other.first

    def _mean(self, total: float) -> float:
        count = self.compared - self.nan - self.inf
        return total / count if count else 0.0
