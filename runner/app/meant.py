"""What was meant by a value that is refused, as one would type it."""

from __future__ import annotations

import re
import shlex
from typing import Any

WHOLE = "needs a whole number"
LIST = "needs a list"

_FLOAT = re.compile(r"[-+]?\d[\d_]*(?:\.\d*)?(?:[eE][-+]?\d+)?")
_BASE = re.compile(r"[-+]?0[xXoObB][\da-fA-F_]+")
_THOUSANDS = re.compile(r"(?P<digits>[-+]?\d+)(?P<unit>[kM])")
_UNITS = {"k": 1_000, "M": 1_000_000}
_LARGEST = 1 << 53  # where real numbers begin to leave whole ones out
_WORD = re.compile(r"[^\W\d][\w.-]*")


def with_example(key: str, value: Any, need: str) -> str:
    """A need, and what to type where the value leaves no doubt of that.

    Args:
        key: what was given.
        value: what it was given: as text, or as what a file holds.
        need: a phrase; those that have examples are this module's.
    """
    text = str(value).strip().strip("'\"")
    if need == WHOLE and not isinstance(value, bool):
        number = _whole(text)
        told = number is not None and str(number) != text
        return f"{need}: {key}={number}" if told else need
    if need == LIST:
        inside = text if _WORD.fullmatch(text) and value is not None else "1,2"
        example = f"{key}=[{inside}]"
        return f"{need}: {shlex.quote(example)}" if inside == text else f"{need}: [{inside}]"
    return need


def _whole(text: str) -> int | None:
    """The whole number that a text is another way to write; None: there is not just one."""
    if found := _THOUSANDS.fullmatch(text):
        return int(found["digits"]) * _UNITS[found["unit"]]
    try:
        if _BASE.fullmatch(text):
            return int(text, 0)
        number = float(text) if _FLOAT.fullmatch(text) else 0.5
    except ValueError:
        return None
    return int(number) if number.is_integer() and abs(number) < _LARGEST else None
