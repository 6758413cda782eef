"""A dataset that is not made yet: small ones come at once, large ones as a stream of their rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

HELD = 1 << 20
"""Up to so many numbers of inputs are held in memory; more come as a stream."""

BLOCK = 1 << 18
"""Numbers of inputs in one block of a stream, about."""

BLOCK_ROWS = 1 << 16


class Dataset(NamedTuple):
    """Samples, and what there is to predict of them: ``X, y = runner.data.spiral(100, 3)``.

    Attributes:
        inputs: (n_samples, n_features), float32 or float64, in C order.
        targets: (n_samples,): whole numbers are classes, real numbers are values. None: none.
    """

    inputs: NDArray[Any]
    targets: NDArray[Any] | None


class Shape(NamedTuple):
    """What a dataset will be, known before it is made.

    Attributes:
        n_samples: rows of the inputs.
        n_features: columns of the inputs.
        n_classes: one more than the largest class. None: no classes to predict.
        dtype: of the inputs.
    """

    n_samples: int
    n_features: int
    n_classes: int | None
    dtype: np.dtype[Any]


class Rows(NamedTuple):
    """The rows of a dataset as a stream; nothing is drawn or read before it is asked for.

    Attributes:
        blocks: all rows in order, some at a time. Once it has ended, the stream of random numbers
            is where making the dataset at once would have left it.
        targets: the targets of all rows in order, some at a time, without drawing anything. None:
            there are none.
    """

    blocks: Callable[[], Iterator[Dataset]]
    targets: Callable[[], Iterator[NDArray[Any]]] | None


@dataclass(frozen=True)
class Source:
    """A dataset whose shape is known, and that can be made once.

    Attributes:
        shape: what it will be.
        make: gives all of it at once.
        rows: gives it as a stream of the same bits; None: it is small, or exists already.
    """

    shape: Shape
    make: Callable[[], Dataset]
    rows: Rows | None = None


def is_held(n_samples: int, n_features: int) -> bool:
    """Whether inputs of that size are small enough to be held in memory."""
    return n_samples * n_features <= HELD


def block_rows(n_features: int) -> int:
    """How many rows of that width make a block: as many as fit, and one at least."""
    return max(1, min(BLOCK_ROWS, BLOCK // n_features))


def spans(n_samples: int, rows: int) -> Iterator[tuple[int, int]]:
    """(start, stop) of blocks of so many rows, the last one shorter."""
    for start in range(0, n_samples, rows):
        yield start, min(start + rows, n_samples)
