"""What Hydra says in words alone, and what to say instead."""

from __future__ import annotations

import re
from collections.abc import Sequence

from runner.errors import ConfigError, RunnerError, UsageError
from runner.schema import OPTIONS

_KEYS = {kind.__name__: group for group, kinds in OPTIONS.items() for kind in kinds.values()}
_KEYS["HydraConf"] = "hydra"
"""Schema -> the key that it stands at."""

_RULES = (
    (
        r"Key (?P<value>.*) \(\w+\) is incompatible with",
        "key: is no text, as names are: put it in quotes",
    ),
    (r"Incompatible key type '(?P<value>.*)'", "key: needs a name"),
    (
        r"In '(?P<value>.*)':[^:]*:\s*Cannot merge DictConfig with ListConfig",
        "file: has a list where keys and values go",
    ),
    (
        r"'(?P<value>None)Type' object has no attribute '_set_flag'",
        "hydra: needs a mapping, of its keys",
    ),
    (
        r"invalid literal for int\(\) with base 10: '(?P<key>.*)'",
        "is looked for in a list: write the list, [a,b]",
    ),
    (r"An item is already at '(?P<key>[^']*)'", "is there already: leave out the +"),
    (
        r"Could not delete from config\. '(?P<key>.*)' does not exist",
        "is null or not there: nothing to take away",
    ),
    (r"Could not delete from config\. The value of '(?P<key>[^']*)'", "has another value"),
    (
        r"Multiple values for (?:schema/)?(?P<key>[\w/.]*\w)",
        "takes one option, and has one: no list, no +",
    ),
    (
        r"schema/(?P<key>\w+)\S* appears more than once",
        "these options define the same entry: choose one",
    ),
    (r"Could not (?:override|delete) '(?P<key>=?)'", "has no key; see --help"),
    (
        r"Could not delete '(?P<key>[^']*)'\. No match",
        "cannot be taken away: give it another value",
    ),
    (r"at input '(?P<value>.*)'\s+full_key: (?P<key>\S+)", "is no lookup that can be read: ${KEY}"),
    (r"maximum recursion depth", "a defaults list leads back to its own file: take that entry out"),
    (r"force-add of config groups is not supported: '\+\+(?P<key>[^=]*)=", "leave out the ++"),
    (r"Error merging override ~(?P<key>[^=]*)", "cannot be taken away: give it another value"),
    (r"Error merging override [+]{0,2}(?P<key>[^=]*)=", "is of another kind than what is there"),
    (r"hydra\.(?P<key>searchpath) must be a list", "needs a list of places: [file:///DIR]"),
    (r"registered for schema (?P<value>\w+)", "hydra.searchpath: needs file:// or pkg://"),
)
"""What is in Hydra's words, with the key -> what to say instead."""


def by_rule(text: str, overrides: Sequence[str]) -> RunnerError | None:
    """An error of ours for a text of Hydra's; None: the text is none of these.

    Args:
        text: the exception's.
        overrides: as they were typed.
    """
    merged = re.search(r"is not a subclass of (\w+)\. value: (.*)", text)
    if merged and merged[1] in _KEYS:
        return ConfigError(_KEYS[merged[1]], merged[2], "needs a mapping, of its keys")
    for pattern, problem in _RULES:
        found = re.search(pattern, text)
        if found is None:
            continue
        parts = found.groupdict()
        if not parts:
            return UsageError(problem)
        if {"key", "value"} <= parts.keys():
            return ConfigError(parts["key"], parts["value"], problem)
        if "value" in parts:
            key, _, said = problem.partition(": ")
            return ConfigError(key, parts["value"], said)
        key = parts["key"]
        for override in overrides:
            typed, _, value = override.partition("=")
            bare = typed.lstrip("+~")
            if bare == key or bare.endswith(f".{key}"):
                return ConfigError(typed if typed.startswith("~") else bare, value, problem)
        return ConfigError(key, "", problem)
    return None
