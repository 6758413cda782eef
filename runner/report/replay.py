"""What a stored network answers to inputs that are not its own: from its saved parameters.

Only layers of this package are made; a class of somebody else's is never imported for a page.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runner.analysis.entries import entry_of
from runner.errors import RunnerError
from runner.forward.network import OURS
from runner.layers import MLP, Dense, Layer
from runner.numerics import TILE, rule
from runner.store.layer import Layer as StoredLayer
from runner.store.read import Run

_ACTIVATIONS = {
    name.rpartition(".")[2]: cls
    for name, cls in OURS.items()
    if name.rpartition(".")[2] not in ("Dense", "MLP")
}


class Replay:
    """The layers of a run, as far as they can be made again without anybody's code.

    Attributes:
        layers: in order, up to the first that can't.
        stopped: why there are no more, or None.
    """

    def __init__(self, run: Run) -> None:
        self.layers: list[Layer] = []
        self.stopped: str | None = None
        config = run.config
        name = str((config.get("numerics") or {}).get("rule", "nnfs"))
        entries: Mapping[str, Any] = config.get("layers") or {}
        try:
            self._rule = rule(name)
            for layer in run.layers.values():
                entry = entries.get(str(entry_of(layer.name, entries))) or {}
                self.layers.append(self._made(layer, entry))
        except _CannotError as error:
            self.stopped = str(error)
        except (RunnerError, TypeError) as error:
            self.stopped = f"its parameters don't make a network: {error}"

    def forward(self, inputs: NDArray[Any]) -> Iterator[NDArray[Any]]:
        """What each layer puts out, one after the other, each (rows, n_neurons)."""
        outputs = self._rule.cast_inputs(inputs)
        for layer in self.layers:
            tiles = [outputs[i : i + TILE] for i in range(0, len(outputs), TILE)]
            outputs = np.concatenate([layer.forward(tile) for tile in tiles])
            yield outputs

    @property
    def cost(self) -> int:
        """Products of two numbers that one row takes."""
        return sum(layer.n_inputs * layer.n_neurons for layer in self.layers)

    def affordable(self, least: int, most: int, products: float) -> int:
        """So many rows as so many products allow, within the bounds."""
        return int(min(max(products / max(self.cost, 1), least), most))

    def _made(self, layer: StoredLayer, entry: Mapping[str, Any]) -> Layer:
        target = str(entry.get("_target_"))
        if target not in OURS:
            raise _CannotError(f"{layer.name} is a {target}, whose code a report does not run")
        if layer.kind == "Dense":
            if layer.weights is None or layer.biases is None:
                raise _CannotError(f"no parameters of {layer.name} are stored")
            return Dense(
                layer.n_inputs,
                layer.n_neurons,
                weights=layer.weights.T,
                biases=layer.biases,
                numerics=self._rule,
            )
        if layer.kind not in _ACTIVATIONS:
            raise _CannotError(f"{layer.name} is a {layer.kind}, which this version doesn't know")
        # Those of a block are for its dense layers.
        ours = OURS[target] is not MLP
        options = {k: v for k, v in entry.items() if ours and k not in ("_target_", "n_inputs")}
        made: Layer = _ACTIVATIONS[layer.kind](layer.n_inputs, **options, numerics=self._rule)
        return made


class _CannotError(Exception):
    """A layer that can't be made from what is stored."""
