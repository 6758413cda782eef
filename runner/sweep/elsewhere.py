"""Jobs on one of Hydra's other launchers."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence

from hydra.core.plugins import Plugins
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from runner.store.sweeps import sweep_rows
from runner.sweep.work import Row, Work


def do_elsewhere(
    work: Work,
    todo: Sequence[int],
    context: HydraContext,
    task_function: TaskFunction,
    config: DictConfig,
) -> Generator[Row, None, None]:
    """Does the jobs on the launcher that is configured, which tells when all have ended.

    Args:
        work: the sweep.
        todo: the numbers of the jobs.
        context: of the sweep, from Hydra.
        task_function: what the launcher is to call for each.
        config: of the sweep, from Hydra.
    """
    config = config.copy()
    for first, last in _unbroken(todo):
        launcher = Plugins.instance().instantiate_launcher(
            hydra_context=context, task_function=task_function, config=config
        )
        launcher.launch([list(work.points[n]) for n in range(first, last + 1)], first)
    known = {row["number"]: row for row in sweep_rows(work.sweep)}
    for number in todo:
        yield known.get(number) or work.bury(number, "the launcher left no run of it")


def _unbroken(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """First and last of every unbroken run of numbers."""
    first = previous = None
    for number in numbers:
        if first is None:
            first = number
        elif previous is not None and number != previous + 1:
            yield first, previous
            first = number
        previous = number
    if first is not None and previous is not None:
        yield first, previous
