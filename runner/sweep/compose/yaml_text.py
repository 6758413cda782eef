"""YAML texts of which a few values vary, equal to the byte to OmegaConf's own."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from omegaconf import OmegaConf

Path = tuple[str, ...]

# Printable ASCII without blanks, which YAML writes without quotes whatever is around it: with such
# a first character it is no number or date, and the words it could be are in `_RESERVED`.
_WORD = re.compile(r"[+~]{0,2}([A-Za-z_/](?:[!-~]*[!-9;-~])?)")
_RESERVED = frozenset(
    ("y", "n", "yes", "no", "true", "false", "on", "off", "null", "inf", "infinity", "nan")
)
_SLOT = "runnerSlot{}End"
_ANY_SLOT = re.compile(r" (runnerSlot[0-9]+End)")  # the space too: a list has none there


class Template:
    """The YAML of a tree in which the values at some paths vary.

    Args:
        tree: plain dicts and lists, as ``OmegaConf.to_container(…, enum_to_str=True)`` gives them.
        paths: of the values that vary; dicts all the way.

    Raises:
        ValueError: the tree's own text looks like one of our marks.
    """

    def __init__(self, tree: dict[str, Any], paths: Sequence[Path]) -> None:
        marks = {_SLOT.format(i): path for i, path in enumerate(paths)}
        marked = tree
        for mark, path in marks.items():
            marked = replaced(marked, path, mark)
        pieces = _ANY_SLOT.split(OmegaConf.to_yaml(marked))
        if sorted(pieces[1::2]) != sorted(marks):
            raise ValueError("the configuration contains one of the template's marks")
        self._pieces = pieces
        self._slots = {marks[mark]: 2 * i + 1 for i, mark in enumerate(pieces[1::2])}

    def fill(self, texts: Mapping[Path, str]) -> str:
        """The text with every slot filled by what :func:`scalar` or :func:`sequence` gave."""
        pieces = self._pieces.copy()
        for path, text in texts.items():
            pieces[self._slots[path]] = text
        return "".join(pieces)


def scalar(value: Any, path: Path) -> str:
    """A value as OmegaConf writes it behind ``key:``, up to the end of the line.

    Args:
        value: str, int, float, bool or None.
        path: of the value in the tree: how far a long text is indented depends on it.
    """
    kind = type(value)
    if kind is int:
        return f" {value}"
    if kind is float and math.isfinite(value):
        text = repr(value)
        # YAML 1.1 takes 1e-05 for a string: a float has a point.
        return f" {text}" if "." in text else f" {text.replace('e', '.0e', 1)}"
    if kind is bool:
        return " true" if value else " false"
    if value is None:
        return " null"
    if kind is str and is_plain(value):
        return f" {value}"
    if kind is str and value.isascii() and value.isdigit():
        return f" '{value}'"
    return " " + _dumped(value, path, False)


def sequence(values: Sequence[str], path: Path) -> str:
    """A list of strings as OmegaConf writes it behind ``key:``; for no path, as a whole file."""
    if not values:
        return " []" if path else "[]\n"
    indent = "  " * (len(path) - 1)
    lines = [f"{indent}- {_item(value, path)}" for value in values]
    return "\n".join(["", *lines] if path else [*lines, ""])


def is_plain(text: str) -> bool:
    """Whether a string is surely written as it stands."""
    word = _WORD.fullmatch(text)
    return word is not None and word[1].lower() not in _RESERVED


def nested(path: Path, value: Any) -> Any:
    """A tree with nothing but this value."""
    for key in reversed(path):
        value = {key: value}
    return value


def replaced(tree: dict[str, Any], path: Path, value: Any) -> dict[str, Any]:
    """The tree with another value at a path; what lies beside the path is shared."""
    key, rest = path[0], path[1:]
    return {**tree, key: replaced(tree[key], rest, value) if rest else value}


def _item(value: str, path: Path) -> str:
    return value if is_plain(value) else _dumped(value, path, True)


@lru_cache(4096, typed=True)
def _dumped(value: Any, path: Path, listed: bool) -> str:
    """The text of a value by OmegaConf itself, as the only one in the tree (or in its list)."""
    text = OmegaConf.to_yaml(nested(path, [value] if listed else value))
    return text[_start(path, listed) : -1]


@lru_cache(4096)
def _start(path: Path, listed: bool) -> int:
    mark = _SLOT.format(0)
    return OmegaConf.to_yaml(nested(path, [mark] if listed else mark)).index(mark)
