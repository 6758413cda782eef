"""scikit-learn's toy datasets: real data without a network. They need the extra ``sklearn``."""

from __future__ import annotations

import importlib.util

import numpy as np
from numpy.random import RandomState

from runner.data.dataset import sized_by
from runner.data.stream import Dataset, Shape
from runner.errors import MissingExtraError

_DOUBLE = np.dtype(np.float64)


def _size_digits() -> Shape:
    _check_installed("digits")
    return Shape(1797, 64, 10, _DOUBLE)


@sized_by(_size_digits)
def digits(*, random_state: RandomState | None = None) -> Dataset:  # noqa: ARG001
    """Handwritten digits: inputs (1797, 64) float64, 8 x 8 pixels from 0 to 16; classes 0 to 9.

    Source: E. Alpaydin & C. Kaynak 1998, UCI, the test part, as scikit-learn ships it.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    return _load("digits")


def _size_iris() -> Shape:
    _check_installed("iris")
    return Shape(150, 4, 3, _DOUBLE)


@sized_by(_size_iris)
def iris(*, random_state: RandomState | None = None) -> Dataset:  # noqa: ARG001
    """Iris flowers: inputs (150, 4) float64, lengths and widths in cm; classes 0 to 2.

    Source: R. A. Fisher 1936, as scikit-learn ships it.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    return _load("iris")


def _size_wine() -> Shape:
    _check_installed("wine")
    return Shape(178, 13, 3, _DOUBLE)


@sized_by(_size_wine)
def wine(*, random_state: RandomState | None = None) -> Dataset:  # noqa: ARG001
    """Chemical analyses of wines: inputs (178, 13) float64, not scaled; classes 0 to 2.

    Source: M. Forina et al. 1991, UCI, as scikit-learn ships it.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    return _load("wine")


def _check_installed(name: str) -> None:
    # Importing it takes seconds; that it is there is enough to plan.
    if importlib.util.find_spec("sklearn") is None:
        raise MissingExtraError("scikit-learn", "sklearn", f"data={name}")


def _load(name: str) -> Dataset:
    _check_installed(name)
    import sklearn.datasets

    inputs, targets = getattr(sklearn.datasets, f"load_{name}")(return_X_y=True)
    return Dataset(np.ascontiguousarray(inputs, dtype=np.float64), targets.astype(np.int64))
