"""Jobs on this machine: in this process where that is quicker, else in warm workers."""

from __future__ import annotations

import signal
import time
from collections import deque
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

from hydra.core.utils import JobReturn, JobStatus
from hydra.types import HydraContext
from omegaconf import DictConfig

from runner import limits
from runner.errors import ConfigError, InterruptedRunError, LayerFailedError
from runner.job import value_of
from runner.schema import BY_TARGET
from runner.store import layout
from runner.sweep.around import hydra_log_aside
from runner.sweep.compose import Composer, JobConfig
from runner.sweep.jobs import spot_check
from runner.sweep.places import Row
from runner.sweep.pool import Died, Pool
from runner.sweep.work import SharedFacts, Work

# What it takes to start the workers; jobs that are done sooner than that don't need them.
_START_SECONDS = 0.08
_BATCH_SECONDS = 0.2
_LARGEST_BATCH = 64
_BURY_SECONDS = 0.4  # for what killed workers have left, after an interrupt
_MOST_A_CORE = 64  # processes; each needs some 100 MB


def n_workers(n_jobs: object) -> int:
    """The processes that ``hydra.launcher.n_jobs`` asks for.

    Raises:
        ConfigError: it is not a whole number from 1.
    """
    if n_jobs is None or n_jobs == -1:  # -1 as joblib has it
        return limits.cores()
    if not isinstance(n_jobs, int) or n_jobs < 1:
        raise ConfigError("hydra.launcher.n_jobs", n_jobs, "needs a whole number from 1, or null")
    most = _MOST_A_CORE * limits.cores()
    if n_jobs > most:
        problem = f"is more processes than this machine takes: at most {most}"
        raise ConfigError("hydra.launcher.n_jobs", n_jobs, problem)
    return n_jobs


def do_all(work: Work, numbers: Sequence[int], workers: int) -> Generator[Row, None, None]:
    """Does the jobs; gives their rows as they end.

    Raises:
        InterruptedRunError: a signal; the jobs in flight are recorded as INTERRUPTED.
    """
    left = deque(numbers)
    here = replace(work, only=partial(_may_run_here, workers=workers))
    begun = time.monotonic()
    size = 1
    while left:
        batch = [left.popleft() for _ in range(min(size, len(left)))]
        done = 0
        for row in here(batch):
            done += 1
            yield row
        left.extendleft(reversed(batch[done:]))
        each = (time.monotonic() - begun) / max(1, len(numbers) - len(left))
        if done < len(batch) or (workers > 1 and each * len(left) > _START_SECONDS * workers):
            break
        size = max(1, min(_LARGEST_BATCH, int(_BATCH_SECONDS / each)))
    yield from _in_workers(work, left, min(workers, len(left))) if left else ()


def _may_run_here(composed: JobConfig, workers: int) -> bool:
    """Whether a job can do no harm to this process, which the user's code could end."""
    if not composed.usual:
        return workers == 1  # so that what Hydra's callbacks keep in mind is there at the end
    entries = [composed.config.get("data"), *(composed.config.get("layers") or {}).values()]
    return all(isinstance(e, dict) and e.get("_target_") in BY_TARGET for e in entries)


def _in_workers(work: Work, numbers: Iterable[int], workers: int) -> Generator[Row, None, None]:
    pool: Pool[int, Row] = Pool(work, workers)
    try:
        with closing(pool.run(numbers)) as answers:
            for number, answer in answers:
                yield work.bury(number, str(answer)) if isinstance(answer, Died) else answer
    except (InterruptedRunError, GeneratorExit):
        # Some may have been deaf, and were killed; what they had begun is told by their claims.
        deadline = time.monotonic() + _BURY_SECONDS
        begun = [number for number in pool.cut_off if work.was_begun(number)]
        for count, number in enumerate(reversed(begun)):
            if count < workers or time.monotonic() < deadline:
                work.bury(number, f"interrupted by signal {signal.SIGTERM:d}", layout.INTERRUPTED)
        raise


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
    spot_check(composer, points)
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
