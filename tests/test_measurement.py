"""How two arrays differ, beside a reference that looks at one pair of values after the other."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from runner.analysis.differences import Differences, Place, Tolerance
from runner.analysis.measurement import differences, measure
from runner.analysis.tile import TILE
from runner.store.matrix.pairs import Piece

Matrix = np.ndarray[Any, Any]
TOLERANCES = [
    Tolerance(),
    Tolerance(atol=0.5),
    Tolerance(rtol=1e-3),
    Tolerance(ulp=3),
    Tolerance(1e-30, 1e-7, 1 << 22),
]
EXACT = ("compared", "differing", "beyond", "nan", "inf", "max_abs", "max_rel", "max_ulp", "first")


def reference(x: Matrix, y: Matrix, tolerance: Tolerance) -> Differences:
    """In plain steps, in float64 and in Python's whole numbers."""
    found = Differences(x.size, max_ulp=0 if x.dtype == y.dtype else None)
    same_bits = x.view(f"u{x.itemsize}") == y.view(f"u{y.itemsize}") if x.dtype == y.dtype else None
    sums: tuple[list[float], list[float]] = ([], [])
    for row, column in np.ndindex(x.shape):
        place = row, column
        p, q = float(x[place]), float(y[place])
        equal = p == q or (p != p and q != q) if same_bits is None else same_bits[place]
        if equal:
            continue
        found.differing += 1
        apart = abs(p - q)
        ulps = abs(_rank(x[place]) - _rank(y[place])) if same_bits is not None else math.inf
        if math.isnan(p) or math.isnan(q):
            found.nan += 1
            near = math.isnan(p) and math.isnan(q)
        elif math.isinf(p) or math.isinf(q):
            found.inf += 1
            near = p == q
        else:
            relative = apart / max(abs(p), abs(q)) if apart else 0.0
            sums[0].append(apart)
            sums[1].append(relative)
            found.max_abs = max(found.max_abs, apart)
            found.max_rel = max(found.max_rel, relative)
            if found.max_ulp is not None:
                found.max_ulp = max(found.max_ulp, int(ulps))
            near = p == q or apart <= tolerance.atol + tolerance.rtol * abs(q)
            near |= 0 < tolerance.ulp >= ulps
        if not (tolerance and near):
            found.beyond += 1
            found.first = found.first or Place(row, column, x[place], y[place])
    found.sum_abs, found.sum_rel = sum(sums[0]), sum(sums[1])
    return found


def _rank(value: Any) -> int:
    """Where a float stands in the row of all floats, zero in the middle."""
    size = int(abs(value).view(f"u{value.itemsize}"))
    return -size if np.signbit(value) else size


