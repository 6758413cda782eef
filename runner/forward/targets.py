"""What a ``_target_`` may name: the classes of this package, and modules that the user trusts."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, Protocol

from runner.errors import ConfigError, UnknownKeyError, UntrustedError, clip

_DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")


class Instantiate(Protocol):
    """Makes what a trusted ``_target_`` names; the room that knows Hydra passes its own."""

    def locate(self, target: str) -> Any:
        """The class or function of that dotted name, imported."""

    def call(self, target: str, kwargs: Mapping[str, Any]) -> Any:
        """What the class or function gives for these arguments."""


def is_ours(target: object, known: Collection[str]) -> bool:
    """Whether a ``_target_`` is one of the package's own."""
    return isinstance(target, str) and target in known


def check_target(key: str, target: object, known: Collection[str], trust: Collection[str]) -> str:
    """The target, if it may be imported; nothing is imported here.

    Args:
        key: the dotted key of the entry that has it (``layers.dense1``).
        target: what its ``_target_`` says.
        known: the package's own targets of that kind.
        trust: the modules that the user named, with everything below them.

    Raises:
        ConfigError: it is no dotted name, or a name of ours that does not exist.
        UntrustedError: its module is not trusted; says the override that would.
    """
    key = f"{key}._target_"
    if not isinstance(target, str) or not _DOTTED.fullmatch(target):
        raise ConfigError(
            key, target, "needs the dotted name of a class, as in runner.layers.Dense"
        )
    if target in known:
        return target
    module = target.split(".")[0]
    if module == "runner":
        raise UnknownKeyError(key, target, target, known)
    if not any(target.startswith(f"{trusted}.") for trusted in trust):
        holder = target.rpartition(".")[0]
        raise UntrustedError(
            f"{clip(key, 50)}={clip(target, 50)}: not a class of runner; "
            f"if it is yours, add trust=[{clip(holder, 50)}]"
        )
    return target
