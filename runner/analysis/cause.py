"""The one key that two runs part by, where it is one and can have done it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from runner.analysis.changes import Change, interpolations
from runner.analysis.entries import entry_of
from runner.schema import BY_TARGET, NOT_IN_HASH
from runner.store.order import Order

HARMLESS = (*NOT_IN_HASH, "objective", "save")
"""Root keys of the configuration that change no bit of any layer."""

HARMLESS_FACTS = (
    *("env.cores", "env.threads", "env.blas_threads"),
    *("env.hydra", "env.omegaconf", "env.pyarrow"),
)
"""Facts that change none either: tiles are fixed, and each is multiplied on one thread; and what
reads and writes files touches no number."""

_CODE = "code.digest"


def cause(
    configs: tuple[Mapping[str, Any], Mapping[str, Any]],
    config: Sequence[Change],
    facts: Sequence[Change],
    layer: str | None,
) -> str | None:
    """The key that the runs part by: where exactly one differs that can change bits.

    Args:
        configs: of A and of B.
        config: what differs between them.
        facts: the changes of the environment and of the reader's code.
        layer: the one in which the runs part; None: at the inputs or the targets.

    Returns:
        The key, or None: several differ, or none, or one that comes into play only later, or
        values that are not on record.
    """
    if any(map(_interpolated, configs)):
        return None
    keys = [c.key for c in config if c.key.partition(".")[0] not in HARMLESS]
    keys += _telling([c.key for c in facts], configs)
    merged = Order()
    for one in configs:
        merged.add(one.get("layers") or {})
    order = list(merged)
    entry = None if layer is None else entry_of(layer, order)
    if len(keys) != 1 or not _in_time(keys[0], layer is None, entry, order, configs):
        return None
    return keys[0]


def _telling(facts: Sequence[str], configs: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    classes = [{target for _, target in _classes(one)} for one in configs]
    for key in facts:
        if key in HARMLESS_FACTS:
            continue
        # Other classes have another digest, and the key that chose them says more.
        if key == _CODE and classes[0] != classes[1]:
            continue
        # The commit is of the whole folder; the digest is of the very files.
        if key.startswith("git.") and _CODE in facts:
            continue
        yield key


def _in_time(
    key: str,
    at_inputs: bool,
    entry: str | None,
    order: Sequence[str],
    configs: Iterable[Mapping[str, Any]],
) -> bool:
    """Whether a key comes into play before the place where the runs part."""
    root, _, rest = key.partition(".")
    if root == "layers":
        own = rest.partition(".")[0]
        return entry is not None and own in order and order.index(own) <= order.index(entry)
    if root == "numerics":
        return not at_inputs
    if root == "data":
        return at_inputs
    if root == "seeds":
        return rest != ("layers" if at_inputs else "data")
    if key == _CODE:
        places = {place for one in configs for place, _ in _classes(one)}
        if at_inputs:
            return "" in places
        before = order[: order.index(entry) + 1] if entry in order else []
        return not places.isdisjoint(before)
    return True


def _classes(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Entry of a layer, or nothing for the dataset, and ``_target_``, of the reader's classes."""
    layers = config.get("layers") or {}
    for place, node in {"": config.get("data"), **layers}.items():
        target = node.get("_target_") if isinstance(node, Mapping) else None
        if isinstance(target, str) and target not in BY_TARGET:
            yield place, target


def _interpolated(config: Mapping[str, Any]) -> bool:
    """Whether a value that counts is not on record, but came from the environment's variables."""
    return any(key.partition(".")[0] not in HARMLESS for key in interpolations(config))
