"""What a layer is."""

from __future__ import annotations

from typing import Any, Protocol

from numpy.typing import NDArray


class Layer(Protocol):
    """Turns rows of ``n_inputs`` numbers into rows of ``n_neurons``.

    Attributes:
        n_inputs: columns of the inputs.
        n_neurons: columns of the outputs.
        rowwise: each row of the outputs needs only its row of the inputs, so that rows may come
            in parts. Every layer of this package is so.
    """

    n_inputs: int
    n_neurons: int
    rowwise: bool

    def parameters(self) -> dict[str, NDArray[Any]]:
        """Name -> array: ``weights`` (n_inputs, n_neurons), ``biases`` (1, n_neurons); or none."""

    def forward(self, inputs: NDArray[Any]) -> NDArray[Any]:
        """(n_samples, n_inputs) -> (n_samples, n_neurons), in the dtype of the layer's rule.

        Changes nothing, neither the layer nor the inputs, so any number of threads may call it.
        """
