"""What a dataset is, and the table of those that a configuration may name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from runner.errors import ConfigError, UnknownKeyError

PREFIX = "runner.data."


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


class _Entry(NamedTuple):
    make: Callable[..., Dataset]
    size: Callable[..., Shape]


_datasets: dict[str, _Entry] = {}
_Make = TypeVar("_Make", bound=Callable[..., Dataset])


def sized_by(size: Callable[..., Shape]) -> Callable[[_Make], _Make]:
    """Registers a dataset under its function's name, with the function that plans it.

    Args:
        size: takes the same keys as the dataset, checks what they mean and gives its shape;
            generates nothing.
    """

    def register(make: _Make) -> _Make:
        _datasets[PREFIX + make.__name__] = _Entry(make, size)
        return make

    return register


def plan(target: str, config: Mapping[str, Any]) -> Shape:
    """Checks a dataset's keys and says what it will be; generates nothing.

    Args:
        target: as in ``_target_``: ``runner.data.spiral``.
        config: the dataset's keys.

    Raises:
        ConfigError: a key is missing, unknown, or has a value that cannot be run. Its key is the
            dataset's own, without ``data.``.
        MissingExtraError: the dataset's library is not installed.
    """
    entry = _find(target)
    parameters = inspect.signature(entry.size).parameters
    for key, value in config.items():
        if key not in parameters:
            raise UnknownKeyError(key, value, key, parameters)
    for key, parameter in parameters.items():
        if config.get(key) == "???" or (parameter.default is parameter.empty and key not in config):
            raise ConfigError(key, "???", f"needs a value: data.{key}=…")
    return entry.size(**config)


def make(target: str, config: Mapping[str, Any], random_state: RandomState | None) -> Dataset:
    """Makes a dataset.

    Args:
        target: as in ``_target_``: ``runner.data.spiral``.
        config: the dataset's keys.
        random_state: the stream to draw from. None: numpy's global one.

    Raises:
        ConfigError: as :func:`plan`.
    """
    return _find(target).make(**config, random_state=random_state)


def _find(target: str) -> _Entry:
    if target not in _datasets:
        raise UnknownKeyError("_target_", target, target, _datasets)
    return _datasets[target]
