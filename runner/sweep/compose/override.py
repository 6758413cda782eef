"""One override of a job: parsed, and told whether only its value can vary between jobs."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, ValueType
from omegaconf import StringNode

Scalar = str | int | float | bool | None

_NAME = r"[A-Za-z_][A-Za-z0-9_-]*"
_WHOLE = r"(?:0|[1-9](?:_?[0-9])*)"
_DIGITS = r"[0-9](?:_?[0-9])*"
_POINT = rf"(?:{_WHOLE}?\.{_DIGITS}|{_WHOLE}\.)"
# The part of Hydra's override grammar that sweeps are made of; ANTLR reads the rest, at a
# hundred times the price.
_LINE = re.compile(
    rf"(?P<prefix>\+{{0,2}})(?P<key>{_NAME}(?:\.{_NAME})*)=(?:"
    rf"(?P<float>[+-]?(?:(?:{_POINT}|{_WHOLE})[eE][+-]?{_DIGITS}|{_POINT}|(?i:inf|nan)))"
    rf"|(?P<int>[+-]?{_WHOLE})"
    r"|(?P<bool>(?i:true|false))"
    r"|(?P<null>(?i:null))"
    rf"|(?P<name>{_NAME})"
    r"|'(?P<single>[^'\\]*)'|\"(?P<double>[^\"\\]*)\")"
)
_PLAIN_KEY = re.compile(rf"{_NAME}(?:\.{_NAME})*")


@dataclass(frozen=True)
class Line:
    """An override.

    Attributes:
        text: as given.
        key: what it overrides: a dotted key, or a group.
        prefix: ``""``, ``"+"``, ``"++"`` or ``"~"``.
        value: what it sets, where it is plain.
        plain: it sets one value at one key, so that only that value varies between jobs.
        group: it chooses a config group's option.
        hopeless: Hydra has to see it each time: it is about Hydra's own configuration, refused,
            or not understood here.
    """

    text: str
    key: str
    prefix: str = ""
    value: Scalar = None
    plain: bool = False
    group: bool = False
    hopeless: bool = False

    @property
    def key_or_group(self) -> str:
        """As Hydra's own overrides call their key."""
        return self.key

    @property
    def input_line(self) -> str:
        """As Hydra's own overrides call their text."""
        return self.text

    @cached_property
    def path(self) -> tuple[str, ...]:
        """The key's parts."""
        return tuple(self.key.split("."))

    @property
    def shape(self) -> str:
        """What of it decides how the configuration is put together."""
        return f"{self.prefix}{self.key}=" if self.plain else self.text

    @property
    def fragile(self) -> bool:
        """Whether what it does can depend on the values in the tree when it is applied."""
        return not self.group and not (self.plain and self.prefix == "")

    def overlaps(self, other: Line) -> bool:
        """Whether the two reach the same key, or one a key within the other's."""
        mine, theirs = f"{self.key}.", f"{other.key}."
        return mine.startswith(theirs) or theirs.startswith(mine)


def read(text: str, is_group: Callable[[str], bool]) -> Line:
    """Reads one override; what Hydra would refuse comes back hopeless, not as an error.

    Args:
        text: the override.
        is_group: whether there is a config group of this name.
    """
    match = _LINE.fullmatch(text)
    try:
        parsed = None if match else OverridesParser.create().parse_override(text)
        key = match["key"] if match else parsed.key_or_group if parsed else ""
        if key.split(".")[0].split("/")[0] in ("hydra", ""):
            return Line(text, key, hopeless=True)
        if "${" in text:
            # Hydra keeps the texts of the overrides as nodes, where this must be well-formed.
            StringNode(text)
        group = is_group(key)
        if match is not None:
            return Line(text, key, match["prefix"], _value(match), plain=not group, group=group)
        assert parsed is not None
        return _classify(parsed, text, group)
    except Exception:  # noqa: BLE001 - whatever is wrong with it, Hydra is going to say
        return Line(text, "", hopeless=True)


def _value(match: re.Match[str]) -> Scalar:
    kind, text = match.lastgroup, match[match.lastgroup or 0]
    if kind == "int":
        return int(text)
    if kind == "float":
        return float(text)
    if kind == "bool":
        return text.lower() == "true"
    return None if kind == "null" else text


def _classify(parsed: Override, text: str, group: bool) -> Line:
    key = parsed.key_or_group
    value: Any = parsed.value()
    if parsed.is_delete():
        # A dict is never an option's name, so Hydra takes the key for one of the tree.
        group = group and not isinstance(value, dict)
        return Line(text, key, "~", group=group)
    if parsed.value_type is not ValueType.ELEMENT:
        return Line(text, key, hopeless=True)
    prefix = "+" if parsed.is_add() else "++" if parsed.is_force_add() else ""
    if parsed.package is not None or isinstance(value, dict):
        return Line(text, key, prefix, group=group and not isinstance(value, dict))
    plain = not group and _PLAIN_KEY.fullmatch(key) is not None and _is_scalar(value)
    return Line(text, key, prefix, value if plain else None, plain=plain, group=group)


def _is_scalar(value: Any) -> bool:
    return value is None or type(value) in (str, int, float, bool)
