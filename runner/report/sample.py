"""Which rows of a run are read, and which of those are drawn: few, spread out, and said."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from runner.numerics import TILE

READ = 16 * TILE
"""Up to so many rows are read: for histograms, and for everything that is counted here."""

DRAWN = 2000
"""Up to so many points are drawn in a chart."""

_SEED = 0  # the same run gives the same page


@dataclass(frozen=True)
class Sample:
    """Some rows of many.

    Attributes:
        total: the rows there are.
        ranges: those that are read, ascending.
    """

    total: int
    ranges: tuple[range, ...]

    @property
    def rows(self) -> NDArray[np.int64]:
        """(n,) the numbers of the rows that are read."""
        parts = [np.arange(r.start, r.stop, dtype=np.int64) for r in self.ranges]
        return np.concatenate(parts or [np.empty(0, dtype=np.int64)])

    @property
    def size(self) -> int:
        """How many are read."""
        return sum(len(r) for r in self.ranges)

    def said(self, what: str = "samples") -> str:
        """``65,536 of 20,000,000 samples``, or ``300 samples``."""
        return part_of(self.size, self.total, what)


def thin(total: int, most: int = READ) -> Sample:
    """All rows; of more than ``most``, whole tiles at equal distances from first to last."""
    if total <= most:
        return Sample(total, (range(total),) if total else ())
    count = max(most // TILE, 1)
    starts = np.linspace(0, (total - 1) // TILE, count).astype(np.int64) * TILE
    return Sample(total, tuple(range(s, min(s + TILE, total)) for s in starts.tolist()))


def scattered(count: int, most: int = DRAWN) -> NDArray[np.int64]:
    """Positions among ``count``: all, or one at random out of each of ``most`` equal parts."""
    if count <= most:
        return np.arange(count, dtype=np.int64)
    edges = np.linspace(0, count, most + 1)
    # At random, as rows at equal distances may all be of one class.
    places = edges[:-1] + np.random.RandomState(_SEED).uniform(size=most) * np.diff(edges)
    return np.minimum(places.astype(np.int64), count - 1)


def spread(count: int, most: int) -> list[int]:
    """Positions at equal distances among ``count``, the first and the last with them."""
    if count <= most:
        return list(range(count))
    return sorted({round(place) for place in np.linspace(0, count - 1, most).tolist()})


def part_of(some: int, of: int, what: str) -> str:
    """``2,000 of 20,000,000 points``; ``300 points`` where that is all."""
    counted = f"{of:,} {what if of != 1 else what.removesuffix('s')}"
    return counted if some == of else f"{some:,} of {counted}"
