"""The overrides of a sweep, parsed; what is told of their values before they are written out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Glob, Override, QuotedString, RangeSweep
from hydra.errors import HydraException

from runner.app.hints import translate
from runner.errors import ConfigError, UsageError

MOST_JOBS = 100_000
"""Of a sweeper that has no option for it; what ours takes when nothing else is said."""

NO_VALUE = "has no value: an empty range, or nothing that matches"


def swept(arguments: Sequence[str], loader: ConfigLoader) -> list[Override]:
    """The overrides, each parsed.

    Args:
        arguments: of the task.
        loader: for ``glob``.

    Raises:
        RunnerError: one that cannot be read.
    """
    try:
        found: list[Override] = OverridesParser.create(config_loader=loader).parse_overrides(
            list(arguments)
        )
    except HydraException as error:
        raise translate(error, arguments) from None
    for override in found:
        value: Any = override._value
        names = (*value.include, *value.exclude) if isinstance(value, Glob) else ()
        # Hydra takes what is in quotes for names of files as it is, and stumbles.
        if any(isinstance(name, QuotedString) for name in names):
            problem = "takes no quotes in a list: glob([a*,b*])"
            raise ConfigError(override.get_key_element(), given_to(override), problem)
    return found


def check_length(override: Override, most: int, option: str = "") -> None:
    """Refuses a range before it is written out: a few digits may stand for millions.

    Args:
        override: of a sweep.
        most: how many values there may be.
        option: what says so, up to its value.

    Raises:
        ConfigError: it has more, or no end.
    """
    key, value = override.get_key_element(), override._value
    if not isinstance(value, RangeSweep):
        return
    if value.step == 0:
        raise ConfigError(key, given_to(override), "goes nowhere: a step of 0")
    if any(number != number for number in (value.start, value.stop, value.step)):
        raise ConfigError(key, given_to(override), "has no end: nan is no number")
    steps = _steps(value)
    if steps > most:
        problem = f"has {steps:.0f} values, more than {option}{most}"
        raise ConfigError(key, given_to(override), problem)


def check_size(arguments: Sequence[str], loader: ConfigLoader) -> None:
    """Refuses a grid of another sweeper that would be written out as a whole and never be done.

    Raises:
        RunnerError: it is too large, or cannot be read.
    """
    overrides = swept(arguments, loader)
    counts = [1]
    for override in overrides:
        check_length(override, MOST_JOBS)
        value = override._value
        if isinstance(value, ChoiceSweep):
            counts.append(len(value.list))
        elif isinstance(value, RangeSweep) and None not in (value.start, value.stop):
            if _steps(value) <= 0:
                raise ConfigError(override.get_key_element(), given_to(override), NO_VALUE)
            counts.append(math.ceil(_steps(value)))
    if math.prod(counts) > MOST_JOBS:
        problem = f"at most {MOST_JOBS}; hydra/sweeper=runner takes hydra.sweeper.max_jobs"
        raise UsageError(f"the sweep has {math.prod(counts)} jobs, {problem}")


def given_to(override: Override) -> str:
    """The value as it was typed."""
    return (override.input_line or "").partition("=")[2]


def _steps(value: Any) -> float:
    if None in (value.start, value.stop):
        return 0.0
    return float((value.stop - value.start) / value.step)
