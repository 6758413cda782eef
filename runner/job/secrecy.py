"""Keeps what the environment holds out of everything that is stored or said."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator, Mapping
from typing import Any

from runner.errors import ConfigError, LayerFailedError, RunnerError

_WORDS = r"secret|token|passw(?:or)?d|passphrase|(?:api|access|private)[_-]?key|credentials?"
_SECRET = re.compile(_WORDS, re.IGNORECASE)
_SECRET_KEY = re.compile(rf"(?:^|[._-])(?:{_WORDS})$", re.IGNORECASE)

_SHORTEST = 4
"""Of a text that is looked for in messages: `3` would be found everywhere, and tells nothing."""

_CUT = 8
"""Characters of a longer one that are enough to know it by: messages shorten what they show."""


class Secrets:
    """The values that came from the environment, and what is shown in their place.

    Args:
        config: the configuration, every interpolation resolved.
        stored: the same, with the text of the interpolation where the environment has a part.
    """

    def __init__(self, config: Mapping[str, Any], stored: Mapping[str, Any]) -> None:
        self._config = config
        self._stored = stored
        pairs = {(str(value), str(raw)) for value, raw in _differences(config, stored)}
        self._texts = sorted(
            (pair for pair in pairs if len(pair[0]) >= _SHORTEST), key=lambda pair: -len(pair[0])
        )

    def hide(self, text: str) -> str:
        """The text, with the interpolation in place of what it gave."""
        for value, raw in self._texts:
            text = text.replace(value, raw)
            if len(value) > _CUT:
                text = _without_pieces(text, value, raw)
        return text

    def hide_in(self, error: BaseException) -> None:
        """The same for an error of ours, in place; of the reader's code, for its traceback too."""
        if isinstance(error, LayerFailedError) and error.__cause__ is not None:
            error.trace = self.hide("".join(traceback.format_exception(error.__cause__)))
        if not isinstance(error, RunnerError) or self._stored == self._config:
            return
        if isinstance(error, ConfigError):
            value, raw = _at(error.key, self._config), _at(error.key, self._stored)
            if value != raw:
                error.value = raw
            elif isinstance(error.value, str):
                error.value = self.hide(error.value)
            error.problem = self.hide(error.problem)
        error.args = tuple(
            self.hide(part) if isinstance(part, str) else part for part in error.args
        )


def is_secret_name(name: str) -> bool:
    """Whether a variable or a key is called like something that nobody else is to know."""
    return _SECRET.search(name) is not None


def literal_secrets(values: Mapping[str, Any], environment: Mapping[str, str]) -> Iterator[str]:
    """What is about to be stored as it was typed and looks like a secret; never says the value.

    Args:
        values: dotted key -> value, as it goes to disk.
        environment: the variables; those with telling names are looked for in the values.
    """
    known = {n: v for n, v in environment.items() if is_secret_name(n) and len(v) >= _CUT}
    for key, value in values.items():
        if not isinstance(value, str) or not value or "${" in value:
            continue
        name = next((name for name, secret in known.items() if secret in value), None)
        if name is not None:
            yield f"{key} was typed with the value of {name}: write ${{oc.env:{name}}} instead"
        elif _SECRET_KEY.search(key):
            yield f"{key} looks like a secret, stored as typed: write ${{oc.env:NAME}} instead"


def _differences(value: Any, stored: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, Mapping) and isinstance(stored, Mapping):
        for key in value:
            yield from _differences(value[key], stored[key])
    elif isinstance(value, list) and isinstance(stored, list):
        for one, other in zip(value, stored, strict=True):
            yield from _differences(one, other)
    elif value != stored:
        # A whole section may come from the environment; then each of its values does.
        for leaf in _leaves(value):
            yield leaf, stored


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, (Mapping, list)):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _leaves(item)
    else:
        yield value


def _at(dotted: str, tree: Any) -> Any:
    """What the tree has at a key; where it ends in a leaf on the way, that."""
    for part in dotted.split("."):
        if not isinstance(tree, Mapping) or part not in tree:
            return tree if not isinstance(tree, Mapping) else None
        tree = tree[part]
    return tree


def _without_pieces(text: str, value: str, raw: str) -> str:
    """The text without the beginning or the end of a value that was cut to fit in."""
    # What stands in a value's place is not looked at again: it may begin or end as the value does.
    text = raw.join(_without_heads(part, value, raw) for part in text.split(raw))
    return raw.join(
        _without_heads(part[::-1], value[::-1], raw[::-1])[::-1] for part in text.split(raw)
    )


def _without_heads(text: str, value: str, raw: str) -> str:
    kept = ""
    while (start := text.find(value[:_CUT])) >= 0:
        kept += text[:start] + raw
        text = text[start + _in_common(text[start:], value) :]
    return kept + text


def _in_common(one: str, other: str) -> int:
    """How many characters they begin with are the same."""
    for count, (here, there) in enumerate(zip(one, other, strict=False)):
        if here != there:
            return count
    return min(len(one), len(other))
