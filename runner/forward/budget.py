"""How much of a network's outputs is in memory at a time: so many bytes, however deep it is.

Tiles are in the works side by side, and what they gave waits to be digested and written. Both are
bounded in bytes. A tile goes through a shallow network at a stretch; through a deep one it goes in
legs, and between two legs the other tiles have their turns, so that no tile's outputs of all layers
are ever held together. What it comes to is known from the widths alone, before a run begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from runner.numerics import TILE

BYTES = 1 << 26
"""Of outputs in the works, and as many of outputs that wait; one layer's of a tile always may."""


_LEGS = 4
"""Where few tiles are in the works, a leg has so small a part of the bytes nevertheless."""


def tiles_per_batch(batch_size: int) -> int:
    """``batch_size`` rounded up to whole tiles, in tiles."""
    return max(1, -(-batch_size // TILE))


def stages(rowwise: Sequence[bool]) -> list[range]:
    """The positions of the layers that run tile by tile together, and of those that run alone.

    Args:
        rowwise: of every layer, whether rows may come to it in parts.
    """
    found: list[range] = []
    for position, by_row in enumerate(rowwise):
        joins = position > 0 and by_row and rowwise[position - 1]
        start = found.pop().start if joins else position
        found.append(range(start, position + 1))
    return found


class Pace(NamedTuple):
    """How tiles go through neighbouring layers.

    Attributes:
        legs: the positions of the layers that a tile goes through before the next has its turn.
        ahead: how many tiles are in the works at a time.
    """

    legs: list[range]
    ahead: int


def pace(
    widths: Sequence[int], stage: range, itemsize: int, *, batch_size: int, threads: int
) -> Pace:
    """The pace that keeps the threads busy, and no more than :data:`BYTES` in the works.

    Args:
        widths: neurons of every layer of the network.
        stage: the positions of those that tiles go through together.
        itemsize: bytes of a value.
        batch_size: rows that may be in the works at a time.
        threads: how many tiles are computed at once.
    """
    most = min(tiles_per_batch(batch_size), 2 * threads)
    neurons = BYTES // (max(most, _LEGS) * TILE * itemsize)
    legs: list[range] = []
    load = 0
    for position in stage:
        load += widths[position]
        if legs and load <= neurons:
            legs[-1] = range(legs[-1].start, position + 1)
        else:
            legs.append(range(position, position + 1))
            load = widths[position]
    largest = max(sum(widths[leg.start : leg.stop]) for leg in legs)
    fitting = BYTES // (largest * TILE * itemsize)
    return Pace(legs, max(min(fitting, most), min(threads, most)))


def waiting(
    widths: Sequence[int], tasks: Sequence[int], itemsize: int, *, batch_size: int
) -> list[int]:
    """How many batches may wait in each lane of those who digest and write them.

    Two tiles of all layers, or what :data:`BYTES` hold.

    Args:
        widths: neurons of every layer of the network.
        tasks: for each lane, how many things are done there with every tile.
        itemsize: bytes of a value.
        batch_size: rows that may wait of a layer.
    """
    tiles = min(tiles_per_batch(batch_size), 2)
    fitting = BYTES // (max(widths) * TILE * itemsize)
    return [max(1, min(tiles * count, fitting // len(tasks))) for count in tasks]
