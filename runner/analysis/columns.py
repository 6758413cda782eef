"""The columns that runs have: those of stored ones, and those that the schema has in any case."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import fields
from functools import cache

from runner.schema import OPTIONS, Config
from runner.store import layout, sweeps
from runner.store.index.query import PREFIXES

_OF_MACHINES = ("env.", "git.", "code.")


def column_of(name: str, there: Collection[str]) -> str | None:
    """The column that a key names, with or without its ``params.`` or ``metrics.``.

    Args:
        name: as it was typed.
        there: the columns of some runs. Where there is no run, any that one might have will do;
            otherwise those that every run has by the schema, and these.
    """
    for full in (f"{prefix}{name}" for prefix in PREFIXES):
        if full in there or full in known():
            return full
    if there:
        return None
    parts = name.removeprefix("params.").split(".")
    if len(parts) == 3 and parts[0] == "layers" and parts[2] in _keys_of("layers"):
        return f"params.{'.'.join(parts)}"
    return name if name.startswith(_OF_MACHINES) else None


def names(there: Iterable[str] = ()) -> list[str]:
    """All columns that are known, as one would type them."""
    return [name.removeprefix("params.") for name in dict.fromkeys((*there, *known()))]


@cache
def known() -> dict[str, None]:
    """The columns that a run has whatever its layers are."""
    found = [name for name, _ in (*layout.RUN_COLUMNS, *sweeps.COLUMNS)]
    for field in fields(Config):
        if field.name in OPTIONS:
            keys = () if field.name == "layers" else _keys_of(field.name)
            found += [f"params.{field.name}.{key}" for key in keys]
        else:
            found.append(f"params.{field.name}")
    return dict.fromkeys([*found, *(f"metrics.{name}" for name in layout.METRICS), "path"])


def _keys_of(group: str) -> dict[str, None]:
    return dict.fromkeys(
        field.name for option in OPTIONS[group].values() for field in fields(option)
    )
