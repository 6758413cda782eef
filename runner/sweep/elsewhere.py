"""Jobs on one of Hydra's other launchers."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator, Sequence
from contextlib import redirect_stdout

from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict, read_write

from runner.app.sweep import speaking_of_options
from runner.sweep.places import Row
from runner.sweep.work import Work


def do_elsewhere(
    work: Work,
    todo: Sequence[int],
    task_function: TaskFunction,
    launcher: DictConfig,
) -> Generator[Row, None, None]:
    """Does the jobs on the launcher that is configured, which tells when all have ended.

    Args:
        work: the sweep.
        todo: the numbers of the jobs.
        task_function: what the launcher is to call for each.
        launcher: ``hydra.launcher``.
    """
    # Not of the command: a sweep that is taken up again brings its own, and a taken name another.
    config = work.composer.master.copy()
    with read_write(config.hydra), open_dict(config.hydra):
        config.hydra.launcher = launcher
    context = HydraContext(config_loader=work.composer.loader, callbacks=work.callbacks)
    left = []
    for number in todo:
        row = work.make_way(number)
        if row is None:
            left.append(number)
        else:
            yield row
    for first, last in _unbroken(left):
        launching = hydras_launcher(config, context, task_function)
        with redirect_stdout(sys.stderr):
            launching.launch([list(work.points[n]) for n in range(first, last + 1)], first)
    for number in left:
        yield work.recorded(number) or work.bury(number, "the launcher left no run of it")


def hydras_launcher(config: DictConfig, context: HydraContext, task: TaskFunction) -> Launcher:
    """The launcher that is configured.

    Raises:
        ConfigError: it does not take its options.
    """
    with speaking_of_options():
        return Plugins.instance().instantiate_launcher(
            hydra_context=context, task_function=task, config=config
        )


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
