"""Measures how two stored matrices differ: their pieces, on all cores, a tile at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from runner import limits
from runner.analysis.differences import Differences, Place, Tolerance
from runner.analysis.tile import TILE, has_ulps, tile
from runner.store.matrix.pairs import Piece


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
        return [measure(piece, tolerance, total.max_ulp or 0) for piece in read()]

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


def measure(piece: Piece, tolerance: Tolerance, known_ulp: int = 0) -> Differences:
    """How the two halves of a piece differ; NaN with the same bits are the same.

    ``known_ulp`` is the most floats between two values that other pieces have: ``max_ulp`` is no
    less.
    """
    by_row = piece.a.flags.c_contiguous
    a, b = (half.ravel("C" if by_row else "F") for half in (piece.a, piece.b))
    total = Differences(max_ulp=known_ulp if has_ulps(a, b) else None)
    with np.errstate(all="ignore"):
        for start in range(0, a.size, TILE):
            some = slice(start, start + TILE)
            part, beyond = tile(a[some], b[some], tolerance, total.max_ulp or 0)
            if beyond is not None and total.first is None:
                row, column = _first(beyond, start, piece.a.shape, by_row)
                values = piece.a[row, column], piece.b[row, column]
                part.first = Place(piece.row + row, piece.column + column, *values)
            total.add(part)
    return total


def _first(
    beyond: NDArray[np.bool_], start: int, shape: tuple[int, ...], by_row: bool
) -> tuple[int, int]:
    """Row and column of the first that is true, from the flat values of a tile of a piece."""
    rows, columns = shape
    if by_row:
        return divmod(start + int(beyond.argmax()), columns)
    # A piece of several columns that follow each other is one tile.
    table = beyond.reshape(columns, rows)
    row = int(table.any(axis=0).argmax())
    return row, int(table[:, row].argmax())
