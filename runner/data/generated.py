"""Datasets that are computed: the book's, and Gaussian numbers of any dimension."""

from __future__ import annotations

import numpy as np
from numpy.random import RandomState

from runner.data._nnfs import draw_dataset
from runner.data.dataset import sized_by
from runner.data.rows import normal_rows, sine_rows, spiral_rows, vertical_rows
from runner.data.stream import Dataset, Shape
from runner.numerics import check_size, draw

# nnfs keeps the class in a byte: a 257th would be called 0 again.
MOST_CLASSES = 256

_SINGLE, _DOUBLE = np.dtype(np.float32), np.dtype(np.float64)
_BATCH = [[1.0, 2.0, 3.0, 2.5], [2.0, 5.0, -1.0, 2.0], [-1.5, 2.7, 3.3, -0.8]]


def _size_classes(samples: int = 100, classes: int = 3) -> Shape:
    check_size("samples", samples)
    check_size("classes", classes, MOST_CLASSES)
    return Shape(samples * classes, 2, classes, _SINGLE)


@sized_by(_size_classes, rows=spiral_rows)
def spiral(
    samples: int = 100, classes: int = 3, *, random_state: RandomState | None = None
) -> Dataset:
    """``nnfs.datasets.spiral_data(samples, classes)``, as it is after ``nnfs.init()``.

    Args:
        samples: points of each class, from 1.
        classes: arms of the spiral, 1 to 256.
        random_state: the stream to draw from. None: numpy's global one.

    Returns:
        inputs (samples * classes, 2) float32, and the class of each as uint8, in order.

    Raises:
        ConfigError: a size that cannot be.
    """
    _size_classes(samples, classes)
    return Dataset(*draw_dataset("spiral_data", samples, classes, random_state=random_state))


@sized_by(_size_classes, rows=vertical_rows)
def vertical(
    samples: int = 100, classes: int = 3, *, random_state: RandomState | None = None
) -> Dataset:
    """``nnfs.datasets.vertical_data(samples, classes)``, as it is after ``nnfs.init()``.

    Args:
        samples: points of each class, from 1.
        classes: columns of points, 1 to 256.
        random_state: the stream to draw from. None: numpy's global one.

    Returns:
        inputs (samples * classes, 2) float32, and the class of each as uint8, in order.

    Raises:
        ConfigError: a size that cannot be.
    """
    _size_classes(samples, classes)
    return Dataset(*draw_dataset("vertical_data", samples, classes, random_state=random_state))


def _size_sine(samples: int = 1000) -> Shape:
    return Shape(check_size("samples", samples), 1, None, _DOUBLE)


@sized_by(_size_sine, rows=sine_rows)
def sine(samples: int = 1000, *, random_state: RandomState | None = None) -> Dataset:
    """``nnfs.datasets.sine_data(samples)``: one period, and nothing random.

    Args:
        samples: points, from 1.
        random_state: not drawn from.

    Returns:
        inputs (samples, 1) float64 in [0, 1), and sin(2 pi x) of each, float64 (nnfs has them as a
        column).

    Raises:
        ConfigError: a size that cannot be.
    """
    _size_sine(samples)
    inputs, targets = draw_dataset("sine_data", samples, random_state=random_state)
    return Dataset(inputs, targets.reshape(-1))


@sized_by(lambda: Shape(1, 4, None, _DOUBLE))
def book_sample(*, random_state: RandomState | None = None) -> Dataset:  # noqa: ARG001
    """The one sample of the book's chapter 2, inputs (1, 4) float64; no target, no draws."""
    return Dataset(np.array(_BATCH[:1]), None)


@sized_by(lambda: Shape(3, 4, None, _DOUBLE))
def book_batch(*, random_state: RandomState | None = None) -> Dataset:  # noqa: ARG001
    """The three samples of the book's chapter 2, inputs (3, 4) float64; no target, no draws."""
    return Dataset(np.array(_BATCH), None)


def _size_normal(samples: int = 1000, features: int = 2) -> Shape:
    return Shape(check_size("samples", samples), check_size("features", features), None, _SINGLE)


@sized_by(_size_normal, rows=normal_rows)
def normal(
    samples: int = 1000, features: int = 2, *, random_state: RandomState | None = None
) -> Dataset:
    """Independent standard normal numbers: ``np.random.randn(samples, features)`` in float32.

    Args:
        samples: rows, from 1.
        features: columns, from 1.
        random_state: the stream to draw from. None: numpy's global one.

    Returns:
        inputs (samples, features) float32; no target.

    Raises:
        ConfigError: a size that cannot be.
    """
    _size_normal(samples, features)
    return Dataset(draw(random_state, samples, features), None)
