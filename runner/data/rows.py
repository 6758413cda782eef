"""The generated datasets as streams of rows: the bits of nnfs, drawn in the order it draws them.

nnfs makes a dataset class by class, each as one array. Here a class is made in pieces, from its
first point on, with the same operations on the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from runner.data.stream import BLOCK_ROWS, Dataset, Rows, block_rows, spans
from runner.numerics import draw, stream

_Piece = Callable[[int, int, int], NDArray[Any]]
"""Of a class, the points from ``start`` to ``stop``: (points, 2)."""


def spiral_rows(
    samples: int = 100, classes: int = 3, *, random_state: RandomState | None = None
) -> Rows:
    """``nnfs.datasets.spiral_data``: radius r from 0 to 1, angle 2.5 t, t = 4 (class + r) + noise.

    Source: A. Karpathy, CS231n, "Putting it together: Minimal Neural Network Case Study".
    """
    source = stream(random_state)

    def piece(number: int, start: int, stop: int) -> NDArray[Any]:
        radius = _linspace(0.0, 1.0, samples, start, stop)
        angle = _linspace(4.0 * number, 4.0 * (number + 1), samples, start, stop)
        angle += draw(source, stop - start, 1)[:, 0] * np.float32(0.2)
        angle *= 2.5
        inputs = np.empty((stop - start, 2), np.float32)
        inputs[:, 0] = radius * np.sin(angle)
        inputs[:, 1] = radius * np.cos(angle)
        return inputs

    return _of_classes(samples, classes, lambda number: piece)


def vertical_rows(
    samples: int = 100, classes: int = 3, *, random_state: RandomState | None = None
) -> Rows:
    """``nnfs.datasets.vertical_data``: points around (class / 3, 1 / 2), standard deviation 0.1."""
    source = stream(random_state)

    def begin(_: int) -> _Piece:
        # A class draws all of its x before its first y: so two streams, a class's length apart.
        first = RandomState()
        first.set_state(source.get_state())
        for start, stop in spans(samples, BLOCK_ROWS):
            draw(source, stop - start, 1)

        def piece(number: int, start: int, stop: int) -> NDArray[Any]:
            inputs = np.empty((stop - start, 2), np.float32)
            inputs[:, 0] = draw(first, stop - start, 1)[:, 0] * np.float32(0.1)
            inputs[:, 0] += np.float32(number / 3)
            inputs[:, 1] = draw(source, stop - start, 1)[:, 0] * np.float32(0.1)
            inputs[:, 1] += np.float32(0.5)
            return inputs

        return piece

    return _of_classes(samples, classes, begin)


def sine_rows(
    samples: int = 1000,
    *,
    random_state: RandomState | None = None,  # noqa: ARG001
) -> Rows:
    """``nnfs.datasets.sine_data``."""

    def blocks() -> Iterator[Dataset]:
        for start, stop in spans(samples, BLOCK_ROWS):
            inputs = np.arange(start, stop).reshape(-1, 1) / samples
            yield Dataset(inputs, np.sin(2 * np.pi * inputs).reshape(-1))

    return Rows(blocks, lambda: (targets for _, targets in blocks() if targets is not None))


def normal_rows(
    samples: int = 1000, features: int = 2, *, random_state: RandomState | None = None
) -> Rows:
    """Independent standard normal numbers."""

    def blocks() -> Iterator[Dataset]:
        for start, stop in spans(samples, block_rows(features)):
            yield Dataset(draw(random_state, stop - start, features), None)

    return Rows(blocks, None)


def _of_classes(samples: int, classes: int, begin: Callable[[int], _Piece]) -> Rows:
    """A class after the other; ``begin`` is called before the first point of each."""

    def blocks() -> Iterator[Dataset]:
        for number in range(classes):
            piece = begin(number)
            for start, stop in spans(samples, BLOCK_ROWS):
                yield Dataset(piece(number, start, stop), _class(number, stop - start))

    def targets() -> Iterator[NDArray[Any]]:
        for number in range(classes):
            for start, stop in spans(samples, BLOCK_ROWS):
                yield _class(number, stop - start)

    return Rows(blocks, targets)


def _class(number: int, points: int) -> NDArray[np.uint8]:
    return np.full(points, number, np.uint8)


def _linspace(first: float, last: float, count: int, start: int, stop: int) -> NDArray[np.float64]:
    """``np.linspace(first, last, count)[start:stop]``, to the bit."""
    values = np.arange(start, stop, dtype=np.float64)
    if count > 1:
        values *= (last - first) / (count - 1)
        values += first
        if stop == count:
            values[-1] = last
    else:
        values += first
    return values
