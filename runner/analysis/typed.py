"""The overrides of a run, as they were typed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

Value = float | int | str


def overrides(row: Mapping[str, Any]) -> dict[str, Value]:
    """Key -> value of a run's overrides: whole numbers and numbers as such, the rest as text."""
    pairs = (text.partition("=") for text in row.get("overrides") or ())
    return {key.lstrip("+~"): _value(value) for key, _, value in pairs}


def _value(text: str) -> Value:
    for kind in (int, float):
        try:
            number = kind(text)
            return number if math.isfinite(number) else text
        except (ValueError, OverflowError):  # of many digits: no float holds it
            continue
    return text
