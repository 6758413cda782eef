"""Hydra's and OmegaConf's errors in our words: the key, the value, what to do, on one line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import (
    HydraException,
    MissingConfigException,
    OverrideParseException,
)
from omegaconf import DictConfig, OmegaConf, ValueNode
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    InterpolationResolutionError,
    KeyValidationError,
    OmegaConfBaseException,
    ValidationError,
)
from yaml import MarkedYAMLError, YAMLError

from runner.app.meant import LIST, WHOLE, with_example
from runner.app.rules import by_rule
from runner.errors import (
    ConfigError,
    RunnerError,
    UnknownKeyError,
    UsageError,
    chain,
    clip,
    nearest,
    one_line,
    refusal,
)
from runner.schema import BY_TARGET

_KINDS = {
    "IntegerNode": "needs a whole number",
    "FloatNode": "needs a number",
    "BooleanNode": "needs true or false",
    "StringNode": "needs a text",
    "ListConfig": "an empty list is []",
}

_NEEDS = {
    "Integer": WHOLE,
    "Float": "needs a number",
    "Boolean": "needs true or false",
    "valid bool": "needs true or false",
    "not Optional": "cannot be null",
    "Cannot convert": "needs a text",
    "not a ListConfig": LIST,
    "is not a subclass": "needs a mapping",
    "Cannot assign": "needs a mapping",
}


class SeveralValuesError(ConfigError):
    """A key has several values, and no sweep was asked for."""


def translate(
    error: BaseException,
    overrides: Sequence[str],
    groups: Callable[[], Sequence[str]] = lambda: (),
) -> RunnerError:
    """What Hydra raised while composing, as an error of ours.

    Args:
        error: the exception.
        overrides: as they were typed.
        groups: gives the names of the groups, for hints; called only where one is needed.
    """
    refused = refusal(error)
    if refused is not None:
        return refused
    behind = list(chain(error))
    for found in behind:
        if isinstance(found, RunnerError):
            return found
        if isinstance(found, MissingConfigException):
            return _missing(found)
        if isinstance(found, OverrideParseException):
            return _unparsable(found)
        if isinstance(found, (ConfigAttributeError, ConfigKeyError)):
            return _unknown_key(found, overrides, groups)
        if isinstance(found, InterpolationResolutionError):
            return _unresolved(found, overrides)
        if isinstance(found, (ValidationError, KeyValidationError)):
            return _invalid(found, overrides)
        if isinstance(found, YAMLError):
            return _bad_yaml(found)
        if isinstance(found, KeyError) and "hydra.job.env_copy" in " ".join(overrides):
            name = str(found.args[0]) if found.args else ""
            return ConfigError("hydra.job.env_copy", name, "no such variable in the environment")
        if isinstance(found, OSError) and found.filename:
            return UsageError(f"cannot read {found.filename}: {found.strerror}")
    return _other(behind[0], overrides)


def explain_value(error: OmegaConfBaseException, within: str = "", asked: str = "") -> RunnerError:
    """A value that OmegaConf refuses or cannot resolve, at the key ``asked`` if it tells none."""
    key = ".".join(part for part in (within, error.full_key or "") if part) or asked
    if isinstance(error, (ConfigAttributeError, ConfigKeyError)):
        return UnknownKeyError(key, "", str(error.key), _keys(error))
    raw = _raw(error)
    if isinstance(error, InterpolationResolutionError) or (isinstance(raw, str) and "${" in raw):
        # The value itself may come from the environment: neither it nor the reason is shown.
        missing = re.search(r"Environment variable '(\w+)' not found", str(error))
        needs = next((need for mark, need in _NEEDS.items() if mark in str(error.msg)), None)
        reason = f"{needs}, and what this gives is none" if needs else "cannot be resolved"
        reason = f"no variable {missing[1]} in the environment" if missing else reason
        return ConfigError(key, raw if isinstance(raw, str) else "${…}", reason)
    value = _value_of(error)
    return ConfigError(key, value, with_example(key, value, _need(error)))


def _unresolved(error: InterpolationResolutionError, overrides: Sequence[str]) -> RunnerError:
    ours = explain_value(error)
    if isinstance(ours, ConfigError) and not ours.key:  # of `--resolve`, which knows no keys
        return UsageError(f"a lookup cannot be followed: {ours.problem}")
    if isinstance(ours, ConfigError) and ours.key == "_dummy_":  # Hydra's, for an option
        typed = (text.partition("=") for text in overrides)
        ours.key = next((key for key, _, value in typed if value == ours.value), "defaults")
    return ours


def _missing(error: MissingConfigException) -> RunnerError:
    path, options = error.missing_cfg_file or "", error.options or ()
    group, _, option = path.rpartition("/")
    if group and options:
        return UnknownKeyError(group, option, option, options)
    if "primary config" in str(error):
        asked = clip(path or "config", 60)
        return UsageError(
            f"--config-name {asked}: no {asked}.yaml in --config-dir or --config-path"
        )
    if group:
        return ConfigError(group, option, "there is no such file; --info searchpath says where")
    return UsageError(one_line(str(error)))


def _unparsable(error: OverrideParseException) -> RunnerError:
    key, _, value = str(error.override).partition("=")
    if "missing EQUAL" in str(error) or not _:
        return UsageError(f"{one_line(key, 80)}: neither a verb nor key=value; see --help")
    if key != key.rstrip():
        typed = f"{key.rstrip()}={value.strip()}"
        return UsageError(
            f"{one_line(str(error.override), 60)}: no blank before the =: {clip(typed, 80)}"
        )
    return ConfigError(key, value, f"cannot be read; in quotes it can: '{one_line(key, 30)}=\"…\"'")


def _unknown_key(
    error: OmegaConfBaseException, overrides: Sequence[str], groups: Callable[[], Sequence[str]]
) -> RunnerError:
    full_key = error.full_key or str(error.key)
    key, value = _given(full_key, overrides)
    asked = full_key.rpartition(".")[2]
    there: list[str] = [str(k) for k in _keys(error)]
    if "." not in full_key:
        there = [k for k in there if k != "hydra"]
    if "." not in full_key and "=" in " ".join(overrides) and asked not in (named := groups()):
        there = sorted({*there, *named} - {"schema"})
    if value is None:
        value = _value_of(error)
    if not there and OmegaConf.get_type(error.parent_node) in BY_TARGET.values():
        return ConfigError(key, value, "takes no keys of its own: leave it out")
    if not there:
        return ConfigError(key, value, f"is not there; to add it: +{clip(key, 60)}=…")
    adding = "/" not in key and full_key.rpartition(".")[0] in ("", "layers")
    if adding and value is not None and not nearest(asked, there):
        known = clip(", ".join(there), 60)
        return ConfigError(key, value, f"is not there ({known}); to add it: +{clip(key, 30)}=…")
    return UnknownKeyError(key, value, asked, there)


def _invalid(error: OmegaConfBaseException, overrides: Sequence[str]) -> RunnerError:
    known = by_rule(str(error), overrides)
    if known is not None:
        return known
    key, value = _given(error.full_key or "", overrides)
    if value is None:
        value = _value_of(error)
    need = "cannot be null" if value is None else with_example(key, value, _need(error))
    return ConfigError(key, value, need)


def _other(error: BaseException, overrides: Sequence[str]) -> RunnerError:
    text = next(filter(None, map(str, chain(error))), "")
    known = by_rule(text, overrides)
    if known is not None:
        return known
    ambiguous = re.search(r"Ambiguous value for argument '(.*)'", text)
    if ambiguous or "requires --multirun" in text:
        found = ambiguous or re.search(r"Sweep parameters '(.*)' requires", text)
        key, _, value = (found[1] if found else text).partition("=")
        return SeveralValuesError(
            key, value, f"several values are a sweep: add -m; a list is {key}=[…]"
        )
    if "Config group override must be" in text or "'int' is not iterable" in text:
        for override in overrides:
            key, _, value = override.partition("=")
            if not key:
                return UsageError(f"{one_line(override, 80)}: has no key; see --help")
            options = _value(override)
            options = options if isinstance(options, list) else [options]
            if "." not in key and not all(isinstance(option, str) for option in options):
                return ConfigError(key, value or "''", "needs one of its options: see --help")
    if not isinstance(error, (HydraException, OmegaConfBaseException)) and not _raised_below(error):
        raise error
    return UsageError(one_line(text or type(error).__name__))


def _raised_below(error: BaseException) -> bool:
    """Whether an exception comes out of composing; from our own code it is a bug of ours."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    module = trace.tb_frame.f_globals.get("__name__", "") if trace else ""
    return not str(module).startswith("runner.")


