"""The one number of a run that an optimising sweeper works on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runner.errors import ConfigError


def value_of(row: Mapping[str, Any], objective: str) -> float:
    """The metric or layer statistic of that name: ``loss``, ``dense2.std``.

    Raises:
        ConfigError: the run has no such number.
    """
    for key in (objective, f"metrics.{objective}", f"layers.{objective}"):
        value = row.get(key)
        if isinstance(value, (int, float)) and key.startswith(("metrics.", "layers.")):
            return float(value)
    there = [key for key in row if key.startswith(("metrics.", "layers."))]
    names = ", ".join(k.split(".", 1)[1] for k in there if not k.endswith(".digest"))
    raise ConfigError("objective", objective, f"the run has no such number; it has {names}")
