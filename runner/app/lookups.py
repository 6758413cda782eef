"""Where the lookups of a composed configuration lead."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from omegaconf import Container, ListConfig, Node
from omegaconf.errors import OmegaConfBaseException

from runner.app.yaml_file import DEEPEST
from runner.errors import ConfigError


def followed(node: Any, key: str, *, kept: Collection[str] = (), depth: int = 0) -> Any:
    """A node of OmegaConf's as plain values, lookups followed, also to whole mappings.

    Args:
        node: the node.
        key: its dotted key, for messages.
        kept: names of keys whose values stay as they are written.
        depth: how deep it is in what it was called with.

    Returns:
        A lookup that leads nowhere stays the text that it is.

    Raises:
        ConfigError: lookups that lead deeper than any configuration is.
    """
    if depth > DEEPEST:
        raise ConfigError(key, "${…}", f"leads more than {DEEPEST} levels deep")
    if node is not None and node._is_interpolation():
        raw = node._value()
        try:
            node = node._maybe_dereference_node(throw_on_resolution_failure=True)
        except OmegaConfBaseException:
            return raw
    if not isinstance(node, Container) or node._is_none() or node._is_missing():
        return raw_value(node)
    if isinstance(node, ListConfig):
        return [
            followed(node._get_node(at), f"{key}[{at}]", kept=kept, depth=depth + 1)
            for at in range(len(node))
        ]
    values = {}
    for name in node._content:
        child = node._get_node(name)
        values[name] = (
            child._value()
            if name in kept and isinstance(child, Node) and not isinstance(child, Container)
            else followed(child, f"{key}.{name}", kept=kept, depth=depth + 1)
        )
    return values


def raw_value(node: Any) -> Any:
    """What is written at a node of OmegaConf's, lookups not followed."""
    return node._value() if isinstance(node, Node) else node
