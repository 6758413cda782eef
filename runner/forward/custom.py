"""The reader's own layer: a class written as in the book, made to look like one of ours."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, redirect_stdout
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runner.data import lent_stream, nnfs_rules
from runner.errors import LayerFailedError, RunnerError
from runner.forward.targets import Instantiate
from runner.numerics import Rule
from runner.schema import left_over


class CustomLayer:
    """A layer of the reader's, as *Neural Networks from Scratch*, chapter 3, writes them.

    Its constructor gets ``n_inputs`` where it asks for it, and what the configuration says; its
    ``forward(inputs)`` either returns the outputs or leaves them in ``self.output``. It may use
    ``np.random.randn``, ``np.dot`` and ``np.zeros`` bare: it is made and run with them as
    ``nnfs.init()`` leaves them, on one thread.

    Args:
        name: the layer's name, for messages.
        target: the dotted name of the class.
        kwargs: the constructor's arguments from the configuration.
        n_inputs: columns of the inputs.
        n_neurons: columns that the outputs must have.
        rule: the precision.
        random_state: the stream that the constructor's bare draws come from.
        instantiate: calls the class.
    """

    def __init__(
        self,
        name: str,
        target: str,
        kwargs: Mapping[str, Any],
        *,
        n_inputs: int,
        n_neurons: int,
        rule: Rule,
        random_state: np.random.RandomState,
        instantiate: Instantiate,
    ) -> None:
        self.name = name
        self.n_inputs = n_inputs
        self.n_neurons = n_neurons
        self._rule = rule
        self._random_state = random_state
        arguments = dict(kwargs)
        if "n_inputs" not in arguments and wants(instantiate.locate(target), "n_inputs"):
            arguments["n_inputs"] = n_inputs
        with nnfs_rules(random_state, dot=rule.name == "nnfs"), _blamed_on(name):
            self._layer = instantiate.call(target, arguments)
        if not callable(getattr(self._layer, "forward", None)):
            made = type(self._layer).__name__
            raise LayerFailedError(f"layer {name}: {target} gives a {made}, without a forward()")
        self.rowwise: bool = bool(getattr(self._layer, "rowwise", True))

    @property
    def kind(self) -> str:
        """The name of the reader's class."""
        return type(self._layer).__name__

    def parameters(self) -> dict[str, NDArray[Any]]:
        """``weights`` and ``biases``, where the class has them as arrays."""
        found = {name: getattr(self._layer, name, None) for name in ("weights", "biases")}
        return {
            name: value.astype(self._rule.dtype)
            for name, value in found.items()
            if isinstance(value, np.ndarray) and value.dtype.kind in "fiu"
        }

    def forward(self, inputs: NDArray[Any]) -> NDArray[Any]:
        """(n_samples, n_inputs) -> (n_samples, n_neurons), in the rule's dtype.

        Raises:
            LayerFailedError: the class raised, or gave something else than such an array.
        """
        # A copy: a class that works in place would change the outputs of the layer before.
        inputs = inputs.copy()
        with self._rules(), redirect_stdout(sys.stderr), _blamed_on(self.name):
            result = self._layer.forward(inputs)
            outputs = getattr(self._layer, "output", None) if result is None else result
        if outputs is None:
            raise LayerFailedError(
                f"layer {self.name} gave no outputs: "
                "its forward() returned nothing and set no self.output"
            )
        expected = (len(inputs), self.n_neurons)
        if not isinstance(outputs, np.ndarray) or outputs.dtype.kind not in "fiub":
            kind = type(outputs).__name__
            raise LayerFailedError(f"layer {self.name} gave a {kind}, not an array of numbers")
        if outputs.shape != expected:
            raise LayerFailedError(
                f"layer {self.name} gave outputs of shape {outputs.shape}, expected {expected}; "
                + (
                    f"say the width with layers.{self.name}.n_neurons"
                    if outputs.ndim == 2 and len(outputs) == len(inputs)
                    else "each row of its inputs needs one of its outputs"
                )
            )
        # A copy again: the class may keep and reuse its array.
        return np.array(outputs, dtype=self._rule.dtype, order="C")

    def _rules(self) -> AbstractContextManager[None]:
        if self._rule.name == "float64":
            return lent_stream(self._random_state)
        return nnfs_rules(self._random_state, dot=self._rule.name == "nnfs")


def wants(target: Any, argument: str) -> bool:
    """Whether a class or function takes an argument of that name."""
    try:
        parameters = inspect.signature(target).parameters.values()
    except (TypeError, ValueError):
        return False
    return any(p.name == argument or p.kind is p.VAR_KEYWORD for p in parameters)


def accepted(entry: Mapping[str, Any], target: Any) -> dict[str, Any]:
    """What of an entry's keys a class or function of the reader's is called with.

    Without ``_target_``; without the widths, which say what arrives and leaves, where it doesn't
    ask for them; and without what our class, that stood there before, has left of its defaults.
    """
    left = left_over(entry)

    def is_meant(key: str, value: Any) -> bool:
        if key in ("n_inputs", "n_neurons") or key in left:
            return wants(target, key) and (value is not None or key not in (*left, "n_inputs"))
        return key != "_target_"

    return {str(key): value for key, value in entry.items() if is_meant(str(key), value)}


class _blamed_on:  # noqa: N801 - reads as a phrase in a with statement
    """Turns an exception of the reader's code into ours, with theirs as the cause."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: object
    ) -> None:
        if isinstance(error, SystemExit) or (
            isinstance(error, Exception) and not isinstance(error, RunnerError)
        ):
            raise LayerFailedError(
                f"layer {self._name} raised {type(error).__name__}: {error}"
            ) from error
