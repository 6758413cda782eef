"""The forward pass: inputs and a network in, a stream of every layer's outputs out.

Rows are always cut at multiples of ``TILE``, whatever the batch size and the number of threads,
and the product of a tile runs on one BLAS thread: so neither can change a bit. Knows no files,
no configuration and no clock but the one it is given.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from threading import Event
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from runner.forward.budget import Pace, pace, stages
from runner.forward.network import NamedLayer
from runner.forward.statistics import Piece, piece_of
from runner.numerics import TILE, Rule

if TYPE_CHECKING:
    from concurrent.futures import Future

_LONG = 1 << 31  # multiplications: about a second on one core


@dataclass(frozen=True)
class Batch:
    """Some rows of one layer's outputs.

    Attributes:
        position: the layer's place in the network, from 0.
        start: the first row's number in the dataset.
        outputs: rows x n_neurons.
        seconds: what computing them took, on the clock that was given.
        piece: what the statistics need to know of them.
    """

    position: int
    start: int
    outputs: NDArray[Any]
    seconds: float
    piece: Piece


def tiles(n_samples: int) -> Iterator[tuple[int, int]]:
    """The fixed cuts of the rows: (start, stop), each of ``TILE`` rows but the last."""
    for start in range(0, n_samples, TILE):
        yield start, min(start + TILE, n_samples)


def tiled(inputs: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """The rows of an array, a tile after the other."""
    for start, stop in tiles(len(inputs)):
        yield inputs[start:stop]


def run(
    arriving: Iterable[NDArray[Any]],
    n_samples: int,
    network: Sequence[NamedLayer],
    *,
    rule: Rule,
    batch_size: int,
    threads: int,
    clock: Callable[[], float],
) -> Iterator[Batch]:
    """Runs every row through every layer.

    Args:
        arriving: the inputs, (n_samples, n_features), a tile after the other; see :func:`tiled`.
        n_samples: their rows.
        network: the layers, in order.
        rule: the precision that inputs are given to the first layer in.
        batch_size: how many rows may be in the works at a time, rounded up to whole tiles.
        threads: how many tiles are computed at once.
        clock: gives the time in seconds.

    Yields:
        Of each layer, its rows in order. A layer's rows come after the same rows of the one before.

    Raises:
        LayerFailedError: a class of the reader's raised.
    """
    for stage in stages([named.layer.rowwise for named in network]):
        # A layer that needs all rows at once parts the network: what reaches it is gathered.
        gathered = None
        if stage[-1] < len(network) - 1:
            gathered = np.empty((n_samples, network[stage[-1]].plan.n_neurons), rule.dtype)
        if network[stage[0]].layer.rowwise:
            batches = _tiled(arriving, n_samples, network, stage, rule, batch_size, threads, clock)
        else:
            batches = _whole(arriving, n_samples, network, stage, rule, clock)
        for batch in batches:
            if gathered is not None and batch.position == stage[-1]:
                gathered[batch.start : batch.start + len(batch.outputs)] = batch.outputs
            yield batch
        if gathered is not None:
            arriving = tiled(gathered)


def _whole(
    arriving: Iterable[NDArray[Any]],
    n_samples: int,
    network: Sequence[NamedLayer],
    stage: range,
    rule: Rule,
    clock: Callable[[], float],
) -> Iterator[Batch]:
    """One layer on all rows at once, its outputs handed on in tiles."""
    inputs: NDArray[Any] | None = None
    for (start, stop), block in zip(tiles(n_samples), arriving, strict=True):
        if inputs is None:
            inputs = np.empty((n_samples, block.shape[1]), block.dtype)
        inputs[start:stop] = block
    assert inputs is not None
    started = clock()
    with np.errstate(all="ignore"):
        outputs = network[stage[0]].layer.forward(rule.cast_inputs(inputs))
    seconds = clock() - started
    del inputs
    for start, stop in tiles(n_samples):
        some = outputs[start:stop]
        yield Batch(stage[0], start, some, seconds if start == 0 else 0.0, piece_of(some))


def _tiled(
    arriving: Iterable[NDArray[Any]],
    n_samples: int,
    network: Sequence[NamedLayer],
    stage: range,
    rule: Rule,
    batch_size: int,
    threads: int,
    clock: Callable[[], float],
) -> Iterator[Batch]:
    """Layers tile by tile, several tiles at once, handed on in order."""
    ended = Event()

    def through(leg: range, start: int, rows: NDArray[Any]) -> Iterator[Batch]:
        if leg.start == stage.start:
            rows = rule.cast_inputs(rows)
        for position in leg:
            if ended.is_set():
                break
            started = clock()
            # Overflow is a result here, counted in the statistics; not a warning a tile.
            with np.errstate(all="ignore"):
                rows = network[position].layer.forward(rows)
            seconds = clock() - started
            yield Batch(position, start, rows, seconds, piece_of(rows))

    # The reader's classes keep their outputs in themselves: two threads would mix them up; and here
    # their code can be interrupted. So can a long product of ours, in a thread of its own.
    ours = all(network[position].plan.is_ours for position in stage)
    short = n_samples <= TILE and _work(network, stage, n_samples) < _LONG
    numbered = zip(range(0, n_samples, TILE), arriving, strict=True)
    if not ours or short or (threads == 1 and _work(network, stage, TILE) < _LONG):
        for start, rows in numbered:
            yield from through(stage, start, rows)
        return
    widths = [named.plan.n_neurons for named in network]
    item = rule.dtype.itemsize
    how = pace(widths, stage, item, batch_size=batch_size, threads=threads)
    yield from _in_turns(numbered, through, how, threads, ended)


def _in_turns(
    numbered: Iterator[tuple[int, NDArray[Any]]],
    through: Callable[[range, int, NDArray[Any]], Iterator[Batch]],
    how: Pace,
    threads: int,
    ended: Event,
) -> Iterator[Batch]:
    """Tiles at once, a leg of the layers after the other, so that none overtakes another."""
    from concurrent.futures import ThreadPoolExecutor  # a small run has no use for it

    pending: deque[tuple[int, Future[list[Batch]]]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="tile")

    def begin(leg: int, start: int, rows: NDArray[Any]) -> None:
        future = pool.submit(lambda: list(through(how.legs[leg], start, rows)))
        pending.append((leg, future))

    try:
        while True:
            while len(pending) < how.ahead and (arrived := next(numbered, None)):
                begin(0, *arrived)
            if not pending:
                return
            leg, future = pending.popleft()
            batches = future.result()
            if leg + 1 < len(how.legs):
                begin(leg + 1, batches[-1].start, batches[-1].outputs)
            batches.reverse()
            while batches:  # let go of one by one
                yield batches.pop()
    finally:
        # Whoever interrupts doesn't wait for a tile that nobody will look at.
        ended.set()
        pool.shutdown(wait=False, cancel_futures=True)


def _work(network: Sequence[NamedLayer], stage: range, rows: int) -> int:
    """Multiplications in the largest product of these layers."""
    plans = [network[position].plan for position in stage]
    return rows * max(plan.n_inputs * plan.n_neurons for plan in plans)
