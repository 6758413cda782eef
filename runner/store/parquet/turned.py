"""Rows turned into columns, of which each gets the type that holds all its values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from runner.store.order import Order
from runner.store.parquet.plain import storable


def kinds_of(
    rows: Iterable[Mapping[str, Any]],
    known: Mapping[str, str],
    of_empty: Callable[[set[str]], Mapping[str, str]],
) -> dict[str, str]:
    """Name -> type of every column that any row has; rows are looked at one at a time.

    Args:
        rows: name -> value; a row may lack columns that others have.
        known: of the columns that are there in any case, and come first.
        of_empty: gives the types of columns that no row has a value for, as far as it knows them.
    """
    seen: dict[str, set[str]] = {}
    order = Order()
    for row in rows:
        order.add(name for name in row if name not in known)
        for name, value in row.items():
            if name not in known:
                kind, stored = storable(value)
                seen.setdefault(name, set()).update(() if stored is None else (kind,))
    empty = {name for name, kinds in seen.items() if not kinds}
    told = of_empty(empty) if empty else {}
    return dict(known) | {name: told.get(name) or _common(seen[name]) for name in order}


def as_columns(
    rows: Sequence[Mapping[str, Any]], kinds: Mapping[str, str], known: Mapping[str, str]
) -> list[tuple[str, str, list[Any]]]:
    """Name, type and values of each of the columns.

    Args:
        rows: some or all of those that were looked at.
        kinds: as :func:`kinds_of` gives them.
        known: of the columns whose values are of their type already.
    """
    return [
        (name, kind, [row.get(name) for row in rows])
        if name in known
        else (name, kind, [_fitted(row.get(name), kind) for row in rows])
        for name, kind in kinds.items()
    ]


def _common(kinds: set[str]) -> str:
    if kinds == {"int64", "double"}:
        return "double"
    return kinds.pop() if len(kinds) == 1 else "string"


def _fitted(value: Any, kind: str) -> Any:
    own, stored = storable(value)
    if stored is None or own == kind:
        return stored
    return float(stored) if kind == "double" else str(stored)
