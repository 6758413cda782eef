"""A deep block described in one entry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from runner.errors import UnknownKeyError
from runner.layers.activations import ACTIVATIONS
from runner.layers.dense import Dense
from runner.numerics import check_size

DEEPEST = 100_000
"""A typing error in ``depth`` ends in a message, not in a list that fills the memory."""


@dataclass(frozen=True)
class MLP:
    """A block of ``depth`` times (Dense, activation), each of ``width`` neurons.

    Args:
        depth: pairs of layers, from 1.
        width: neurons of each layer, from 1.
        activation: ``relu``, ``leaky_relu``, ``tanh``, ``sigmoid``, ``softmax`` or ``linear``.
        weight_scale: as in :class:`runner.layers.Dense`, and so are the others.
        weight_init: as there.
        gain: as there.
        bias_scale: as there.
    """

    depth: int = 10
    width: int = 64
    activation: str = "tanh"
    weight_scale: float = 0.1
    weight_init: str | None = None
    gain: float = 1.0
    bias_scale: float = 0.0

    def unfold(self, name: str) -> list[tuple[str, str, dict[str, Any]]]:
        """The block's layers in order, as (layer's name, name of its class, its arguments).

        ``MLP(depth=1, width=3).unfold("mlp")`` has ``mlp_dense1``, a Dense, and ``mlp_tanh1``, a
        Tanh.

        Raises:
            ConfigError: an argument cannot be run; its key is the argument's name.
        """
        depth = check_size("depth", self.depth, DEEPEST)
        width = check_size("width", self.width)
        if self.activation not in ACTIVATIONS:
            raise UnknownKeyError("activation", self.activation, str(self.activation), ACTIVATIONS)
        dense: dict[str, Any] = {
            "n_neurons": width,
            "weight_scale": self.weight_scale,
            "weight_init": self.weight_init,
            "gain": self.gain,
            "bias_scale": self.bias_scale,
        }
        Dense.plan(width, **dense)
        kind = ACTIVATIONS[self.activation].__name__
        return [
            layer
            for i in range(1, depth + 1)
            for layer in (
                (f"{name}_dense{i}", "Dense", dict(dense)),
                (f"{name}_{self.activation}{i}", kind, {}),
            )
        ]
