"""From a composed OmegaConf tree to plain values, and to what of them may go to disk."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from omegaconf import Container, DictConfig, ListConfig, OmegaConf, open_dict
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException
from omegaconf.resolvers import oc

from runner.app.hints import explain_value
from runner.errors import ConfigError, UnknownKeyError
from runner.schema import BY_TARGET


def plain(cfg: DictConfig) -> tuple[dict[str, Any], dict[str, Any]]:
    """The task's configuration as plain dicts and lists: resolved, and as it is stored.

    The second differs only where a value comes from the environment, directly or through another
    key: there the text of the interpolation stands in its place.

    Raises:
        ConfigError: a value that is missing, of the wrong type, or cannot be resolved.
    """
    _complete(cfg)
    try:
        resolved = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    except MissingMandatoryValue as error:
        key = error.full_key or ""
        raise ConfigError(key, "???", f"has to be given: {key}=…") from None
    except OmegaConfBaseException as error:
        raise explain_value(error) from None
    assert isinstance(resolved, dict)
    raw = OmegaConf.to_container(cfg, resolve=False)
    stored = _stored(cfg, raw, resolved) if "oc.env" in str(raw) else resolved
    return resolved, stored  # type: ignore[return-value]


def _complete(cfg: DictConfig) -> None:
    """Gives entries that name a class of ours without its schema the schema's types and keys."""
    if isinstance(cfg.get("layers"), DictConfig):
        for name in cfg.layers:
            _complete_entry(cfg.layers, str(name), f"layers.{name}")
    _complete_entry(cfg, "data", "data")


def _complete_entry(parent: DictConfig, name: str, key: str) -> None:
    entry = parent._get_node(name)
    if not isinstance(entry, DictConfig) or entry._is_none() or entry._is_missing():
        return
    raw: Any = OmegaConf.to_container(entry, resolve=False)
    schema = BY_TARGET.get(str(raw.get("_target_")))
    if schema is None:
        return
    known = [f.name for f in dataclasses.fields(schema)]
    for given, value in raw.items():
        if given not in known:
            there = [field for field in known if not field.startswith("_")]
            raise UnknownKeyError(f"{key}.{given}", value, str(given), there)
    if OmegaConf.get_type(entry) is schema:
        return
    try:
        completed = OmegaConf.merge(OmegaConf.structured(schema), entry)
    except OmegaConfBaseException as error:
        raise explain_value(error, within=key) from None
    with open_dict(parent):
        parent[name] = completed


def _stored(node: Container, raw: Any, resolved: Any) -> Any:
    """``resolved``, with the raw text of every leaf that the environment has a part in."""
    if isinstance(resolved, dict) and isinstance(raw, dict):
        return {key: _stored_child(node, key, raw[key], value) for key, value in resolved.items()}
    if isinstance(resolved, list) and isinstance(raw, list):
        return [
            _stored_child(node, index, raw[index], value) for index, value in enumerate(resolved)
        ]
    return resolved


def _stored_child(node: Container, key: Any, raw: Any, value: Any) -> Any:
    if isinstance(raw, str) and "${" in raw:
        with _watching_environment() as uses:
            node._get_node(key)._maybe_dereference_node()  # type: ignore[union-attr]
            child = node[key]
            if isinstance(child, (DictConfig, ListConfig)):
                OmegaConf.to_container(child, resolve=True)
        return raw if uses else value
    child = node._get_node(key)
    return _stored(child, raw, value) if isinstance(child, Container) else value


@contextmanager
def _watching_environment() -> Iterator[list[str]]:
    """Collects the names of the environment's variables that are read meanwhile."""
    uses: list[str] = []

    def env(name: str, *default: Any) -> Any:
        uses.append(name)
        return oc.env(name, *default)

    OmegaConf.register_new_resolver("oc.env", env, replace=True)
    try:
        yield uses
    finally:
        OmegaConf.register_new_resolver("oc.env", oc.env, replace=True)
