"""How the pairs of values in a tile differ.

Every step writes into memory that its thread uses again: fresh pages would cost as much as the
arithmetic. The steps are few, and each is one loop of numpy's: between two of them the threads
wait for each other.
"""

from __future__ import annotations

import math
import threading
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from runner.analysis.differences import Differences, Tolerance

TILE = 1 << 16
"""Pairs of values in a tile. In smaller ones the steps between numpy's loops cost more than the
cache saves."""

_FEW = 8  # where fewer than one in so many differ, only those are looked at further


def tile(
    x: NDArray[Any], y: NDArray[Any], tolerance: Tolerance, known_ulp: int
) -> tuple[Differences, NDArray[np.bool_] | None]:
    """How two flat arrays differ, and which pairs are beyond the tolerance; None: none of them.

    Args:
        x: (n,), n at most :data:`TILE`.
        y: the same.
        tolerance: what counts as the same.
        known_ulp: the most floats between two values elsewhere: ``max_ulp`` is no less, and where
            it can be no more, it is not computed.
    """
    found = Differences(x.size)
    if has_ulps(x, y):
        room = _room(x.dtype, x.size)
        bits = np.not_equal(x.view(room.whole), y.view(room.whole), out=room.bits)
        found.max_ulp = known_ulp
    else:
        # Of two precisions only the values can be compared; a NaN has none.
        bits = (x != y) & ~((x != x) & (y != y))
        found.max_ulp = None
        x, y = x.astype(np.float64), y.astype(np.float64)
    found.differing = int(np.count_nonzero(bits))
    if not found.differing:
        return found, None
    if found.differing >= x.size // _FEW:
        beyond = _amounts(found, x, y, bits, tolerance)
    else:
        where = np.flatnonzero(bits)
        beyond = np.zeros(x.size, np.bool_)
        beyond[where] = _amounts(found, x[where], y[where], bits[where], tolerance)
    found.beyond = int(np.count_nonzero(beyond)) if tolerance else found.differing
    return found, beyond if found.beyond else None


def has_ulps(x: NDArray[Any], y: NDArray[Any]) -> bool:
    """Whether floats can be counted from the values of one array to those of the other."""
    return x.dtype == y.dtype and x.dtype in (np.float32, np.float64)


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
    room = _room(x.dtype, x.size)
    apart = np.subtract(x, y, out=room.apart, dtype=np.float64)
    np.abs(apart, out=apart)
    largest = float(apart.max())
    if math.isfinite(largest):
        near = _near(x, y, apart, tolerance, room) if tolerance else None
        _sizes(found, x, y, apart, largest, room)
        return differ if near is None else differ & ~near
    finite = np.isfinite(x) & np.isfinite(y)
    not_a_number = differ & (np.isnan(x) | np.isnan(y))
    found.nan = int(np.count_nonzero(not_a_number))
    found.inf = int(np.count_nonzero(differ & ~finite & ~not_a_number))
    beyond = differ & ~((x == y) | (np.isnan(x) & np.isnan(y))) if tolerance else differ
    if finite.any():
        p, q, distance = x[finite], y[finite], apart[finite]
        room = _room(x.dtype, p.size)
        if tolerance:
            beyond[finite] &= ~_near(p, q, distance, tolerance, room)
        _sizes(found, p, q, distance, float(distance.max()), room)
    return beyond


def _near(
    x: NDArray[Any], y: NDArray[Any], apart: NDArray[np.float64], tolerance: Tolerance, room: _Room
) -> NDArray[np.bool_]:
    """Which of the finite values are within the tolerance."""
    near: NDArray[np.bool_] = x == y
    near |= apart <= tolerance.atol + tolerance.rtol * np.abs(y, dtype=np.float64)
    if tolerance.ulp:
        near |= _ulps(x, y, room) <= tolerance.ulp
    return near