def hostile(dtype: str) -> dict[str, Callable[[np.random.RandomState, int], tuple[Matrix, Matrix]]]:
    """Name -> a maker of two flat arrays."""
    whole, kind = f"u{dtype[1]}", np.finfo(dtype)
    quiet = kind.max.view(whole) + (1 << (kind.nmant - 1))  # and the bits below are anybody's
    special = np.array(
        [
            *(0, -0.0, 1, -1, 3, 1e-30, math.inf, -math.inf, math.nan, -math.nan),
            *(kind.max, kind.min, kind.tiny, kind.smallest_subnormal, -kind.smallest_subnormal),
        ],
        dtype,
    )
    special = np.append(special, (np.array([2, 3, 4], whole) + np.array(quiet, whole)).view(dtype))

    def bits(random: np.random.RandomState, count: int) -> Matrix:
        return np.frombuffer(random.bytes(count * kind.bits // 8), dtype)

    def noise(random: np.random.RandomState, count: int) -> Matrix:
        made: Matrix = random.standard_normal(count).astype(dtype)
        return made

    def few(random: np.random.RandomState, count: int) -> tuple[Matrix, Matrix]:
        x, at = noise(random, count), random.randint(0, count, max(1, count // 50))
        y = x.copy()
        y[at] = random.choice(special, len(at))
        return x, y

    def moved(random: np.random.RandomState, count: int) -> tuple[Matrix, Matrix]:
        x = noise(random, count)
        return x, (x.view(whole) + random.randint(0, 9, count).astype(whole)).view(dtype)

    return {
        "bits": lambda random, count: (bits(random, count), bits(random, count)),
        "special": lambda random, count: (
            random.choice(special, count),
            random.choice(special, count),
        ),
        "noise": lambda random, count: (noise(random, count), noise(random, count)),
        "positive": lambda random, count: (
            np.maximum(noise(random, count), 0),
            np.maximum(noise(random, count), 0),
        ),
        "negative zeros": lambda random, count: (
            np.copysign(np.maximum(noise(random, count), 0), noise(random, count)),
            np.maximum(noise(random, count), 0),
        ),
        "denormal": lambda random, count: (
            noise(random, count) * kind.smallest_subnormal * 9,
            noise(random, count) * kind.smallest_subnormal * 9,
        ),
        "huge": lambda random, count: (
            np.copysign(kind.max, noise(random, count)) * random.rand(count).astype(dtype),
            np.copysign(kind.max, noise(random, count)) * random.rand(count).astype(dtype),
        ),
        "scaled": lambda random, count: (x := noise(random, count), x * kind.dtype.type(2)),
        "few": few,
        "moved": moved,
    }


@pytest.mark.parametrize("tolerance", TOLERANCES, ids=str)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("name", sorted(hostile("f4")))
def test_all_amounts_are_those_of_the_reference(
    name: str, dtype: str, tolerance: Tolerance
) -> None:
    for seed, (rows, columns) in enumerate([(1, 1), (7, 3), (40, 30), (1, 5), (3000, 1)]):
        with np.errstate(all="ignore"):
            flat = hostile(dtype)[name](np.random.RandomState(seed), rows * columns)
        x, y = (half.reshape(rows, columns) for half in flat)
        by_column = (np.asfortranarray(half) for half in (x, y))
        expected = reference(x, y, tolerance)
        for piece in (Piece(0, 0, x, y), Piece(0, 0, *by_column)):
            _agree(measure(piece, tolerance), expected)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_what_is_known_of_other_pieces_changes_nothing(dtype: str) -> None:
    """The most floats between two values are computed only where they can be more."""
    makers = hostile(dtype)
    for seed in range(30):
        random = np.random.RandomState(seed)
        pieces, expected = [], Differences()
        for number, name in enumerate(random.choice(sorted(makers), 8)):
            with np.errstate(all="ignore"):
                x, y = (half[:, None] for half in makers[name](random, 150))
            pieces.append(Piece(1000 * number, number % 3, x, y))
            part = reference(x, y, Tolerance())
            if part.first:
                row, column, *values = part.first
                part.first = Place(row + 1000 * number, column + number % 3, *values)
            expected.add(part)
        for threads in (1, 2):
            reads = [lambda piece=piece: [piece] for piece in pieces]
            _agree(differences(reads, Tolerance(), threads), expected)


def test_a_piece_of_several_tiles() -> None:
    x, y = (np.random.RandomState(seed).standard_normal((TILE, 3)).astype("f4") for seed in (0, 1))
    x[:40_000] = y[:40_000]
    x[50_000, 2], y[50_000, 2] = 3e38, -3e38
    found = measure(Piece(5, 7, x, y), Tolerance())
    p, q = x.astype("f8"), y.astype("f8")
    apart = np.abs(p - q)
    assert found.first == (40_005, 7, x[40_000, 0], y[40_000, 0])
    assert (found.compared, found.differing) == (3 * TILE, int((x != y).sum()))
    assert (found.max_abs, found.max_rel) == (apart.max(), 2.0)
    assert found.max_ulp == 2 * int(np.float32(3e38).view("i4"))
    assert found.sum_abs == pytest.approx(apart.sum(), rel=1e-12)


def test_two_precisions_are_compared_by_their_values() -> None:
    x = np.array([[0.1, 0.5, math.nan, math.nan, math.inf, -0.0]], "f4").T
    y = np.array([[0.1, 0.5, math.nan, 1.0, math.inf, 0.0]], "f8").T
    found = measure(Piece(0, 0, x, y), Tolerance())
    _agree(found, reference(x, y, Tolerance()))
    assert (found.differing, found.nan, found.max_ulp) == (2, 1, None)


def _agree(found: Differences, expected: Differences) -> None:
    for name in EXACT:
        a, b = getattr(found, name), getattr(expected, name)
        if name == "first" and a and b:  # a NaN equals nothing
            a, b = ([*place[:2], place.a.tobytes(), place.b.tobytes()] for place in (a, b))
        assert a == b, name
    assert found.sum_abs == pytest.approx(expected.sum_abs, rel=1e-12)
    assert found.sum_rel == pytest.approx(expected.sum_rel, rel=1e-12)
