"""How two arrays of one shape differ: where first, by how much, how often; a piece at a time."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from runner import limits
from runner.errors import ConfigError
from runner.store.pairs import Piece


@dataclass(frozen=True)
class Tolerance:
    """What counts as the same: any of them is enough. All zero: the bits alone.

    Attributes:
        atol, rtol: as numpy's ``isclose`` has it, |a - b| <= atol + rtol * |b|.
        ulp: the number of floats between the two, at most.

    Raises:
        ConfigError: one of them is negative, or not a number.
    """

    atol: float = 0.0
    rtol: float = 0.0
    ulp: int = 0

    def __post_init__(self) -> None:
        for name in ("atol", "rtol", "ulp"):
            value = getattr(self, name)
            if not value >= 0 or math.isinf(value):
                raise ConfigError(name, value, "needs a number from 0")

    def __bool__(self) -> bool:
        return bool(self.atol or self.rtol or self.ulp)

    def __str__(self) -> str:
        named = {"atol": self.atol, "rtol": self.rtol, "ulp": self.ulp}
        return ", ".join(f"{name}={value:g}" for name, value in named.items() if value)


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
        for name in ("compared", "differing", "beyond", "nan", "inf", "sum_abs", "sum_rel"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.max_abs = max(self.max_abs, other.max_abs)
        self.max_rel = max(self.max_rel, other.max_rel)
        both = self.max_ulp is not None and other.max_ulp is not None
        self.max_ulp = max(self.max_ulp, other.max_ulp) if both else None  # type: ignore[type-var]
        if other.first and (self.first is None or other.first[:2] < self.first[:2]):
            self.first = other.first

    def _mean(self, total: float) -> float:
        count = self.compared - self.nan - self.inf
        return total / count if count else 0.0


def differences(
    pieces: Iterable[Callable[[], list[Piece]]], tolerance: Tolerance, threads: int | None = None
) -> Differences:
    """Measures all pieces, a few at a time on each thread.

    Args:
        pieces: as :func:`runner.store.pairs.unequal` gives them.
        tolerance: what counts as the same.
        threads: None: one for each core.
    """
    total = Differences()

    def measured(read: Callable[[], list[Piece]]) -> list[Differences]:
        return [measure(piece, tolerance) for piece in read()]

    threads = threads or limits.cores()
    waiting: deque[Future[list[Differences]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for read in pieces:
            # Bounded, as a piece may hold its values from the beginning.
            if len(waiting) > threads:
                _take(total, waiting.popleft())
            waiting.append(pool.submit(measured, read))
        for future in waiting:
            _take(total, future)
    return total


def _take(total: Differences, future: Future[list[Differences]]) -> None:
    for part in future.result():
        total.add(part)


def measure(piece: Piece, tolerance: Tolerance) -> Differences:
    """How the two halves of a piece differ; NaN with the same bits are the same."""
    a, b = piece.a, piece.b
    with np.errstate(all="ignore"):
        bits = _bits_differ(a, b)
        found = Differences(a.size, int(np.count_nonzero(bits)))
        found.max_ulp = 0 if _has_ulps(a, b) else None
        if not found.differing:
            return found
        # So few of them: everything that follows is about these alone.
        where = np.flatnonzero(bits) if found.differing < a.size // 8 else None
        x, y = (a.reshape(-1), b.reshape(-1)) if where is None else (a[bits], b[bits])
        same = bits.reshape(-1) if where is None else np.full(len(x), True)
        beyond = _amounts(found, x, y, same, tolerance)
        found.beyond = int(np.count_nonzero(beyond))
        if found.beyond:
            at = int(np.argmax(beyond))
            row, column = divmod(at if where is None else int(where[at]), a.shape[1])
            found.first = Place(
                piece.row + row, piece.column + column, a[row, column], b[row, column]
            )
    return found


def _amounts(
    found: Differences,
    x: NDArray[Any],
    y: NDArray[Any],
    differ: NDArray[np.bool_],
    tolerance: Tolerance,
) -> NDArray[np.bool_]:
    """Puts the amounts into ``found``; gives which values are beyond the tolerance."""
    apart = np.subtract(x, y, dtype=np.float64)
    np.abs(apart, out=apart)
    finite: NDArray[np.bool_] | None = None
    if not math.isfinite(float(apart.max())):
        finite = np.isfinite(x) & np.isfinite(y)
        not_a_number = differ & (np.isnan(x) | np.isnan(y))
        found.nan = int(np.count_nonzero(not_a_number))
        found.inf = int(np.count_nonzero(differ & ~finite & ~not_a_number))
    p, q, distance = (x, y, apart) if finite is None else (x[finite], y[finite], apart[finite])
    ulps = None
    if len(p):
        found.max_abs, found.sum_abs = float(distance.max()), float(distance.sum())
        scale = np.maximum(np.abs(p), np.abs(q))
        # Where both are 0 so is the distance, and any other divisor does.
        np.maximum(scale, _smallest(scale.dtype), out=scale)
        relative = np.divide(distance, scale, dtype=np.float64)
        found.max_rel, found.sum_rel = float(relative.max()), float(relative.sum())
        if found.max_ulp is not None:
            ulps = _ulps(p, q)
            found.max_ulp = int(ulps.max())
    if not tolerance:
        return differ
    near = np.isclose(x, y, rtol=0, atol=0, equal_nan=True)
    near |= apart <= tolerance.atol + tolerance.rtol * np.abs(y, dtype=np.float64)
    if tolerance.ulp and ulps is not None:
        if finite is None:
            near |= ulps <= tolerance.ulp
        else:
            near[finite] |= ulps <= tolerance.ulp
    beyond: NDArray[np.bool_] = differ & ~near
    return beyond


def _has_ulps(a: NDArray[Any], b: NDArray[Any]) -> bool:
    return a.dtype == b.dtype and a.dtype in (np.float32, np.float64)


def _smallest(dtype: np.dtype[Any]) -> Any:
    return np.finfo(dtype).smallest_subnormal if dtype.kind == "f" else dtype.type(1)


def _bits_differ(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.bool_]:
    if not _has_ulps(a, b):
        # Of two precisions only the values can be compared; a NaN has none.
        different: NDArray[np.bool_] = (a != b) & ~((a != a) & (b != b))
        return different
    whole = f"i{a.dtype.itemsize}"
    apart: NDArray[np.bool_] = a.view(whole) != b.view(whole)
    return apart


def _ulps(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """How many floats lie from one to the other, unsigned; 0 and -0 are the same place."""
    p, q = _ranks(a), _ranks(b)
    high = np.maximum(p, q)
    np.minimum(p, q, out=p)
    # The whole range takes one bit more than a signed number has: the difference wraps into it.
    high -= p
    distances: NDArray[Any] = high.view(f"u{a.dtype.itemsize}")
    return distances


def _ranks(values: NDArray[Any]) -> NDArray[Any]:
    """Integers in the order of the floats, neighbours one apart."""
    bits = np.ascontiguousarray(values).view(f"i{values.dtype.itemsize}")
    sign = bits >> (8 * values.dtype.itemsize - 1)
    ranks = sign & np.iinfo(bits.dtype).max
    ranks ^= bits
    ranks -= sign
    return ranks
