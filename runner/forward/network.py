"""From the configuration of the layers to the layers themselves.

Two steps, so that everything that can be wrong is found before a directory is made or a number
is drawn: :func:`plan` names, checks and connects the layers; :func:`build` draws their weights.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

import runner.layers
from runner import limits
from runner.errors import ConfigError, TooLargeError
from runner.forward.custom import CustomLayer
from runner.forward.targets import Instantiate, check_arguments, check_target
from runner.layers import MLP, Layer
from runner.numerics import Rule
from runner.schema import BY_TARGET

OURS: dict[str, Any] = {
    target: getattr(runner.layers, target.removeprefix("runner.layers."))
    for target in BY_TARGET
    if target.startswith("runner.layers.")
}
"""``_target_`` -> class, for the layers of this package."""

_NAME = re.compile(r"\w[\w.-]*")
_LEAST_BYTES = 4  # of a weight
_NAME_LIMIT = 100  # bytes: a file name may have 255, and ours adds a number and an ending


@dataclass(frozen=True)
class LayerPlan:
    """A layer before its weights exist.

    Attributes:
        name: unique in the network, safe as a file name.
        key: the entry of the configuration it comes from (``layers.mlp``).
        target: the class, as a dotted name.
        kind: the name of the class.
        arguments: what its constructor gets besides the widths.
        n_inputs: columns of its inputs.
        n_neurons: columns of its outputs.
    """

    name: str
    key: str
    target: str
    kind: str
    arguments: Mapping[str, Any]
    n_inputs: int
    n_neurons: int

    @property
    def is_ours(self) -> bool:
        """Whether the class is one of this package."""
        return self.target in OURS


def plan(
    layers: Mapping[str, Any], n_features: int, trust: Collection[str] = ()
) -> tuple[LayerPlan, ...]:
    """Names, checks and connects the layers; draws and imports nothing.

    Args:
        layers: name -> entry, in order, each a mapping with a ``_target_``.
        n_features: columns of the dataset's inputs.
        trust: modules of the user's whose classes may be used.

    Raises:
        ConfigError: a key has a value that cannot be run, a name that is taken or unsafe, or a
            width that does not fit the layer before.
        UntrustedError: a class whose module is not in ``trust``.
    """
    if not layers:
        raise ConfigError("layers", "{}", "a network needs at least one layer: layers=one_dense")
    plans: list[LayerPlan] = []
    keys: dict[str, str] = {}
    width = n_features
    for name, entry in layers.items():
        for part in _unfold(str(name), entry, trust):
            taken = keys.setdefault(part.name, part.key)
            if len(keys) == len(plans):
                raise ConfigError(part.key, part.name, f"two layers of one name, see {taken}")
            connected = _connect(part, width)
            plans.append(connected)
            width = connected.n_neurons
    return tuple(plans)


@dataclass(frozen=True)
class _Part:
    """A layer that knows its name and its class, but not yet its widths."""

    name: str
    key: str
    target: str
    arguments: dict[str, Any]


def _unfold(name: str, entry: Any, trust: Collection[str]) -> list[_Part]:
    key = f"layers.{name}"
    if not _NAME.fullmatch(name) or len(name.encode()) > _NAME_LIMIT:
        raise ConfigError(
            key, name, "a layer's name is its file's: letters, digits, _ - . and at most 100 bytes"
        )
    if not isinstance(entry, Mapping):
        raise ConfigError(key, entry, "needs a layer, a mapping with a _target_")
    if "_target_" not in entry:
        raise ConfigError(key, dict(entry), "needs a _target_, as in runner.layers.Dense")
    target = check_target(key, entry["_target_"], OURS, trust)
    arguments = {str(k): v for k, v in entry.items() if k != "_target_"}
    check_arguments(key, arguments)
    if OURS.get(target) is not MLP:
        return [_Part(name, key, target, arguments)]
    block = _checked(key, lambda: MLP(**arguments))
    _check_block(key, block)
    parts = _checked(key, lambda: block.unfold(name))
    return [_Part(n, key, f"runner.layers.{kind}", dict(kwargs)) for n, kind, kwargs in parts]


def _check_block(key: str, block: MLP) -> None:
    """Refuses a block whose weights alone no memory holds, before it is unfolded."""
    sizes = (block.depth, block.width)
    free = limits.available_memory()
    if free is None or not all(isinstance(size, int) for size in sizes):
        return
    needed = max(block.depth - 1, 0) * block.width**2 * _LEAST_BYTES
    if needed > free:
        larger = "depth" if block.depth > block.width else "width"
        problem = f"needs {limits.size(needed)} of memory, {limits.size(free)} is free"
        raise TooLargeError(f"{key}.{larger}", getattr(block, larger), problem)


def _connect(part: _Part, width: int) -> LayerPlan:
    arguments = dict(part.arguments)
    cls = OURS.get(part.target)
    given = arguments.get("n_inputs")
    if given is not None and given != width:
        raise ConfigError(
            f"{part.key}.n_inputs", given, f"{width} columns arrive here; leave it out or say so"
        )
    if cls is None:
        # A class of the reader's says its width as the book's do; one that doesn't keeps it.
        n_neurons = arguments.get("n_neurons", width)
        if not isinstance(n_neurons, int) or isinstance(n_neurons, bool) or n_neurons < 1:
            raise ConfigError(f"{part.key}.n_neurons", n_neurons, "needs a whole number from 1")
        kind = part.target.rpartition(".")[2]
    else:
        arguments.pop("n_inputs", None)
        n_neurons = _checked(part.key, lambda: cls.plan(width, **arguments))
        kind = cls.__name__
    return LayerPlan(part.name, part.key, part.target, kind, arguments, width, n_neurons)


def _checked(key: str, check: Callable[[], Any]) -> Any:
    """What ``check`` gives, with its complaints under the key of the entry."""
    try:
        return check()
    except ConfigError as error:
        raise error.under(key) from None
    except TypeError as error:
        raise ConfigError(key, "…", f"{error}") from None


@dataclass(frozen=True)
class NamedLayer:
    """A layer of the network, under its name."""

    plan: LayerPlan
    layer: Layer

    @property
    def name(self) -> str:
        """The layer's name."""
        return self.plan.name


def build(
    plans: tuple[LayerPlan, ...],
    rule: Rule,
    stream: Callable[[int], np.random.RandomState],
    instantiate: Instantiate,
) -> tuple[NamedLayer, ...]:
    """Makes the layers in order, each drawing its weights from ``stream(position)``.

    Raises:
        LayerFailedError: a class of the reader's raised.
    """
    network: list[NamedLayer] = []
    for position, part in enumerate(plans):
        random_state = stream(position)
        layer: Layer
        if part.is_ours:
            layer = OURS[part.target](
                part.n_inputs, **part.arguments, numerics=rule, random_state=random_state
            )
        else:
            layer = CustomLayer(
                part.name,
                part.target,
                part.arguments,
                n_inputs=part.n_inputs,
                n_neurons=part.n_neurons,
                rule=rule,
                random_state=random_state,
                instantiate=instantiate,
            )
        network.append(NamedLayer(part, layer))
    return tuple(network)
