"""The jobs of a sweep: its grid, without what a filter drops, and none that Hydra would refuse."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any

from runner import console
from runner.app.hints import translate
from runner.errors import ConfigError, RunnerError
from runner.store.index.query import matching
from runner.sweep.compose import Composer
from runner.sweep.points import Axis, Points, most_jobs, points

Jobs = list[tuple[str, ...]]

_QUOTES = re.compile(r"[\\'\"\s]")


def jobs_of(arguments: Sequence[str], options: Mapping[str, Any], composer: Composer) -> Jobs:
    """The overrides of each job.

    Args:
        arguments: of the sweep's task: ``seeds.seed=range(100)``.
        options: ``hydra.sweeper``'s ``zip``, ``filter`` and ``max_jobs``.
        composer: of the sweep.

    Raises:
        ConfigError: there is no job, there are too many, or one cannot be composed.
        Exception: what Hydra refuses.
    """
    grid = _grid(arguments, options, composer)
    jobs = list(grid)
    condition = options["filter"]
    if condition is not None:
        rows = [_dotted("", composer.compose(at, job).config) for at, job in enumerate(jobs)]
        kept = [jobs[at] for at in matching(rows, condition, option="hydra.sweeper.filter")]
        if not kept:
            raise ConfigError("hydra.sweeper.filter", condition, f"drops all {len(jobs)} points")
        jobs = kept
    _check_composable(grid, jobs, composer)
    _check_doubled(grid, composer)
    return jobs


def spot_check(composer: Composer, jobs: Sequence[tuple[str, ...]]) -> None:
    """Compares a job of each shape with Hydra's own composition, at some 30 ms a shape.

    Which one is drawn, the same in each try of the same sweep. Should one ever differ, Hydra
    composes all jobs of the sweep from then on: slower, and right.
    """
    shapes: dict[tuple[str, ...], list[int]] = {}
    for number, job in enumerate(jobs):
        shape = composer.shape(job)
        if shape is not None:
            shapes.setdefault(shape, []).append(number)
    chance = random.Random(repr(jobs[:1]))  # noqa: S311 - of no secret
    for first, *others in shapes.values():
        if not others:
            continue  # Hydra composes it itself
        with suppress(Exception):  # it fails again where that is recorded
            composer.compose(first, jobs[first])
            number = chance.choice(others)
            if not composer.equals_hydras(number, jobs[number]):
                composer.leave_to_hydra()
                console.say(
                    f"note: Hydra composes job {number} otherwise than we do, a bug of ours: it "
                    "composes all jobs of this sweep now, which takes longer and is right"
                )
                return


def _grid(arguments: Sequence[str], options: Mapping[str, Any], composer: Composer) -> Points:
    asked = options["zip"]
    groups = [asked] if asked and all(isinstance(key, str) for key in asked) else asked
    for group in groups:
        keys = isinstance(group, (list, tuple)) and group
        if not keys or not all(isinstance(key, str) for key in keys):
            raise ConfigError(
                "hydra.sweeper.zip", list(asked), "needs keys: [a,b] or [[a,b],[c,d]]"
            )
    return points(arguments, composer.loader, groups, most_jobs(options))


def _check_composable(grid: Points, jobs: Jobs, composer: Composer) -> None:
    """Composes every value once, so that what Hydra refuses is said before the first job."""
    seen: set[str] = set()
    values = sum(len(value) for axis in grid.axes for value in axis.values)
    for number, job in enumerate(jobs):
        if seen.issuperset(job):
            continue
        seen.update(job)
        try:
            composer.check(number, job)
        except RunnerError:
            raise
        except Exception as error:
            raise translate(error, job) from error
        if len(seen) == values:
            return


def _check_doubled(grid: Points, composer: Composer) -> None:
    """Refuses values that are written differently and mean the same: ``1`` and ``1.0``, ``'a'``."""
    for axis in grid.axes:
        seen: dict[tuple[str, ...], int] = {}
        for at, step in enumerate(axis.values):
            first = seen.setdefault(tuple(_alike(text) for text in step), at)
            # Whether they do depends on the type of the key, which composing tells.
            if first != at and _composed_alike(grid, axis, first, at, composer):
                raise axis.alike(first, at)


def _alike(text: str) -> str:
    """What texts have in common that may mean the same."""
    bare = _QUOTES.sub("", text.partition("=")[2])
    try:
        return str(float(bare))
    except ValueError:
        return bare


def _composed_alike(grid: Points, axis: Axis, one: int, other: int, composer: Composer) -> bool:
    found = []
    for at in (one, other):
        steps = [axis.values[at] if each is axis else each.values[0] for each in grid.axes]
        with suppress(Exception):  # it fails again where that is recorded
            found.append(repr(composer.compose(0, list(chain.from_iterable(steps))).config))
    return len(found) == 2 and found[0] == found[1]


def _dotted(prefix: str, node: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in node.items():
        if isinstance(value, dict) and value:
            found |= _dotted(f"{prefix}{key}.", value)
        else:
            found[f"{prefix}{key}"] = value
    return found
