"""Jobs on this machine: in this process where that is quicker, else in warm workers."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from hydra.core.utils import JobReturn, JobStatus
from hydra.types import HydraContext
from omegaconf import DictConfig

from runner import limits
from runner.errors import ConfigError, LayerFailedError
from runner.job import value_of
from runner.schema import BY_TARGET
from runner.store import layout
from runner.sweep.around import hydra_log_aside
from runner.sweep.compose import Composer
from runner.sweep.pool import Died, Pool
from runner.sweep.work import Row, SharedFacts, Work

# What it takes to start the workers; jobs that are done sooner than that don't need them.
_START_SECONDS = 0.08
_BATCH_SECONDS = 0.2
_LARGEST_BATCH = 64


def n_workers(n_jobs: object) -> int:
    """The processes that ``hydra.launcher.n_jobs`` asks for.

    Raises:
        ConfigError: it is not a whole number from 1.
    """
    if n_jobs is None or n_jobs == -1:  # -1 as joblib has it
        return limits.cores()
    if not isinstance(n_jobs, int) or n_jobs < 1:
        raise ConfigError("hydra.launcher.n_jobs", n_jobs, "needs a whole number from 1, or null")
    return n_jobs


def do_all(work: Work, numbers: Sequence[int], workers: int) -> Iterator[Row]:
    """Does the jobs; gives their rows as they end.

    Raises:
        InterruptedRunError: a signal; the jobs in flight are recorded as INTERRUPTED.
    """
    left = iter(numbers)
    remaining = len(numbers)
    if workers == 1 or _are_safe(work, numbers):
        begun = time.monotonic()
        batch = 1
        while remaining:
            for row in work(list(itertools.islice(left, batch))):
                remaining -= 1
                yield row
            each = (time.monotonic() - begun) / (len(numbers) - remaining)
            if workers > 1 and each * remaining > _START_SECONDS * workers:
                break
            batch = max(1, min(_LARGEST_BATCH, int(_BATCH_SECONDS / each)))
    yield from _in_workers(work, left, min(workers, remaining)) if remaining else ()


def _are_safe(work: Work, numbers: Sequence[int]) -> bool:
    """Whether the first jobs may run in this process: code of the user's could end it."""
    if not numbers:
        return True
    try:
        job = work.composer.compose(numbers[0], work.points[numbers[0] - work.first])
    except Exception:  # noqa: BLE001 - it fails again where it is recorded
        return True
    entries = [job.config.get("data"), *(job.config.get("layers") or {}).values()]
    ours = all(isinstance(e, dict) and e.get("_target_") in BY_TARGET for e in entries)
    return ours and job.usual


def _in_workers(work: Work, numbers: Iterable[int], workers: int) -> Iterator[Row]:
    pool: Pool[int, Row] = Pool(work, workers)
    for number, answer in pool.run(numbers):
        yield work.bury(number, str(answer)) if isinstance(answer, Died) else answer


def launch(
    context: HydraContext,
    config: DictConfig,
    n_jobs: int | None,
    job_overrides: Sequence[Sequence[str]],
    first: int,
) -> Sequence[JobReturn]:
    """The jobs of somebody else's sweeper (Hydra's own, Optuna's) on our workers."""
    workers = n_workers(n_jobs)
    composer = Composer(context.config_loader, config)
    sweep = Path(str(config.hydra.sweep.dir)).absolute()
    threads = max(1, limits.cores() // workers)
    points = [tuple(overrides) for overrides in job_overrides]
    facts = SharedFacts(threads=threads)
    work = Work(composer, points, first, sweep, threads, facts, context.callbacks)
    numbers = range(first, first + len(points))
    with hydra_log_aside():
        rows = {row["number"]: row for row in do_all(work, numbers, workers)}
    return [returned(points[n - first], rows[n]) for n in numbers]


def returned(overrides: Sequence[str], row: Row) -> JobReturn:
    """A job as somebody else's sweeper is told of it, with the objective as its value.

    Raises:
        ConfigError: the run has no number of that name.
    """
    returned = JobReturn(overrides=overrides, working_dir=row["directory"])
    objective = row.get("params.objective")
    if row["status"] == layout.FINISHED:
        returned.status = JobStatus.COMPLETED
        returned.return_value = value_of(row, objective) if objective else None
    else:
        returned.status = JobStatus.FAILED
        returned.return_value = LayerFailedError(f"job {row['number']}: {row['error']}")
    return returned
