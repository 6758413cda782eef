"""A run that is composed but not begun, and what of its configuration is recorded."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Any

from runner.job.secrecy import Secrets
from runner.schema import BY_TARGET, NOT_IN_HASH, OPTIONS, Config
from runner.store.parquet.plain import to_json


@dataclass(frozen=True)
class Job:
    """What it takes to do a run, as plain values.

    Attributes:
        config: the task's configuration, every interpolation resolved.
        stored: the same as it goes to disk: text from ``${oc.env:…}`` stays the interpolation.
        overrides: the task's overrides as they were typed.
        directory: where the run goes.
        stamped: whether the directory is a timestamp of ours, that makes way for one that is taken.
        hydra_files: file name -> text, for ``.hydra``.
    """

    config: Mapping[str, Any]
    stored: Mapping[str, Any]
    overrides: tuple[str, ...]
    directory: Path
    stamped: bool
    hydra_files: dict[str, str] = field(default_factory=dict)

    @cached_property
    def secrets(self) -> Secrets:
        """What of the configuration came from the environment."""
        return Secrets(self.config, self.stored)

    @property
    def tags(self) -> list[str]:
        """Words to find the run by, as they are stored."""
        tags = self.stored["tags"]
        return [str(tag) for tag in tags] if isinstance(tags, list) else [str(tags)]

    @property
    def config_json(self) -> str:
        """The configuration as it is stored in ``run.parquet``."""
        return to_json(self.stored)

    @property
    def config_hash(self) -> str:
        """SHA-256 over the keys that can change the result, in one canonical form."""
        hashed = _hashed(self.stored)
        text = json.dumps(hashed, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        # The order of the layers is part of what is run, and sorting the keys has lost it.
        order = json.dumps(list(self.stored.get("layers") or {}), ensure_ascii=False)
        return hashlib.sha256(f"{text}\n{order}".encode()).hexdigest()

    @property
    def is_told_by_hash(self) -> bool:
        """Whether the hash stands for the values: it has what the environment gives as its name."""
        return _hashed(self.config) == _hashed(self.stored)

    def params(self) -> dict[str, tuple[Any, type]]:
        """Dotted key -> value and type, for every leaf of the configuration.

        The type is the schema's: int, float, bool or str; list for what is stored as JSON. A
        number that comes from the environment is None: what is stored of it is text.
        """
        return dict(_leaves("", self.stored, dataclass_types(Config)))


def _hashed(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key not in NOT_IN_HASH}


@cache
def dataclass_types(schema: type) -> dict[str, type]:
    """Field -> plain type of a schema: ``Optional[int]`` is int, ``Any`` is left out."""
    return {
        name: plain
        for name, hint in typing.get_type_hints(schema).items()
        if (plain := _plain(hint)) is not None
    }


def _plain(hint: Any) -> type | None:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        options = [option for option in typing.get_args(hint) if option is not type(None)]
        return _plain(options[0]) if len(options) == 1 else None
    origin = typing.get_origin(hint) or hint
    return origin if origin in (int, float, bool, str, list) else None


def _leaves(
    prefix: str, node: Mapping[str, Any], known: Mapping[str, type]
) -> Iterator[tuple[str, tuple[Any, type]]]:
    for key, value in node.items():
        dotted = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            yield from _leaves(f"{dotted}.", value, _types_of(dotted, value))
        else:
            kind = known.get(str(key))
            hidden = isinstance(value, str) and kind in (int, float, bool)
            yield dotted, (None if hidden else value, _type_of(value, kind))


def _types_of(dotted: str, node: Mapping[str, Any]) -> Mapping[str, type]:
    schema = BY_TARGET.get(str(node.get("_target_")))
    if schema is None and dotted in OPTIONS:
        # The groups without a class (seeds, numerics, save): the schema that has these keys.
        schema = _with_keys(dotted, frozenset(node))
    return dataclass_types(schema) if schema else {}


@lru_cache(maxsize=64)
def _with_keys(group: str, keys: frozenset[str]) -> type | None:
    """The schema of a group that has exactly these keys."""
    fits = (s for s in OPTIONS[group].values() if {f.name for f in dataclasses.fields(s)} == keys)
    return next(fits, None)


def _type_of(value: Any, known: type | None) -> type:
    if isinstance(value, (list, tuple, Mapping)):
        return list
    if value is None or isinstance(value, str):
        return known or str
    if known is float and isinstance(value, int):
        return float
    return type(value) if type(value) in (bool, int, float) else str
