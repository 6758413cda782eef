"""Any leaf of a configuration, and any fact, as the value of a column."""

from __future__ import annotations

import json
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
        return "string", json.dumps(value, ensure_ascii=False)
    if value is None:
        return _TYPE_NAMES.get(kind or str, "string"), None
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return "double", float(value)
    if isinstance(value, int) and not isinstance(value, bool) and value not in _INT64:
        return "string", str(value)
    name = _TYPE_NAMES.get(type(value))
    return (name, value) if name else ("string", str(value))


_TYPE_NAMES: dict[type, str] = {bool: "bool", int: "int64", float: "double", str: "string"}
