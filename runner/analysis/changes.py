"""What differs between two runs besides numbers: configuration and environment, key by key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from runner.errors import clip, show

ABSENT: Any = object()
"""Stands for the value of a key that is not there."""


@dataclass(frozen=True)
class Change:
    """A key whose value is not the same in both runs.

    Attributes:
        key: dotted.
        a, b: the values; :data:`ABSENT` where there is none.
    """

    key: str
    a: Any
    b: Any

    @property
    def kind(self) -> str:
        """``added``, ``removed`` or ``changed``."""
        if self.a is ABSENT:
            return "added"
        return "removed" if self.b is ABSENT else "changed"

    def __str__(self) -> str:
        if self.kind == "changed":
            return f"{self.key}: {_text(self.a)} -> {_text(self.b)}"
        return f"{self.key}: {_text(self.b if self.a is ABSENT else self.a)} ({self.kind})"

    def row(self) -> dict[str, Any]:
        """As plain values; an absent one is left out."""
        there = {k: v for k, v in {"a": self.a, "b": self.b}.items() if v is not ABSENT}
        return {"key": self.key, "change": self.kind, **there}


def configuration(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[Change]:
    """The leaves that differ, in order of A; the layers' order last, where that is another.

    >>> [str(c) for c in configuration({"data": {"samples": 3}}, {"data": {"samples": 4}})]
    ['data.samples: 3 -> 4']
    """
    changes = between(dict(leaves("", a)), dict(leaves("", b)))
    orders = [list(config.get("layers") or {}) for config in (a, b)]
    common = [[name for name in order if name in orders[1 - i]] for i, order in enumerate(orders)]
    if common[0] != common[1]:
        changes.append(Change("order of layers", *map(tuple, orders)))
    return changes


def environment(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[Change]:
    """The facts of environment, commit and code that differ, from two rows of ``run.parquet``."""
    names = ("env.", "git.", "code.")
    facts = [
        {k: v for k, v in row.items() if k.startswith(names) and v is not None} for row in (a, b)
    ]
    return between(*facts)


def metrics(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[Change]:
    """The metrics that differ, from two rows of ``run.parquet``."""
    found = [
        {k: v for k, v in row.items() if k.startswith("metrics.") and v is not None}
        for row in (a, b)
    ]
    return between(*found)


def between(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[Change]:
    """Every key whose values differ, those of A first; NaN equals itself."""
    keys = dict.fromkeys([*a, *b])
    pairs = ((key, a.get(key, ABSENT), b.get(key, ABSENT)) for key in keys)
    return [Change(key, x, y) for key, x, y in pairs if not _same(x, y)]


def interpolations(config: Mapping[str, Any]) -> dict[str, str]:
    """Dotted key -> the interpolation of every value that came from the environment."""
    found = leaves("", config)
    return {key: value for key, value in found if isinstance(value, str) and "${" in value}


def leaves(prefix: str, node: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Dotted key, begun with ``prefix``, and value of everything below a configuration's node."""
    for key, value in node.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(f"{prefix}{key}.", value)
        else:
            yield f"{prefix}{key}", value


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, float) and isinstance(b, float) and a != a:
        return b != b
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    # 1 and True are equal to Python, and not the same configuration.
    return a is b or (isinstance(a, bool) == isinstance(b, bool) and bool(a == b))


def _text(value: Any) -> str:
    return clip(show(value), 60)