def _sizes(
    found: Differences,
    x: NDArray[Any],
    y: NDArray[Any],
    apart: NDArray[np.float64],
    largest: float,
    room: _Room,
) -> None:
    """Sums, relative amounts and floats between finite values; uses up ``apart``."""
    found.max_abs, found.sum_abs = largest, float(apart.sum())
    a, b = _magnitudes(x, y, room)
    # The bits of positive floats are in the order of the floats.
    scale = np.maximum(a, b, out=room.c)
    if not scale.min():
        # Where both values are 0 so is the distance, and any other divisor does.
        np.maximum(scale, 1, out=scale)
    relative = np.divide(apart, scale.view(x.dtype), out=apart)
    found.max_rel, found.sum_rel = float(relative.max()), float(relative.sum())
    if found.max_ulp is not None:
        found.max_ulp = _most_ulps(x, y, found.max_ulp, found.max_rel > 1, room)


def _most_ulps(x: NDArray[Any], y: NDArray[Any], known: int, opposite: bool, room: _Room) -> int:
    """The most floats between two finite values, or ``known`` where that is no less.

    Args:
        x: (n,).
        y: the same.
        known: what there is elsewhere.
        opposite: whether two of them are known to lie on either side of 0.
        room: of which ``a`` and ``b`` are their magnitudes.
    """
    p, q = x.view(room.whole), y.view(room.whole)
    if not opposite and np.bitwise_xor(p, q, out=room.c).min() >= 0:
        distances = np.subtract(p, q, out=room.c)
        return max(known, int(distances.max()), -int(distances.min()))
    # On either side of 0 the magnitudes add up, and elsewhere the distance is less than their sum.
    # The whole range takes one bit more than a signed number has: the sum wraps into it.
    bounds = np.add(room.a, room.b, out=room.c).view(room.natural)
    return known if bounds.max() <= known else max(known, int(_ulps(x, y, room).max()))


def _ulps(x: NDArray[Any], y: NDArray[Any], room: _Room) -> NDArray[Any]:
    """How many floats lie from one to the other, unsigned; 0 and -0 are the same place."""
    a, b = _magnitudes(x, y, room)
    opposite = np.bitwise_xor(x.view(room.whole), y.view(room.whole), out=room.c)
    opposite >>= 8 * x.itemsize - 1
    # On either side of 0 the magnitudes add up: one of them is negated.
    b ^= opposite
    b -= opposite
    low = np.minimum(a, b, out=opposite)
    high = np.maximum(a, b, out=a)
    # As above, the difference wraps into the unsigned numbers.
    distances: NDArray[Any] = np.subtract(high, low, out=high).view(room.natural)
    return distances


def _magnitudes(x: NDArray[Any], y: NDArray[Any], room: _Room) -> tuple[NDArray[Any], NDArray[Any]]:
    """Their bits without the sign, as whole numbers, in the room's ``a`` and ``b``."""
    np.bitwise_and(x.view(room.whole), room.largest, out=room.a)
    np.bitwise_and(y.view(room.whole), room.largest, out=room.b)
    return room.a, room.b


class _Room(NamedTuple):
    """Memory for a tile of n pairs.

    Attributes:
        bits: (n,) bool.
        apart: (n,) float64.
        a: (n,) whole numbers with a sign, as long as the values.
        b: the same.
        c: the same.
        whole: their type.
        natural: the same without a sign.
        largest: of the numbers.
    """

    bits: NDArray[np.bool_]
    apart: NDArray[np.float64]
    a: NDArray[Any]
    b: NDArray[Any]
    c: NDArray[Any]
    whole: str
    natural: str
    largest: int


_local = threading.local()


def _room(dtype: np.dtype[Any], count: int) -> _Room:
    """Memory of this thread's for so many values; what was there is gone."""
    rooms: dict[str, _Room] = _local.__dict__
    room = rooms.get(dtype.char)
    if room is None:
        whole = f"i{dtype.itemsize}"
        a, b, c = (np.empty(TILE, whole) for _ in "abc")
        natural, largest = f"u{dtype.itemsize}", int(np.iinfo(whole).max)
        room = _Room(np.empty(TILE, np.bool_), np.empty(TILE), a, b, c, whole, natural, largest)
        rooms[dtype.char] = room
    if count == TILE:
        return room
    return room._replace(
        bits=room.bits[:count],
        apart=room.apart[:count],
        a=room.a[:count],
        b=room.b[:count],
        c=room.c[:count],
    )
