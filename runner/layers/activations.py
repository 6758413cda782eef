"""The activations: layers without weights, as wide as what arrives.

All take (n_samples, n_inputs) and give (n_samples, n_inputs) in the dtype of the rule. They compute
in the precision that arrives, with the operations of the book's code in the book's order: float32
after a layer; float64 where the book's float64 sine data come first, and then rounded once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from runner.numerics import Rule, check_scale, check_size, rule


class Activation:
    """What the activations have in common.

    Args:
        n_inputs: columns of the inputs, and of the outputs.
        numerics: the rule, or its name.
        random_state: taken, as every layer takes it, and not drawn from.

    Raises:
        ConfigError: ``n_inputs`` is no whole number from 1.
    """

    rowwise: bool = True

    def __init__(
        self,
        n_inputs: int,
        *,
        numerics: str | Rule = "nnfs",
        random_state: RandomState | None = None,
    ) -> None:
        self.n_inputs = self.n_neurons = self.plan(n_inputs)
        self._rule = rule(numerics)

    @classmethod
    def plan(cls, n_inputs: int) -> int:
        """Checks the arguments; gives the number of neurons."""
        return check_size("n_inputs", n_inputs)

    def parameters(self) -> dict[str, NDArray[Any]]:
        """None."""
        return {}

    @np.errstate(all="ignore")  # exp of large numbers is infinite, and the formulas mean it so
    def forward(self, inputs: NDArray[Any]) -> NDArray[Any]:
        """(n_samples, n_inputs) -> (n_samples, n_inputs)."""
        outputs: NDArray[Any] = self._apply(inputs).astype(self._rule.dtype, copy=False)
        return outputs

    def _apply(self, x: NDArray[Any]) -> NDArray[Any]:
        raise NotImplementedError


class ReLU(Activation):
    """max(0, x). (n_samples, n) -> (n_samples, n). Source: the book, chapter 4."""

    def _apply(self, x: NDArray[Any]) -> NDArray[Any]:
        result: NDArray[Any] = np.maximum(0, x)
        return result


class LeakyReLU(Activation):
    """x where x > 0, ``slope`` x elsewhere. (n_samples, n) -> (n_samples, n).

    Source: Maas, Hannun & Ng 2013, *Rectifier nonlinearities improve neural network acoustic
    models*.

    Args:
        n_inputs: columns of the inputs, and of the outputs.
        slope: finite; below 0 as well, or above 1; 0 gives the bits of ReLU.
        numerics: the rule, or its name.
        random_state: taken, as every layer takes it, and not drawn from.

    Raises:
        ConfigError: ``n_inputs`` is no whole number from 1, or ``slope`` not finite.
    """

    def __init__(
        self,
        n_inputs: int,
        slope: float = 0.01,
        *,
        numerics: str | Rule = "nnfs",
        random_state: RandomState | None = None,
    ) -> None:
        super().__init__(n_inputs, numerics=numerics, random_state=random_state)
        self.slope = check_scale("slope", slope)

    @classmethod
    def plan(cls, n_inputs: int, slope: float = 0.01) -> int:
        """Checks the arguments; gives the number of neurons."""
        check_scale("slope", slope)
        return super().plan(n_inputs)

    def _apply(self, x: NDArray[Any]) -> NDArray[Any]:
        if self.slope == 0:  # 0 times minus infinity is no number; a slope of 0 is ReLU
            result: NDArray[Any] = np.maximum(0, x)
            return result
        return np.where(x > 0, x, self.slope * x)


class Tanh(Activation):
    """tanh(x). (n_samples, n) -> (n_samples, n)."""

    def _apply(self, x: NDArray[Any]) -> NDArray[Any]:
        result: NDArray[Any] = np.tanh(x)
        return result


class Sigmoid(Activation):
    """1 / (1 + exp(-x)). (n_samples, n) -> (n_samples, n). Source: the book, chapter 16."""

    def _apply(self, x: NDArray[Any]) -> NDArray[Any]:
        result: NDArray[Any] = 1 / (1 + np.exp(-x))
        return result


class Softmax(Activation):
    """exp(x - max(x)) / sum(exp(x - max(x))) over the n neurons of each sample.

    (n_samples, n) -> (n_samples, n), each row of sum 1. Source: the book, chapter 4.
    """

    def _apply(self, x: NDArray[Any]) -> NDArray[Any]:
        exponentials = np.exp(x - np.max(x, axis=1, keepdims=True))
        result: NDArray[Any] = exponentials / np.sum(exponentials, axis=1, keepdims=True)
        return result


class Linear(Activation):
    """x, unchanged: the same array where the dtype fits. (n_samples, n) -> (n_samples, n)."""

    def _apply(self, x: NDArray[Any]) -> NDArray[Any]:
        return x


ACTIVATIONS: dict[str, type[Activation]] = {
    "relu": ReLU,
    "leaky_relu": LeakyReLU,
    "tanh": Tanh,
    "sigmoid": Sigmoid,
    "softmax": Softmax,
    "linear": Linear,
}
"""What ``mlp.activation`` may say."""
