"""The mean-field prediction beside what a stored run measured, layer by layer."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runner.analysis import outputs
from runner.analysis.entries import entry_of
from runner.analysis.theory import Prediction, bars_away, predict, unpredicted
from runner.store.layer import Layer
from runner.store.read import Run

_QUANTILES = 256  # stand for more samples than these: the average over each is an integral
_ROWS = 65536


@dataclass(frozen=True)
class Expectation:
    """One layer's second moment, the mean of its squared outputs, and what two inputs share there.

    Attributes:
        layer: its name.
        measured: the second moment; NaN where some outputs are not finite, as theory is of all.
        prediction: what theory says; its ``reason`` where it says nothing.
        nonfinite_count: how many outputs are not finite.
        correlation: measured of the two samples; NaN where they were not asked for, or not kept.
    """

    layer: str
    measured: float
    prediction: Prediction
    nonfinite_count: int = 0
    correlation: float = math.nan

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
    def correlation_predicted(self) -> float:
        """At this width; NaN where no samples were asked for."""
        return self.prediction.correlation + self.prediction.correlation_shift

    @property
    def correlation_error(self) -> float:
        """The standard deviation of the correlation over networks drawn anew."""
        return self.prediction.correlation_error()

    @property
    def correlation_distance(self) -> float:
        """Error bars between the two correlations, on Fisher's scale atanh(c).

        There a correlation near 1 spreads as far to one side as to the other.
        """
        predicted, error = self.correlation_predicted, self.correlation_error
        if error < 1 - abs(predicted) and abs(self.correlation) < 1:
            apart = math.atanh(self.correlation) - math.atanh(predicted)
            return apart * (1 - predicted * predicted) / error
        return bars_away(self.correlation - predicted, error)

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
            "chi_1": self.prediction.chi_1,
            "correlation": self.correlation,
            "correlation_predicted": self.correlation_predicted,
            "correlation_error_bar": self.correlation_error,
            "correlation_distance": self.correlation_distance,
            "reason": self.note or None,
        }


_Two = tuple[float, tuple[float, float]]

Known = dict[str, list[Prediction]]
"""Predictions by what they hang on."""


def expectations(
    run: Run,
    inputs: NDArray[Any] | None = None,
    *,
    pair: tuple[int, int] | None = None,
    known: Known | None = None,
) -> list[Expectation]:
    """Prediction and measurement of every layer, from the inputs that were stored.

    Args:
        run: a stored one.
        inputs: (rows, n_features), rows that stand for all; None: all that were stored.
        pair: two samples, for the correlation; None: without it.
        known: takes in the predictions, and gives them for runs that differ in their seeds alone.

    Raises:
        NotFoundError: the run has no inputs.
        DamagedError: they are not what was written.
        ConfigError: a layer whose sizes or scales are missing or not numbers, or there is no such
            sample.
    """
    layers = list(run.layers.values())
    described = describe(run)
    known = {} if known is None else known
    digest = run.metadata.get("inputs.digest") or str(run.path)
    key = json.dumps([digest, pair, described], default=str)
    if key not in known:
        batches = run.inputs_matrix.batches(_ROWS) if inputs is None else [inputs]
        known[key] = _predictions(described, _input_moments(batches), _two_inputs(run, pair))
    predictions = known[key]
    return [
        _expectation(layer, prediction, pair)
        for layer, prediction in zip(layers, predictions, strict=True)
    ]


def describe(run: Run) -> list[dict[str, Any]]:
    """The layers of a run as theory takes them."""
    config = run.config  # read anew whenever it is asked for
    return [_described(config, layer) for layer in run.layers.values()]


def _predictions(
    described: list[dict[str, Any]], moments: NDArray[np.float64], pair: _Two | None
) -> list[Prediction]:
    if not np.isfinite(moments).all():
        reason = "the inputs, or their squares, are not all finite"
        return [unpredicted(one["name"], one["kind"], reason) for one in described]
    if pair is None:
        return predict(described, moments)
    c, seconds = pair
    return predict(described, moments, input_correlation=c, pair_second_moments=seconds)


def _two_inputs(run: Run, pair: tuple[int, int] | None) -> _Two | None:
    """Correlation and second moments of two inputs; None where one is 0 and has no correlation."""
    if pair is None:
        return None
    outputs.check_pair(run, pair)
    rows = run.inputs_matrix.parts([range(sample, sample + 1) for sample in sorted(pair)])
    x, y = rows.astype(np.float64)
    c = outputs.cosine(x, y)
    with np.errstate(over="ignore"):
        seconds = float(np.square(x).mean()), float(np.square(y).mean())
    # Rounding alone leads out of -1..1.
    return None if math.isnan(c) else (min(max(c, -1.0), 1.0), seconds)


def _expectation(layer: Layer, prediction: Prediction, pair: tuple[int, int] | None) -> Expectation:
    broken = int(layer.statistics["nonfinite_count"])
    measured = math.nan if broken else second_moment(layer.statistics)
    kept = pair is not None and layer.path is not None
    c = outputs.correlation(layer, pair) if kept and pair else math.nan
    return Expectation(layer.name, measured, prediction, broken, c)


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
    entry = dict(entries.get(entry_of(layer.name, entries)) or {})
    ours = str(entry.get("_target_")).startswith("runner.layers.")
    kind = layer.kind if ours else f"{layer.kind} of {entry.get('_target_')}"
    sizes = {"n_inputs": layer.n_inputs, "n_neurons": layer.n_neurons}
    return {**entry, **sizes, "name": layer.name, "kind": kind}


def _input_moments(batches: Iterable[NDArray[Any]]) -> NDArray[np.float64]:
    """Mean square of each sample's features, or as many quantiles of them with the same mean."""
    with np.errstate(over="ignore"):
        moments: NDArray[np.float64] = np.concatenate(
            [np.square(b, dtype=np.float64).mean(axis=1) for b in batches]
        )
    if len(moments) <= _QUANTILES or not np.isfinite(moments).all():
        return moments
    places = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
    chosen: NDArray[np.float64] = np.quantile(moments, places)
    mean = float(chosen.mean())
    return chosen * (float(moments.mean()) / mean) if mean else chosen
