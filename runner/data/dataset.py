"""The table of the datasets that a configuration may name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple, TypeVar

from numpy.random import RandomState

from runner.data.stream import Dataset, Rows, Shape, Source, is_held
from runner.errors import ConfigError, UnknownKeyError

PREFIX = "runner.data."


class _Entry(NamedTuple):
    make: Callable[..., Dataset]
    size: Callable[..., Shape]
    rows: Callable[..., Rows] | None
    source: Callable[..., Source] | None


_datasets: dict[str, _Entry] = {}
_Make = TypeVar("_Make", bound=Callable[..., Dataset])


def sized_by(
    size: Callable[..., Shape],
    *,
    rows: Callable[..., Rows] | None = None,
    source: Callable[..., Source] | None = None,
) -> Callable[[_Make], _Make]:
    """Registers a dataset under its function's name, with the function that plans it.

    Args:
        size: takes the same keys as the dataset, checks what they mean and gives its shape;
            generates nothing.
        rows: takes the same arguments as the dataset, and gives it as a stream of the same bits.
        source: instead of ``rows``, where planning leaves something behind that making can use.
    """

    def register(make: _Make) -> _Make:
        _datasets[PREFIX + make.__name__] = _Entry(make, size, rows, source)
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
    return _checked(target, config).size(**config)


def source(target: str, config: Mapping[str, Any], random_state: RandomState) -> Source:
    """The same checks, and what gives the dataset when it is time to draw it.

    Args:
        target: as in ``_target_``: ``runner.data.spiral``.
        config: the dataset's keys.
        random_state: the stream to draw from.

    Raises:
        ConfigError, MissingExtraError: as :func:`plan`.
    """
    entry = _checked(target, config)
    if entry.source is not None:
        return entry.source(**config)
    shape = entry.size(**config)
    rows = None
    if entry.rows is not None and not is_held(shape.n_samples, shape.n_features):
        rows = entry.rows(**config, random_state=random_state)
    return Source(shape, lambda: entry.make(**config, random_state=random_state), rows)


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


def _checked(target: str, config: Mapping[str, Any]) -> _Entry:
    """The dataset's entry, once its keys are those that it has."""
    entry = _find(target)
    parameters = _parameters(entry.size)
    for key, value in config.items():
        if key not in parameters:
            raise UnknownKeyError(key, value, key, parameters)
    for key, parameter in parameters.items():
        if config.get(key) == "???" or (parameter.default is parameter.empty and key not in config):
            raise ConfigError(key, "???", f"needs a value: data.{key}=…")
    return entry


@cache
def _parameters(size: Callable[..., Shape]) -> Mapping[str, inspect.Parameter]:
    """A job of a sweep asks for the same ones as the job before."""
    return inspect.signature(size).parameters


def _find(target: str) -> _Entry:
    if target not in _datasets:
        raise UnknownKeyError("_target_", target, target, _datasets)
    return _datasets[target]
