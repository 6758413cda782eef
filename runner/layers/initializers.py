"""How weights are drawn: functions (n_inputs, n_neurons, stream, gain) -> float32 array.

Each draws ``randn(n_inputs, n_neurons)`` once and rounds it to float32, as ``nnfs.init()`` makes
``np.random.randn`` do, then scales: so all take the same numbers out of the stream, and a layer
after them draws the same whichever is chosen. The variants are the papers' with normal draws.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from runner.numerics import draw


class Initializer(Protocol):
    """Weights (n_inputs, n_neurons) in float32, drawn from the stream (None: numpy's global)."""

    def __call__(
        self, n_inputs: int, n_neurons: int, random_state: RandomState | None, gain: float = 1.0
    ) -> NDArray[np.float32]:
        """Draws the weights of a layer, ``gain`` times as large as the formula says."""


def normal(
    n_inputs: int, n_neurons: int, random_state: RandomState | None, gain: float = 1.0
) -> NDArray[np.float32]:
    """Standard deviation ``gain``, whatever the widths: the book's ``gain * np.random.randn``.

    Source: *Neural Networks from Scratch*, chapter 3, with a gain of 0.1; chapter 4 has 0.01.
    """
    weights = draw(random_state, n_inputs, n_neurons)
    weights *= np.float32(gain)
    return weights


def glorot(
    n_inputs: int, n_neurons: int, random_state: RandomState | None, gain: float = 1.0
) -> NDArray[np.float32]:
    """Standard deviation ``gain * sqrt(2 / (n_inputs + n_neurons))``.

    Source: Glorot & Bengio 2010, *Understanding the difficulty of training deep feedforward neural
    networks*, equation 12, a compromise between keeping the variance forwards and backwards.
    """
    std = math.sqrt(2 / (n_inputs + n_neurons))
    return normal(n_inputs, n_neurons, random_state, gain * std)


def he(
    n_inputs: int, n_neurons: int, random_state: RandomState | None, gain: float = 1.0
) -> NDArray[np.float32]:
    """Standard deviation ``gain * sqrt(2 / n_inputs)``: keeps the second moment under ReLU.

    Source: He, Zhang, Ren & Sun 2015, *Delving deep into rectifiers*, equation 10.
    """
    return normal(n_inputs, n_neurons, random_state, gain * math.sqrt(2 / n_inputs))


def lecun(
    n_inputs: int, n_neurons: int, random_state: RandomState | None, gain: float = 1.0
) -> NDArray[np.float32]:
    """Standard deviation ``gain * sqrt(1 / n_inputs)``: keeps the second moment of a linear layer.

    Source: LeCun, Bottou, Orr & Müller 1998, *Efficient BackProp*, section 4.6.
    """
    return normal(n_inputs, n_neurons, random_state, gain * math.sqrt(1 / n_inputs))


def orthogonal(
    n_inputs: int, n_neurons: int, random_state: RandomState | None, gain: float = 1.0
) -> NDArray[np.float32]:
    """``gain`` times a random matrix W whose shorter side is orthonormal.

    W W^T = 1 where n_inputs <= n_neurons, W^T W = 1 where n_neurons <= n_inputs: the Q of the QR
    decomposition of normal draws, in float64, its signs chosen so that R has a positive diagonal,
    which makes Q unique and uniform among such matrices.

    Source: Saxe, McClelland & Ganguli 2014, *Exact solutions to the nonlinear dynamics of learning
    in deep linear neural networks*; the signs: Mezzadri 2007, *How to generate random
    matrices from the classical compact groups*.
    """
    drawn = draw(random_state, n_inputs, n_neurons).astype(np.float64)
    tall = drawn if n_inputs >= n_neurons else drawn.T
    q, r = np.linalg.qr(tall)
    q *= np.where(np.diagonal(r) < 0, -1.0, 1.0)
    weights = q if n_inputs >= n_neurons else q.T
    return np.ascontiguousarray(gain * weights, dtype=np.float32)


INITIALIZERS: dict[str, Initializer] = {
    "normal": normal,
    "glorot": glorot,
    "he": he,
    "lecun": lecun,
    "orthogonal": orthogonal,
}
"""What ``weight_init`` may say. ``normal`` is scaled by ``weight_scale`` too."""
