"""The mean-field prediction beside what a stored run measured, layer by layer."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runner.analysis.entries import entry_of
from runner.analysis.theory import Prediction, predict, unpredicted
from runner.store.layer import Layer
from runner.store.read import Run

_QUANTILES = 256  # stand for more samples than these: the average over each is an integral
_ROWS = 65536


@dataclass(frozen=True)
class Expectation:
    """One layer's second moment, the mean of its squared outputs.

    Attributes:
        layer: its name.
        measured: of the outputs; NaN where some are not finite, as theory is of them all.
        prediction: what theory says; its ``reason`` where it says nothing.
        nonfinite_count: how many outputs are not finite.
    """

    layer: str
    measured: float
    prediction: Prediction
    nonfinite_count: int = 0

    @property
    def predicted(self) -> float:
        """At this width: the limit, and its shift of order 1/n."""
        return self.prediction.second_moment + self.prediction.shift

    @property
    def error_bar(self) -> float:
        """The standard deviation of the measurement over networks drawn anew."""
        return self.prediction.standard_error()

    @property
    def distance(self) -> float:
        """Error bars between the two; NaN without a prediction."""
        return math.nan if self.prediction.reason else self.prediction.distance(self.measured)

    @property
    def note(self) -> str:
        """Why nothing stands there, or not a number."""
        if self.prediction.reason or not self.nonfinite_count:
            return self.prediction.reason or ""
        return f"{self.nonfinite_count} outputs are not finite: nothing to set beside theory"

    def row(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "layer": self.layer,
            "second_moment": self.measured,
            "predicted": self.predicted,
            "error_bar": self.error_bar,
            "distance": self.distance,
            "reason": self.note or None,
        }


Known = dict[str, list[Prediction]]
"""Predictions by what they hang on."""


def expectations(
    run: Run, inputs: NDArray[Any] | None = None, *, known: Known | None = None
) -> list[Expectation]:
    """Prediction and measurement of every layer, from the inputs that were stored.

    Args:
        run: a stored one.
        inputs: (rows, n_features), rows that stand for all; None: all that were stored.
        known: takes in the predictions, and gives them for runs that differ in their seeds alone.

    Raises:
        NotFoundError: the run has no inputs.
        DamagedError: they are not what was written.
        ConfigError: a layer whose sizes or scales are missing or not numbers.
    """
    layers = list(run.layers.values())
    described = [_described(run.config, layer) for layer in layers]
    known = {} if known is None else known
    key = json.dumps([run.metadata.get("inputs.digest") or str(run.path), described], default=str)
    if key not in known:
        batches = run.inputs_matrix.batches(_ROWS) if inputs is None else [inputs]
        known[key] = _predictions(described, _input_moments(batches))
    predictions = known[key]
    return [
        _expectation(layer, prediction)
        for layer, prediction in zip(layers, predictions, strict=True)
    ]


def _predictions(described: list[dict[str, Any]], moments: NDArray[np.float64]) -> list[Prediction]:
    if np.isfinite(moments).all():
        return predict(described, moments)
    reason = "the inputs are not all finite"
    return [unpredicted(one["name"], one["kind"], reason) for one in described]


def _expectation(layer: Layer, prediction: Prediction) -> Expectation:
    broken = int(layer.statistics["nonfinite_count"])
    measured = math.nan if broken else second_moment(layer.statistics)
    return Expectation(layer.name, measured, prediction, broken)


def second_moment(statistics: Mapping[str, Any]) -> float:
    """Mean of the squares, from a mean and a standard deviation; inf where float64 ends."""
    root = rms(statistics)
    return root * root


def rms(statistics: Mapping[str, Any]) -> float:
    """Root of the mean square, from the same."""
    return math.hypot(statistics["mean"], statistics["std"])


def _described(config: Mapping[str, Any], layer: Layer) -> dict[str, Any]:
    """What :func:`predict` takes, from the entry that a layer comes from."""
    entries = config.get("layers") or {}
    entry = dict(entries.get(entry_of(layer.name, list(entries))) or {})
    ours = str(entry.get("_target_")).startswith("runner.layers.")
    kind = layer.kind if ours else f"{layer.kind} of {entry.get('_target_')}"
    sizes = {"n_inputs": layer.n_inputs, "n_neurons": layer.n_neurons}
    return {**entry, **sizes, "name": layer.name, "kind": kind}


def _input_moments(batches: Iterable[NDArray[Any]]) -> NDArray[np.float64]:
    """Mean square of each sample's features, or as many quantiles of them with the same mean."""
    moments: NDArray[np.float64] = np.concatenate(
        [np.square(b, dtype=np.float64).mean(axis=1) for b in batches]
    )
    if len(moments) <= _QUANTILES or not np.isfinite(moments).all():
        return moments
    places = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
    chosen: NDArray[np.float64] = np.quantile(moments, places)
    mean = float(chosen.mean())
    return chosen * (float(moments.mean()) / mean) if mean else chosen
