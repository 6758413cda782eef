"""Overrides as they were typed: what could be meant two ways is told, not guessed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NoReturn

from runner.app.yaml_file import (
    DEEPEST,
    TOO_MANY_DIGITS,
    leading_zero,
    not_as_typed,
    text_keys,
    too_many_digits,
)
from runner.errors import ConfigError, UsageError, clip

_SET = re.compile(r"(?P<prefix>\+{0,2})(?P<key>[^+~=][^=]*)=(?P<value>.*)", re.DOTALL)
_TRUST = re.compile(r"\+{0,2}trust=(.*)", re.DOTALL)
_EMPTY = re.compile(r"\{\s*\}\s*")
_LIST = re.compile(r"\[([^\[\]{}()'\"\\]*)\]")
_LONGEST_KEY = 250  # characters; a file system has no longer name of a group
_OF_SWEEPS = ("hydra.sweeper.", "hydra.launcher.")
_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", re.DOTALL)


def check_overrides(overrides: Sequence[str]) -> None:
    """Refuses overrides that can be read in two ways, or that no run needs.

    Raises:
        ConfigError: with the key and the value.
        UsageError: an override that is no text, or nested too deep.
    """
    seen: dict[str, str] = {}
    for text in overrides:
        _check_text(text)
        found = _SET.fullmatch(text)
        if found is None:
            continue
        key, value = found["key"], found["value"]
        if key in seen:
            raise ConfigError(key, value, f"is given twice, as {seen[key]} before: say which")
        seen[key] = value
        if _EMPTY.fullmatch(value) and found["prefix"] != "+" and not key.startswith("hydra"):
            # Hydra merges `layers={}` with what is there: it would change nothing, in silence.
            problem = f"is merged and so changes nothing; ~{key}.NAME takes an entry away"
            raise ConfigError(key, "{}", problem)
        inside = _LIST.fullmatch(value.strip())
        for word in (inside[1] if inside else value).split(","):
            _check_word(key, value, word.strip())


def check_of_one_run(overrides: Sequence[str]) -> None:
    """Refuses what only a sweep would heed: Hydra composes it into one run as well, in silence.

    Raises:
        ConfigError: the first of them.
    """
    for text in overrides:
        found = _SET.fullmatch(text)
        if found and found["key"].startswith(_OF_SWEEPS) and found["value"] != "null":
            raise ConfigError(found["key"], found["value"], "is of a sweep: add -m")


def trusted_in(overrides: Sequence[str]) -> list[str]:
    """The modules that overrides name in ``trust``."""
    found = (_TRUST.fullmatch(text) for text in overrides)
    return [name for match in found if match for name in re.findall(r"[\w.]+", match[1])]


def _check_word(key: str, value: str, word: str) -> None:
    name = key.rpartition(".")[2]
    if name in text_keys():
        kept = not_as_typed(word)
        if kept is not None:
            alone = rf"(?<![^\s,\[]){re.escape(word)}(?![^\s,\]])"
            quoted = clip(re.sub(alone, f'"{word}"', value.strip(), count=1), 50)
            problem = f"{word} is read as {kept}; as text it needs quotes: {key}='{quoted}'"
            raise ConfigError(key, value, problem)
    elif leading_zero(word):
        raise ConfigError(key, value, "could be octal: write it without a leading 0")


def _check_text(text: str) -> None:
    if any("\ud800" <= c <= "\udfff" for c in text):
        _refuse(text, "has bytes that are no UTF-8")
    if len(text.partition("=")[0]) > _LONGEST_KEY:
        _refuse(text, f"is too long for a key: at most {_LONGEST_KEY} characters")
    bare = _QUOTED.sub("", text)
    if too_many_digits(bare):
        _refuse(text, TOO_MANY_DIGITS)
    depth = deepest = 0
    for c in bare:
        depth += (c in "[{(") - (c in "]})")
        deepest = max(deepest, depth)
    if deepest > DEEPEST:
        _refuse(text, f"is nested {deepest} deep, at most {DEEPEST}")


def _refuse(text: str, problem: str) -> NoReturn:
    key, sign, value = text.partition("=")
    if sign:
        raise ConfigError(key, value, problem)
    raise UsageError(f"{text}: {problem}")
