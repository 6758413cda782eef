"""Measures how two arrays differ, a tile at a time.

Every step writes into memory that its thread uses again: fresh pages would cost as much as the
arithmetic.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from runner import limits
from runner.analysis.differences import Differences, Place, Tolerance
from runner.store.matrix.pairs import Piece

TILE = 1 << 16
"""Pairs of values in a tile. In smaller ones the steps between numpy's loops cost more than the
cache saves, the more so as threads wait for each other there."""

_FEW = 8  # where fewer than one in so many differ, only those are looked at further


def differences(
    pieces: Iterable[Callable[[], Iterable[Piece]]],
    tolerance: Tolerance,
    threads: int | None = None,
) -> Differences:
    """Measures all pieces, a few at a time on each thread.

    Args:
        pieces: as :func:`runner.store.matrix.pairs.unequal` gives them.
        tolerance: what counts as the same.
        threads: None: one for each core.
    """
    total = Differences()

    def measured(read: Callable[[], Iterable[Piece]]) -> list[Differences]:
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
    a, b = piece.a.reshape(-1), piece.b.reshape(-1)
    total = Differences(max_ulp=0 if _has_ulps(a, b) else None)
    with np.errstate(all="ignore"):
        for start in range(0, a.size, TILE):
            tile = slice(start, start + TILE)
            part, at = _tile(a[tile], b[tile], tolerance)
            if at is not None and total.first is None:
                row, column = divmod(start + at, piece.a.shape[1])
                values = a[start + at], b[start + at]
                part.first = Place(piece.row + row, piece.column + column, *values)
            total.add(part)
    return total


def _tile(a: NDArray[Any], b: NDArray[Any], tolerance: Tolerance) -> tuple[Differences, int | None]:
    """How two flat arrays differ, and the index of the first pair beyond the tolerance."""
    bits = _bits_differ(a, b)
    found = Differences(a.size, int(np.count_nonzero(bits)))
    found.max_ulp = 0 if _has_ulps(a, b) else None
    if not found.differing:
        return found, None
    where = np.flatnonzero(bits) if found.differing < a.size // _FEW else None
    if where is not None:
        a, b, bits = a[where], b[where], np.full(len(where), True)
    if found.max_ulp is None:
        a, b = _doubles("a", a), _doubles("b", b)
    beyond = _amounts(found, a, b, bits, tolerance)
    found.beyond = int(np.count_nonzero(beyond)) if tolerance else found.differing
    if not found.beyond:
        return found, None
    at = int(np.argmax(beyond))
    return found, at if where is None else int(where[at])


def _amounts(
    found: Differences,
    x: NDArray[Any],
    y: NDArray[Any],
    differ: NDArray[np.bool_],
    tolerance: Tolerance,
) -> NDArray[np.bool_]:
    """Puts the amounts into ``found``; gives which values are beyond the tolerance.

    ``x`` and ``y`` are floats of one precision.
    """
    apart = np.subtract(_doubles("x", x), _doubles("y", y), out=_room("apart", "f8", len(x)))
    np.abs(apart, out=apart)
    largest = float(apart.max())
    if math.isfinite(largest):
        found.max_abs = largest
        ulps = _sizes(found, x, y, apart)
        return differ & ~_near(x, y, apart, ulps, tolerance) if tolerance else differ
    finite = np.isfinite(x) & np.isfinite(y)
    not_a_number = differ & (np.isnan(x) | np.isnan(y))
    found.nan = int(np.count_nonzero(not_a_number))
    found.inf = int(np.count_nonzero(differ & ~finite & ~not_a_number))
    beyond = differ
    if tolerance:
        beyond = differ & ~((x == y) | (np.isnan(x) & np.isnan(y)))
    if finite.any():
        p, q, distance = x[finite], y[finite], apart[finite]
        found.max_abs = float(distance.max())
        ulps = _sizes(found, p, q, distance)
        if tolerance:
            beyond[finite] &= ~_near(p, q, distance, ulps, tolerance)
    return beyond


def _sizes(
    found: Differences, x: NDArray[Any], y: NDArray[Any], apart: NDArray[np.float64]
) -> NDArray[Any] | None:
    """Sums and relative amounts of finite values; gives the ulps between them, if they have any."""
    size = x.itemsize
    whole, largest = f"i{size}", np.iinfo(f"i{size}").max
    a, b = (_room(name, whole, len(x)) for name in "ab")
    for values, magnitude in ((x, a), (y, b)):
        np.bitwise_and(values.view(whole), largest, out=magnitude)
    # The bits of positive floats are in the order of the floats.
    scale = np.maximum(a, b, out=_room("scale", whole, len(x)))
    found.sum_abs = float(apart.sum())
    found.max_rel, found.sum_rel = _relative(apart, scale.view(x.dtype))
    if found.max_ulp is None:
        return None
    ulps = _ulps(x.view(whole), y.view(whole), a, b)
    found.max_ulp = int(ulps.max())
    return ulps


def _relative(apart: NDArray[np.float64], scale: NDArray[Any]) -> tuple[float, float]:
    """Largest and sum of apart / scale."""
    divisor = _doubles("x", scale)
    relative = np.divide(apart, divisor, out=_room("y", "f8", len(apart)))
    largest = float(relative.max())
    if math.isnan(largest):
        # Where both values are 0 so is the distance, and any other divisor does.
        divisor[divisor == 0] = 1
        np.divide(apart, divisor, out=relative)
        largest = float(relative.max())
    return largest, float(relative.sum())


def _near(
    x: NDArray[Any],
    y: NDArray[Any],
    apart: NDArray[np.float64],
    ulps: NDArray[Any] | None,
    tolerance: Tolerance,
) -> NDArray[np.bool_]:
    """Which of the finite values are within the tolerance."""
    near: NDArray[np.bool_] = x == y
    near |= apart <= tolerance.atol + tolerance.rtol * np.abs(y, dtype=np.float64)
    if tolerance.ulp and ulps is not None:
        near |= ulps <= tolerance.ulp
    return near


def _ulps(
    a: NDArray[Any], b: NDArray[Any], a_magnitude: NDArray[Any], b_magnitude: NDArray[Any]
) -> NDArray[Any]:
    """How many floats lie from one to the other, unsigned; 0 and -0 are the same place.

    Takes their bits as whole numbers, and the magnitudes, which it uses up.
    """
    size = a.itemsize
    opposite = np.bitwise_xor(a, b, out=_room("scale", a.dtype, len(a)))
    opposite >>= 8 * size - 1
    # On either side of 0 the magnitudes add up: one of them is negated.
    b_magnitude ^= opposite
    b_magnitude -= opposite
    low = np.minimum(a_magnitude, b_magnitude, out=opposite)
    high = np.maximum(a_magnitude, b_magnitude, out=a_magnitude)
    # The whole range takes one bit more than a signed number has: the difference wraps into it.
    high -= low
    distances: NDArray[Any] = high.view(f"u{size}")
    return distances


def _has_ulps(a: NDArray[Any], b: NDArray[Any]) -> bool:
    return a.dtype == b.dtype and a.dtype in (np.float32, np.float64)


def _bits_differ(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.bool_]:
    if not _has_ulps(a, b):
        # Of two precisions only the values can be compared; a NaN has none.
        different: NDArray[np.bool_] = (a != b) & ~((a != a) & (b != b))
        return different
    whole = f"i{a.itemsize}"
    bits: NDArray[np.bool_] = _room("bits", "?", len(a))
    np.not_equal(a.view(whole), b.view(whole), out=bits)
    return bits


def _doubles(name: str, values: NDArray[Any]) -> NDArray[np.float64]:
    if values.dtype == np.float64:
        return values
    doubles: NDArray[np.float64] = _room(name, "f8", len(values))
    np.copyto(doubles, values)
    return doubles


_local = threading.local()


def _room(name: str, dtype: DTypeLike, count: int) -> NDArray[Any]:
    """Memory of this thread's for so many values; what was there under this name is gone."""
    rooms: dict[tuple[str, str], NDArray[Any]] = _local.__dict__.setdefault("rooms", {})
    key = name, np.dtype(dtype).str
    if key not in rooms:
        rooms[key] = np.empty(TILE, dtype)
    return rooms[key][:count]
