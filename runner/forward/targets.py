"""What a ``_target_`` may name: the classes of this package, and modules that the user trusts."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Collection, Mapping
from functools import partial
from types import ModuleType
from typing import Any, NoReturn, Protocol

from runner.errors import ConfigError, UnknownKeyError, UntrustedError, clip

_DOTTED = re.compile(r"[^\W\d]\w*(\.(?!__)[^\W\d]\w*)+")
_HYDRAS = ("_target_", "_partial_", "_args_", "_recursive_", "_convert_")


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
    if not _is_within(target, trust):
        holder = target.rpartition(".")[0]
        raise UntrustedError(
            f"{clip(key, 50)}={clip(target, 50)}: not a class of runner; "
            f"if it is yours, add trust=[{clip(holder, 50)}]"
        )
    return target


def check_arguments(key: str, arguments: Mapping[str, Any]) -> None:
    """Refuses what Hydra would take for more than a value: one entry makes one thing.

    Args:
        key: the dotted key of the entry.
        arguments: what is beside its ``_target_``.

    Raises:
        ConfigError: a word of Hydra's, there or at any depth.
    """
    waiting: list[tuple[str, Any]] = [(key, dict(arguments))]
    while waiting:
        where, node = waiting.pop()
        if isinstance(node, Mapping):
            for name, value in node.items():
                if name in _HYDRAS:
                    problem = "has no place here: an entry names one class, and plain values for it"
                    raise ConfigError(f"{where}.{name}", value, problem)
                waiting.append((f"{where}.{name}", value))
        elif isinstance(node, (list, tuple)):
            waiting += [(f"{where}[{at}]", value) for at, value in enumerate(node)]


def check_origin(key: str, target: str, found: Any, trust: Collection[str]) -> None:
    """Refuses what a trusted module has only imported: it is the code of another one.

    Args:
        key: the dotted key of the entry.
        target: what its ``_target_`` says.
        found: what was found there.
        trust: the modules that the user named.

    Raises:
        UntrustedError: it comes from a module that the user has not named.
        ConfigError: it cannot be called.
    """
    key = f"{key}._target_"
    parts = target.split(".")
    for end in range(1, len(parts)):
        # What lies on the way is in `sys.modules` where it is a module by its own name.
        module = sys.modules.get(".".join(parts[:end]))
        inner = getattr(module, parts[end], None)
        # A package is on the way to its modules; what it has imported has another name.
        if (
            isinstance(inner, ModuleType)
            and inner.__name__ != ".".join(parts[: end + 1])
            and not _is_within(f"{inner.__name__}.", trust)
        ):
            _foreign(key, target, inner.__name__)
    if not callable(found):
        raise ConfigError(key, target, f"is no class: {type(found).__name__}")
    while isinstance(found, partial):
        found = found.func
    home = getattr(found, "__module__", None) or type(found).__module__
    if not _is_within(f"{home}.", trust):
        _foreign(key, target, str(home))


def check_call(key: str, target: str, found: Any, arguments: Mapping[str, Any]) -> None:
    """Refuses arguments that a class or function of the user's does not take, or lacks.

    Raises:
        ConfigError: with the first of them.
    """
    try:
        signature = inspect.signature(found)
    except (TypeError, ValueError):  # none that could be asked
        return
    parameters = signature.parameters.values()
    takes = [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    if not any(p.kind is p.VAR_KEYWORD for p in parameters):
        for name, value in arguments.items():
            if name not in takes:
                raise UnknownKeyError(f"{key}.{name}", value, name, takes)
    try:
        signature.bind(**arguments)
    except TypeError as error:
        raise ConfigError(f"{key}._target_", target, f"{error}: give it a value") from None


def _is_within(name: str, trust: Collection[str]) -> bool:
    return any(name.startswith(f"{trusted}.") for trusted in trust)


def _foreign(key: str, target: str, home: str) -> NoReturn:
    raise UntrustedError(
        f"{clip(key, 50)}={clip(target, 50)}: is of the module {clip(home, 40)}; "
        f"if you mean it, add trust=[{clip(home, 40)}]"
    )
