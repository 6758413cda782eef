"""A composed configuration with its schema's types and keys, also where its YAML brought none."""

from __future__ import annotations

import dataclasses
from typing import Any

from omegaconf import DictConfig, Node, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from runner.app.hints import explain_value
from runner.app.lookups import raw_value
from runner.errors import ConfigError, UnknownKeyError, clip
from runner.schema import BY_TARGET, OPTIONS, Config, left_over

_ROOT = tuple(field.name for field in dataclasses.fields(Config))


def completed(cfg: DictConfig) -> DictConfig:
    """The task's configuration, typed and whole: entries, groups and the root.

    Raises:
        ConfigError: a key that nothing would ever read, one that a run can't do without, or a
            value of the wrong type.
    """
    for name in _ROOT:
        if name not in cfg:
            raise ConfigError(name, "", "is needed by every run: don't take it away")
    _check_root(cfg)
    if OmegaConf.get_type(cfg) is not Config:
        base = OmegaConf.structured(Config)
        OmegaConf.set_struct(base, False)
        cfg = _merged(base, cfg)
    if isinstance(cfg.get("layers"), DictConfig):
        for name in cfg.layers:
            _complete_entry(cfg.layers, str(name), f"layers.{name}")
    _complete_entry(cfg, "data", "data")
    for group in ("seeds", "numerics", "save"):
        _complete_group(cfg, group)
    return cfg


def _check_root(cfg: DictConfig) -> None:
    """Refuses a key that is one of ours but for a letter, unless something looks it up."""
    own = [str(key) for key in cfg if key not in _ROOT]
    for key in own:
        if "/" in key:  # Hydra makes a key of it where there is no such group
            value = raw_value(cfg._get_node(key))
            raise ConfigError(key, value, "there is no such group; --help lists them")
        meant = _mistyped(key)
        if meant is not None and f"{{{key}" not in str(OmegaConf.to_container(cfg, resolve=False)):
            raise UnknownKeyError(key, raw_value(cfg._get_node(key)), meant, _ROOT)


def _mistyped(key: str) -> str | None:
    """The root key that has the same letters, or one more or less."""
    asked = key.lower().replace("_", "")
    for name in _ROOT:
        known = name.replace("_", "")
        if sorted(asked) == sorted(known) or known in _shorter(asked) or asked in _shorter(known):
            return name
    return None


def _shorter(word: str) -> list[str]:
    return [word[:at] + word[at + 1 :] for at in range(len(word))]


def _complete_group(cfg: DictConfig, group: str) -> None:
    """Completes a group without a class; its schema is the one that has most of the keys."""
    node = cfg._get_node(group)
    assert isinstance(node, Node)
    try:
        there = node._maybe_dereference_node(throw_on_resolution_failure=True)
    except OmegaConfBaseException as error:
        raise explain_value(error) from None
    if not isinstance(there, DictConfig) or there._is_none() or there._is_missing():
        raise ConfigError(
            group, raw_value(node), f"needs keys and values: {group}=… takes an option"
        )
    kind: Any = OmegaConf.get_type(there)
    if kind not in OPTIONS[group].values():
        keys = [str(key) for key in there]
        kind = max(
            OPTIONS[group].values(), key=lambda known: sum(k in _fields(known) for k in keys)
        )
    raw: Any = OmegaConf.to_container(there, resolve=False)
    _complete(cfg, group, there, raw, kind, group)


def _complete_entry(parent: DictConfig, name: str, key: str) -> None:
    """Completes an entry that names a class of ours."""
    entry = parent._get_node(name)
    if not isinstance(entry, DictConfig) or entry._is_none() or entry._is_missing():
        return
    raw: Any = OmegaConf.to_container(entry, resolve=False)
    schema = BY_TARGET.get(str(raw.get("_target_"))) if isinstance(raw, dict) else None
    if schema is not None:
        _complete(parent, name, entry, raw, schema, key)


def _complete(
    parent: DictConfig, name: str, node: DictConfig, raw: Any, schema: Any, key: str
) -> None:
    fields, left = _fields(schema), left_over(raw)
    raw = {key: value for key, value in raw.items() if key in fields or key not in left}
    for given, value in raw.items():
        if given not in fields:
            there = [field for field in fields if not field.startswith("_")]
            if not there:
                problem = f"{clip(str(raw['_target_']), 60)} takes no arguments"
                raise ConfigError(f"{key}.{given}", value, problem)
            raise UnknownKeyError(f"{key}.{given}", value, str(given), there)
    kind = OmegaConf.get_type(node)
    if kind is not schema:
        # A class that was exchanged for another one of ours brings its own types.
        own = OmegaConf.create(raw) if dataclasses.is_dataclass(kind) else node
        with open_dict(parent):
            parent[name] = _merged(OmegaConf.structured(schema), own, key)


def _fields(schema: Any) -> list[str]:
    return [field.name for field in dataclasses.fields(schema)]


def _merged(base: Any, node: DictConfig, key: str = "") -> DictConfig:
    try:
        merged = OmegaConf.merge(base, node)
    except OmegaConfBaseException as error:
        raise explain_value(error, within=key) from None
    assert isinstance(merged, DictConfig)
    return merged
