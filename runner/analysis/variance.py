"""The variance of a weight, which with the width decides how a signal grows."""

from __future__ import annotations

from runner.errors import UnknownKeyError

INITIALIZERS = ("normal", "glorot", "he", "lecun", "orthogonal")


def weight_variance(
    n_inputs: int,
    n_neurons: int,
    *,
    weight_scale: float = 0.1,
    weight_init: str | None = None,
    gain: float = 1.0,
) -> float:
    """Mean square of a weight as :class:`runner.layers.Dense` draws it.

    normal: (gain weight_scale)^2; glorot: 2 gain^2 / (n_inputs + n_neurons) (Glorot & Bengio
    2010, eq. 12); he: 2 gain^2 / n_inputs (He et al. 2015, eq. 10); lecun: gain^2 / n_inputs;
    orthogonal: gain^2 / max(n_inputs, n_neurons), as the shorter side is orthonormal.

    Raises:
        UnknownKeyError: another ``weight_init``.
    """
    table = {
        "normal": weight_scale * weight_scale,
        "glorot": 2 / (n_inputs + n_neurons),
        "he": 2 / n_inputs,
        "lecun": 1 / n_inputs,
        "orthogonal": 1 / max(n_inputs, n_neurons),
    }
    chosen = "normal" if weight_init is None else weight_init
    if chosen not in table:
        raise UnknownKeyError("weight_init", chosen, str(chosen), INITIALIZERS)
    return gain * gain * table[chosen]
