"""The scales of a layer, as theory takes them from its entry in the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runner.analysis.variance import weight_variance
from runner.numerics import check_scale, check_size


def weights_and_biases(key: str, layer: Mapping[str, Any]) -> tuple[float, float]:
    """sigma_w^2 and sigma_b^2 of a Dense layer.

    Args:
        key: the layer's own, for messages.
        layer: as :func:`runner.analysis.theory.predict` takes it.

    Raises:
        ConfigError: sizes or scales are missing, or not numbers.
    """
    n_inputs, n_neurons = (
        check_size(f"{key}.{size}", layer.get(size)) for size in ("n_inputs", "n_neurons")
    )
    variance = weight_variance(
        n_inputs,
        n_neurons,
        weight_scale=_number(key, layer, "weight_scale", 0.1),
        weight_init=layer.get("weight_init"),
        gain=_number(key, layer, "gain", 1.0),
    )
    return n_inputs * variance, _number(key, layer, "bias_scale", 0.0) ** 2


def slope_of(key: str, layer: Mapping[str, Any]) -> float:
    """Of a LeakyReLU; of any other activation it says nothing."""
    return _number(key, layer, "slope", 0.01)


def _number(key: str, layer: Mapping[str, Any], name: str, default: float) -> float:
    value = layer.get(name)
    return default if value is None else check_scale(f"{key}.{name}", value)
