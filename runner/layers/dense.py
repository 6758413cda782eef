"""The fully connected layer of the book, with the weights it is given or draws."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from runner.errors import ConfigError, UnknownKeyError
from runner.layers.initializers import INITIALIZERS, normal
from runner.numerics import LARGEST_SCALE, Rule, check_scale, check_size, rule

WEIGHT_SCALE = 0.1


class Dense:
    """inputs @ weights + biases. (n_samples, n_inputs) -> (n_samples, n_neurons).

    Source: *Neural Networks from Scratch*, chapter 3, its ``Layer_Dense``. Without ``weights`` they
    are drawn, and after them the biases where ``bias_scale`` is above 0: the bits are those of
    ``weight_scale * np.random.randn(n_inputs, n_neurons)`` after ``nnfs.init()``.

    Args:
        n_inputs: columns of the inputs, from 1.
        n_neurons: columns of the outputs, from 1. None: as many as ``weights`` has rows.
        weight_scale: standard deviation of the weights; goes with ``normal`` alone.
        weight_init: ``normal`` (None means the same), ``glorot``, ``he``, ``lecun`` or
            ``orthogonal``; see :mod:`runner.layers.initializers`.
        gain: drawn weights are so many times larger.
        bias_scale: standard deviation of the biases; 0: they are zero, and nothing is drawn.
        weights: handwritten, n_neurons x n_inputs, a row for each neuron as the book writes them.
        biases: handwritten, n_neurons numbers.
        numerics: the rule, or its name.
        random_state: the stream to draw from. None: numpy's global one, as in the book.

    Raises:
        ConfigError: an argument cannot be run; its key is the argument's name.
    """

    rowwise: bool = True

    def __init__(
        self,
        n_inputs: int,
        n_neurons: int | None = None,
        *,
        weight_scale: float = WEIGHT_SCALE,
        weight_init: str | None = None,
        gain: float = 1.0,
        bias_scale: float = 0.0,
        weights: Any = None,
        biases: Any = None,
        numerics: str | Rule = "nnfs",
        random_state: RandomState | None = None,
    ) -> None:
        self.n_inputs = n_inputs
        self.n_neurons = self.plan(
            n_inputs,
            n_neurons,
            weight_scale=weight_scale,
            weight_init=weight_init,
            gain=gain,
            bias_scale=bias_scale,
            weights=weights,
            biases=biases,
        )
        self._rule = rule(numerics)
        if weights is not None:
            drawn: NDArray[Any] = _numbers("weights", weights, 2).T
        elif weight_init in (None, "normal"):
            drawn = normal(n_inputs, self.n_neurons, random_state, gain * weight_scale)
        else:
            drawn = INITIALIZERS[weight_init](n_inputs, self.n_neurons, random_state, gain)
        if biases is not None:
            offsets: NDArray[Any] = _numbers("biases", biases, 1)
        elif bias_scale > 0:
            offsets = normal(1, self.n_neurons, random_state, bias_scale)
        else:
            offsets = np.full(self.n_neurons, 0.0)
        # Held in the dtype of the products, so that no batch has to cast them again.
        self._weights = np.ascontiguousarray(
            drawn.astype(self._rule.dtype), dtype=self._rule.product_dtype
        )
        self._biases = offsets.astype(self._rule.dtype).reshape(1, self.n_neurons)
        self._weights.flags.writeable = self._biases.flags.writeable = False

    @classmethod
    def plan(
        cls,
        n_inputs: int,
        n_neurons: int | None = None,
        *,
        weight_scale: float = WEIGHT_SCALE,
        weight_init: str | None = None,
        gain: float = 1.0,
        bias_scale: float = 0.0,
        weights: Any = None,
        biases: Any = None,
    ) -> int:
        """Checks every argument and gives the number of neurons; draws nothing.

        Raises:
            ConfigError: an argument cannot be run; its key is the argument's name.
        """
        check_size("n_inputs", n_inputs)
        check_scale("weight_scale", weight_scale)
        check_scale("gain", gain)
        if not abs(gain * weight_scale) <= LARGEST_SCALE:
            problem = f"times weight_scale={weight_scale:g} is beyond {LARGEST_SCALE:g}"
            raise ConfigError("gain", gain, problem)
        check_scale("bias_scale", bias_scale, least=0.0)
        _check_init(weight_init, weight_scale)
        if weights is not None:
            drawing = {
                "weight_init": (weight_init, None),
                "weight_scale": (weight_scale, WEIGHT_SCALE),
                "gain": (gain, 1.0),
            }
            for key, (value, default) in drawing.items():
                if value != default:
                    raise ConfigError(key, value, "says how to draw weights, but they are given")
            n_neurons = _check_weights(weights, n_inputs, n_neurons)
        if n_neurons is None:
            raise ConfigError("n_neurons", None, "needs a whole number from 1, or give weights")
        check_size("n_neurons", n_neurons)
        if biases is not None:
            if bias_scale != 0:
                raise ConfigError(
                    "bias_scale", bias_scale, "says how to draw biases, but they are given"
                )
            length = len(_numbers("biases", biases, 1))
            if length != n_neurons:
                raise ConfigError("biases", biases, f"has {length} numbers for {n_neurons} neurons")
        return int(n_neurons)

    @property
    def weights(self) -> NDArray[Any]:
        """(n_inputs, n_neurons), in the dtype of the rule; read-only."""
        weights = self._weights.astype(self._rule.dtype, copy=False)
        weights.flags.writeable = False
        return weights

    @property
    def biases(self) -> NDArray[Any]:
        """(1, n_neurons), in the dtype of the rule; read-only."""
        return self._biases

    def parameters(self) -> dict[str, NDArray[Any]]:
        """``weights`` (n_inputs, n_neurons) and ``biases`` (1, n_neurons)."""
        return {"weights": self.weights, "biases": self.biases}

    @np.errstate(all="ignore")  # what overflows is infinite, and counted as such
    def forward(self, inputs: NDArray[Any]) -> NDArray[Any]:
        """(n_samples, n_inputs) -> (n_samples, n_neurons)."""
        outputs = self._rule.product(inputs, self._weights)
        outputs += self._biases
        return outputs


def _check_init(weight_init: object, weight_scale: float) -> None:
    if weight_init is None:
        return
    if not isinstance(weight_init, str) or weight_init not in INITIALIZERS:
        raise UnknownKeyError("weight_init", weight_init, str(weight_init), INITIALIZERS)
    if weight_init != "normal" and weight_scale != WEIGHT_SCALE:
        raise ConfigError(
            "weight_scale", weight_scale, f"goes with weight_init=normal; {weight_init} takes gain"
        )


def _check_weights(weights: Any, n_inputs: int, n_neurons: int | None) -> int:
    rows, columns = _numbers("weights", weights, 2).shape
    if columns != n_inputs:
        raise ConfigError(
            "weights", weights, f"has {columns} numbers a neuron, but {n_inputs} inputs arrive"
        )
    if n_neurons is not None and n_neurons != rows:
        raise ConfigError("n_neurons", n_neurons, f"but weights has {rows} rows, one a neuron")
    return int(rows)


def _numbers(key: str, given: Any, dimensions: int) -> NDArray[np.float64]:
    """Handwritten numbers as an array of that many dimensions, finite also in float32."""
    shape = "n_neurons x n_inputs" if dimensions == 2 else "n_neurons"
    if isinstance(given, np.ndarray):
        array = given
        if dimensions == 1 and array.ndim == 2 and len(array) == 1:
            array = array[0]
    else:
        array = _as_array(key, given, shape)
    if array.ndim != dimensions or not array.size or array.dtype.kind not in "fiu":
        raise ConfigError(key, given, f"needs numbers, a list of {shape}")
    array = array.astype(np.float64)
    if not (np.abs(array) <= np.finfo(np.float32).max).all():  # also where it is NaN
        raise ConfigError(key, given, "needs finite numbers that float32 can hold")
    return array


def _as_array(key: str, given: Any, shape: str) -> NDArray[Any]:
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise ConfigError(key, given, f"needs a list of {shape} numbers")
    rows = [
        row if isinstance(row, Sequence) and not isinstance(row, str) else [row] for row in given
    ]
    for number, row in enumerate(rows):
        if len(row) != len(rows[0]):
            raise ConfigError(
                key, given, f"is ragged: row {number} has {len(row)} numbers, row 0 {len(rows[0])}"
            )
        # numpy would make 1.0 of a YAML `yes` in silence
        if any(isinstance(item, bool) for item in row):
            raise ConfigError(key, given, f"needs numbers, row {number} has a true or false")
    try:
        return np.array([list(row) if isinstance(row, Sequence) else row for row in given])
    except (TypeError, ValueError):
        raise ConfigError(key, given, f"needs numbers, a list of {shape}") from None
