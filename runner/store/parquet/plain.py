"""Any leaf of a configuration, and any fact, as the value of a column."""

from __future__ import annotations

import json
import math
from typing import Any

_INT64 = range(-(2**63), 2**63)


def storable(value: Any, kind: type | None = None) -> tuple[str, Any]:
    """The column type for one value, and the value for it: lists and mappings become JSON.

    Args:
        value: any leaf of a configuration or any fact.
        kind: the type that the column should have, where that is known (int, float, bool, str;
            list for JSON); a value that is no such thing keeps its own.
    """
    if isinstance(value, (list, tuple, dict)):
        return "string", to_json(value)
    if value is None:
        return _TYPE_NAMES.get(kind or str, "string"), None
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return "double", float(value)
    if isinstance(value, int) and not isinstance(value, bool) and value not in _INT64:
        return "string", str(value)
    name = _TYPE_NAMES.get(type(value))
    return (name, value) if name else ("string", str(value))


def to_json(value: Any) -> str:
    """JSON that every reader takes: it has no name for NaN and infinity, so they are objects."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError:
        return json.dumps(_named(value), ensure_ascii=False, allow_nan=False)


def from_json(text: str) -> Any:
    """What :func:`to_json` was given, lists for tuples; else a ValueError."""
    try:
        return json.loads(text, object_hook=_meant)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _named(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _named(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_named(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return {_FLOAT: repr(value)}
    return value


def _meant(found: dict[str, Any]) -> Any:
    named = len(found) == 1 and found.get(_FLOAT)
    return float(named) if named in ("nan", "inf", "-inf") else found


_FLOAT = "_float_"
_TYPE_NAMES: dict[type, str] = {bool: "bool", int: "int64", float: "double", str: "string"}
