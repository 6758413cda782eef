"""The jobs of a sweep: its grid, without what a filter drops, and none that Hydra would refuse."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from runner import console
from runner.app.hints import translate
from runner.errors import ConfigError, RunnerError
from runner.store.query import matching
from runner.sweep.compose import Composer
from runner.sweep.points import Points, most_jobs, points

Jobs = list[tuple[str, ...]]


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
        if not isinstance(group, (list, tuple)) or not all(isinstance(k, str) for k in group):
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
            raise translate(error, job, {}) from error
        if len(seen) == values:
            return


def _dotted(prefix: str, node: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in node.items():
        if isinstance(value, dict) and value:
            found |= _dotted(f"{prefix}{key}.", value)
        else:
            found[f"{prefix}{key}"] = value
    return found
