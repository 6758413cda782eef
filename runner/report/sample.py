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

_RANGES = 1024
_WINDOW = 1 << 16  # rows; a row group has no more
_WINDOWS = 16  # that ranges lie in, at least
_BYTES = 1 << 30  # of row groups that one page reads of the outputs, at most

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


def thin(total: int, row_bytes: float, most: int = READ) -> Sample:
    """All rows; of more than ``most``, many short ranges at equal distances from first to last.

    Whatever the order of the rows, classes one after the other or outwards, each part of it has
    its share. Reading a range takes reading the whole row group that it is in: where the bytes of
    all groups are too many, the ranges are in some of them, at equal distances.

    Args:
        total: rows there are.
        row_bytes: what a row takes on disk, in all files that are read.
        most: rows read.
    """
    if total <= most:
        return Sample(total, (range(total),) if total else ())
    affordable = int(_BYTES // (_WINDOW * max(row_bytes, 1e-9)))
    count = -(-total // _WINDOW)
    windows = spread(count, max(affordable, _WINDOWS))
    parts = [(at * _WINDOW, min((at + 1) * _WINDOW, total)) for at in windows]
    if len(windows) == count:
        parts = [(0, total)]
    each = max(1, _RANGES // len(parts))
    length = max(1, most // (len(parts) * each))
    ranges: list[range] = []
    for first, end in parts:
        if end - first <= length * each:
            ranges.append(range(first, end))
            continue
        starts = np.linspace(first, end - length, each).astype(np.int64)
        ranges += [range(start, start + length) for start in starts.tolist()]
    return Sample(total, tuple(ranges))


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
