"""What a sweep goes through: a grid, some of its keys in step, without what a filter drops."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.types import Glob, Override

from runner.app.grid import NO_VALUE, check_length, given_to, swept
from runner.errors import ConfigError, UsageError, clip

_SHUFFLE = re.compile(r"shuffle\s*\(")


@dataclass(frozen=True)
class Axis:
    """Keys that take their values together: one key of a grid, or several in step.

    Attributes:
        keys: as they are typed, with ``+`` or ``~``.
        values: of each step, one override a key.
        given: what the first key was given.
    """

    keys: tuple[str, ...]
    values: tuple[tuple[str, ...], ...]
    given: str

    def doubled(self, at: int, times: int) -> ConfigError:
        """What is wrong with values that come several times.

        Args:
            at: the step that does.
            times: how often.
        """
        return self._refused(f"{self._shown(at)} comes {times} times")

    def alike(self, one: int, other: int) -> ConfigError:
        """What is wrong with two steps that are written differently and mean the same.

        Args:
            one: the first of them.
            other: the second.
        """
        return self._refused(f"{self._shown(one)} and {self._shown(other)} mean the same")

    def _shown(self, at: int) -> str:
        return clip(",".join(value.partition("=")[2] for value in self.values[at]), 30)

    def _refused(self, problem: str) -> ConfigError:
        return ConfigError(",".join(self.keys), self.given, f"{problem}: a doubled sweep point")


@dataclass(frozen=True)
class Points:
    """The points of a sweep, in the order of Hydra's own sweeper: the last key turns fastest."""

    axes: tuple[Axis, ...]

    def __len__(self) -> int:
        return math.prod(len(axis.values) for axis in self.axes)

    def __iter__(self) -> Iterator[tuple[str, ...]]:
        for steps in itertools.product(*(axis.values for axis in self.axes)):
            yield tuple(itertools.chain.from_iterable(steps))


def points(
    arguments: Sequence[str], loader: ConfigLoader, together: Sequence[Sequence[str]], most: int
) -> Points:
    """Reads the sweep's overrides.

    Args:
        arguments: of the task: ``seeds.seed=range(100)``, ``layers=one_dense,two_dense``.
        loader: for ``glob``.
        together: groups of keys that take their values in step instead of as a grid.
        most: how many points there may be.

    Raises:
        ConfigError: a key that is given twice, a value that comes twice, keys in step with
            different numbers of values, an empty sweep, or too many points.
    """
    axes: dict[str, Axis] = {}
    for override in swept(arguments, loader):
        check_length(override, most, "hydra.sweeper.max_jobs=")
        key = override.get_key_element()
        plain = key.lstrip("+~")
        if plain in axes:
            raise ConfigError(
                plain, given_to(override), "is given twice; several values are one list: a,b"
            )
        values = _values(override, key)
        axes[plain] = Axis((key,), tuple((value,) for value in values), given_to(override))
    grid = Points(tuple(_in_step(axes, together)))
    for axis in grid.axes:
        counts = Counter(axis.values)
        for step, count in counts.items() if len(counts) < len(axis.values) else ():
            if count > 1:
                raise axis.doubled(axis.values.index(step), count)
    if len(grid) == 0:
        raise UsageError("the sweep is empty: no key has a value")
    if len(grid) > most:
        widest = max(grid.axes, key=lambda axis: len(axis.values))
        raise ConfigError(
            widest.keys[0],
            f"{len(widest.values)} values",
            f"{len(grid)} jobs are more than hydra.sweeper.max_jobs={most}",
        )
    return grid


def settled(
    arguments: Sequence[str], loader: ConfigLoader, options: Mapping[str, Any]
) -> list[str]:
    """The overrides with the values that ``shuffle`` and ``glob`` give now, one by one.

    Another time they may give others.

    Args:
        arguments: of the task.
        loader: for ``glob``.
        options: ``hydra.sweeper``'s ``max_jobs``.

    Raises:
        ConfigError: a value that cannot be meant.
    """
    most = most_jobs(options)
    texts = []
    for text, override in zip(arguments, swept(arguments, loader), strict=True):
        check_length(override, most, "hydra.sweeper.max_jobs=")
        value: Any = override._value
        # Of a list that is shuffled nothing tells, once it is read.
        if isinstance(value, Glob) or _SHUFFLE.search(text):
            key = override.get_key_element()
            values = [value.partition("=")[2] for value in _values(override, key)]
            text = f"{key}={','.join(values)}"
        texts.append(text)
    return texts


def most_jobs(options: Mapping[str, Any]) -> int:
    """``hydra.sweeper.max_jobs``.

    Raises:
        ConfigError: it is no whole number from 1.
    """
    most = options["max_jobs"]
    if not isinstance(most, int) or most < 1:
        raise ConfigError("hydra.sweeper.max_jobs", most, "needs a whole number from 1")
    return most


def _values(override: Override, key: str) -> list[str]:
    if not override.is_sweep_override():
        return [f"{key}={override.get_value_element_as_str()}"]
    if not override.is_discrete_sweep():
        kind = override.value_type.name.lower() if override.value_type else "this"
        raise ConfigError(key, given_to(override), f"{kind} needs an optimising sweeper")
    values = [f"{key}={value}" for value in override.sweep_string_iterator()]
    if not values:
        raise ConfigError(key, given_to(override), NO_VALUE)
    return values


def _in_step(axes: dict[str, Axis], together: Sequence[Sequence[str]]) -> Iterator[Axis]:
    """The axes, with those that go together as one, where the first of them stood."""
    option = "hydra.sweeper.zip"
    groups: dict[str, Axis] = {}
    for group in together:
        shown = ",".join(group)
        for key, count in Counter(group).items():
            if count > 1:
                raise ConfigError(option, shown, f"{clip(key, 40)} comes {count} times")
            if key not in axes:
                raise ConfigError(option, shown, f"{clip(key, 40)} is not swept: give it values")
            if key in groups:
                raise ConfigError(option, shown, f"{clip(key, 40)} is in two groups")
        members = [axes[key] for key in group]
        lengths = {len(member.values) for member in members}
        if len(lengths) > 1:
            counted = ", ".join(
                f"{key} has {len(member.values)}"
                for key, member in zip(group, members, strict=True)
            )
            raise ConfigError(option, shown, f"needs as many values for each key: {counted}")
        steps = zip(*(member.values for member in members), strict=True)
        values = tuple(tuple(itertools.chain.from_iterable(step)) for step in steps)
        keys = tuple(key for member in members for key in member.keys)
        axis = Axis(keys, values, members[0].given)
        groups |= dict.fromkeys(group, axis)
    seen: set[int] = set()
    for key, axis in axes.items():
        axis = groups.get(key, axis)
        if id(axis) not in seen:
            seen.add(id(axis))
            yield axis
