"""From a composed OmegaConf tree to plain values, and to what of them may go to disk."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from omegaconf import Container, DictConfig, ListConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException
from omegaconf.resolvers import oc

from runner.app.complete import completed
from runner.app.hints import explain_value
from runner.errors import ConfigError
from runner.job import is_secret_name

_OUTPUT_DIR = re.compile(r"^ +output_dir: .*(?:\n {6,}.*)*", re.MULTILINE)


def plain(cfg: DictConfig) -> tuple[dict[str, Any], dict[str, Any]]:
    """The task's configuration as plain dicts and lists: resolved, and as it is stored.

    The second differs only where a value comes from the environment, directly or through another
    key: there the text of the interpolation stands in its place.

    Raises:
        ConfigError: a value that is missing, of the wrong type, or cannot be resolved.
    """
    cfg = completed(cfg)
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
        with watching_environment() as uses:
            node._get_node(key)._maybe_dereference_node()  # type: ignore[union-attr]
            child = node[key]
            if isinstance(child, (DictConfig, ListConfig)):
                OmegaConf.to_container(child, resolve=True)
        return raw if uses else value
    child = node._get_node(key)
    return _stored(child, raw, value) if isinstance(child, Container) else value


def environment_in(cfg: DictConfig, key: str) -> list[tuple[str, str]]:
    """What of a directory's name comes from the environment, and the lookups to store instead.

    Args:
        cfg: the whole configuration.
        key: ``hydra.run.dir``, ``hydra.sweep.dir``, or ``hydra.sweep.subdir`` of a job.

    Raises:
        ConfigError: it cannot be resolved; or a variable looks like a secret, which the name of a
            directory would give away.
    """
    parent, _, name = key.rpartition(".")
    node = OmegaConf.select(cfg, parent)._get_node(name)
    if node is None or "${" not in str(node._value()):
        return []
    with watching_environment() as uses:
        try:
            node._maybe_dereference_node(throw_on_resolution_failure=True)
        except OmegaConfBaseException as error:
            raise explain_value(error, asked=key) from None
    for name in uses:
        if is_secret_name(name):
            problem = f"{name} looks like a secret, and all see a directory's name: take another"
            raise ConfigError(key, node._value(), problem)
    return [(os.environ[n], f"${{oc.env:{n}}}") for n in dict.fromkeys(uses) if os.environ.get(n)]


def hidden(text: str, pairs: Sequence[tuple[str, str]]) -> str:
    """``hydra.yaml`` with the lookups in the line that says where the run is."""
    return _OUTPUT_DIR.sub(lambda found: _without(found[0], pairs), text) if pairs else text


def _without(line: str, pairs: Sequence[tuple[str, str]]) -> str:
    for value, lookup in sorted(pairs, key=lambda pair: -len(pair[0])):
        line = line.replace(value, lookup)
    return line


@contextmanager
def watching_environment() -> Iterator[list[str]]:
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