def _value(override: str) -> Any:
    try:
        return OverridesParser.create().parse_override(override).value()
    except HydraException:
        return None


def _bad_yaml(error: YAMLError) -> RunnerError:
    if not isinstance(error, MarkedYAMLError) or error.problem_mark is None:
        return UsageError(one_line(str(error)))
    mark = error.problem_mark
    place = f"{clip(str(mark.name), 90, keep_end=True)}, line {mark.line + 1}"
    return UsageError(f"{place}: {one_line(error.problem or '', 80)}")


def _given(full_key: str, overrides: Sequence[str]) -> tuple[str, Any]:
    """The key that was typed and its value; the full key and None where nobody typed it."""
    parser = OverridesParser.create()
    for text in reversed(overrides):  # the last one wins
        try:
            override = parser.parse_override(text)
        except HydraException:
            continue
        key = override.key_or_group
        if full_key == key:
            return key, text.partition("=")[2]
        if full_key.startswith((f"{key}.", f"{key}[")):
            value: Any = override.value()
            if not isinstance(value, (dict, list)):
                continue  # the option of a group
            for part in re.findall(r"[^.\[\]]+", full_key[len(key) :]):
                try:
                    value = value[int(part)] if isinstance(value, list) else value[part]
                except (KeyError, IndexError, TypeError, ValueError):
                    break
            return full_key, value
        if key.startswith(f"{full_key}."):
            # The unknown part is a prefix of what was typed: `dta.samples=3`.
            return key, text.partition("=")[2]
    return full_key, None


def _keys(error: OmegaConfBaseException) -> Iterable[str]:
    parent = error.parent_node
    if not isinstance(parent, DictConfig):
        return []
    return [str(key) for key in parent if not str(key).startswith("_")]


def _value_of(error: OmegaConfBaseException) -> Any:
    """What was refused, as a plain value."""
    value = error.value if error.value is not None else _raw(error)
    return value._value() if isinstance(value, ValueNode) else value


def _raw(error: OmegaConfBaseException) -> Any:
    parent = error.parent_node
    try:
        node = parent._get_node(error.key) if parent is not None else None
        return node._value() if node is not None else None
    except (OmegaConfBaseException, AttributeError, KeyError):
        return None


def _need(error: OmegaConfBaseException) -> str:
    text = str(error.msg or error)
    for mark, need in _NEEDS.items():
        if mark in text:
            can = _KINDS.get(type(error.child_node).__name__) if mark == "not Optional" else None
            return f"{need}: {can}" if can else need
    return one_line(text.partition("\n")[0], 100)
