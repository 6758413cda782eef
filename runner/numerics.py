"""How numbers are drawn, rounded and checked: what data and layers have in common.

The book's rule (``nnfs.init()``) takes products in float64 and rounds them once to float32; here it
holds without replacing a function of numpy. ``np.dot``, ``np.zeros`` and ``np.eye`` are not called
in this package: a reader who has called ``nnfs.init()`` has others under those names.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.random import RandomState, mtrand
from numpy.typing import NDArray

from runner.errors import ConfigError, UnknownKeyError

TILE = 4096
"""Rows are cut at multiples of this, whatever the batch size: the cuts are part of the result."""

LARGEST_SCALE = 1e37
"""Of a scale or a gain: a draw is below 13, so their product stays a float32."""

_DRAW_BLOCK = 1 << 20


@dataclass(frozen=True)
class Rule:
    """A precision.

    Attributes:
        name: ``nnfs``, ``float32`` or ``float64``.
        dtype: of every layer's outputs and parameters.
        product_dtype: what products are taken in before they are rounded to ``dtype``.
    """

    name: str
    dtype: np.dtype[Any]
    product_dtype: np.dtype[Any]

    @np.errstate(all="ignore")  # what overflows is infinite, and counted as such
    def product(self, inputs: NDArray[Any], weights: NDArray[Any]) -> NDArray[Any]:
        """(n_samples, n_inputs) times (n_inputs, n_neurons), in ``dtype``.

        Weights that are already in ``product_dtype`` are not copied.
        """
        product: NDArray[Any] = np.matmul(
            inputs.astype(self.product_dtype, copy=False),
            weights.astype(self.product_dtype, copy=False),
        )
        return product.astype(self.dtype, copy=False)

    def cast_inputs(self, inputs: NDArray[Any]) -> NDArray[Any]:
        """What the first layer is given.

        Under ``nnfs`` the data as they are: the book's sine data stay float64 up to the first
        product. Otherwise ``dtype``.
        """
        return inputs if self.name == "nnfs" else inputs.astype(self.dtype, copy=False)


_SINGLE, _DOUBLE = np.dtype(np.float32), np.dtype(np.float64)

RULES = {
    "nnfs": Rule("nnfs", _SINGLE, _DOUBLE),
    "float32": Rule("float32", _SINGLE, _SINGLE),
    "float64": Rule("float64", _DOUBLE, _DOUBLE),
}


def rule(name: str | Rule) -> Rule:
    """The rule of that name; a rule is given back as it is.

    Raises:
        UnknownKeyError: there is none of that name.
    """
    if isinstance(name, Rule):
        return name
    if name not in RULES:
        raise UnknownKeyError("numerics.rule", name, str(name), RULES)
    return RULES[name]


def stream(random_state: RandomState | None) -> RandomState:
    """The stream to draw from: the one given, or numpy's global one, as the book's scripts use."""
    return mtrand._rand if random_state is None else random_state


def draw(random_state: RandomState | None, rows: int, columns: int) -> NDArray[np.float32]:
    """Standard normal numbers, (rows, columns), in float32.

    The bits of ``np.random.randn(rows, columns)`` after ``nnfs.init()``, drawn a block at a time,
    so that the float64 draws never lie in memory together.
    """
    source = stream(random_state)
    drawn = np.empty(rows * columns, dtype=np.float32)
    for start in range(0, drawn.size, _DRAW_BLOCK):
        block = drawn[start : start + _DRAW_BLOCK]
        block[:] = source.randn(block.size)
    return drawn.reshape(rows, columns)


def check_size(key: str, value: Any, most: int | None = None) -> int:
    """A whole number from 1, up to ``most`` where there is a limit.

    Raises:
        ConfigError: it is something else.
    """
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not whole or value < 1 or (most is not None and value > most):
        limit = "" if most is None else f" to {most}"
        raise ConfigError(key, value, f"needs a whole number from 1{limit}")
    return int(value)


def check_scale(key: str, value: Any, least: float = -LARGEST_SCALE) -> float:
    """A finite number that float32 can hold, times any draw.

    Raises:
        ConfigError: it is something else.
    """
    number = isinstance(value, Real) and not isinstance(value, bool)
    if not number or not least <= value <= LARGEST_SCALE:  # NaN is in no range
        raise ConfigError(key, value, f"needs a finite number, from {least:g} to {LARGEST_SCALE:g}")
    return float(value)


def times_power(value: float, exponent: int) -> float:
    """``value`` times 2 to the ``exponent``; the largest float where that is beyond it."""
    try:
        return math.ldexp(value, exponent)
    except OverflowError:
        return math.copysign(sys.float_info.max, value)
