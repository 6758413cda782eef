"""Rows turned into columns, of which each gets the type that holds all its values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from runner.store.plain import storable


def as_columns(
    rows: Iterable[Mapping[str, Any]], kinds: Mapping[str, str]
) -> list[tuple[str, str, list[Any]]]:
    """Name, type and values of every column that any row has; rows are looked at one at a time.

    Args:
        rows: name -> value; a row may lack columns that others have.
        kinds: the types of the columns that are there in any case, and come first.
    """
    found: dict[str, list[Any]] = {name: [] for name in kinds}
    count = 0
    for row in rows:
        for name, value in row.items():
            values = found.setdefault(name, [])
            values += [None] * (count - len(values))
            values.append(value)
        count += 1
    for values in found.values():
        values += [None] * (count - len(values))
    return [(name, *_column(values, kinds.get(name))) for name, values in found.items()]


def _column(values: list[Any], kind: str | None) -> tuple[str, list[Any]]:
    """The type that holds all values of a column, and the values for it."""
    if kind is not None:
        return kind, values
    stored = [storable(value) for value in values]
    kinds = {name for (name, _), value in zip(stored, values, strict=True) if value is not None}
    if kinds <= {"int64", "double"} and "double" in kinds:
        return "double", [None if value is None else float(value) for _, value in stored]
    if len(kinds) == 1:
        return kinds.pop(), [value for _, value in stored]
    return "string", [None if value is None else str(value) for _, value in stored]
