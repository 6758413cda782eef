"""What a worker of a cluster does: composes the jobs it is handed, and runs them.

A process does one job at a time, whatever number of threads it has: Hydra, the BLAS library and
the current folder are one for the whole process. Its threads share the tiles of that job.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, chdir
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from hydra.core.utils import env_override
from omegaconf import OmegaConf

import runner
from runner.app.callbacks import callbacks_of
from runner.app.compose import hydra_session
from runner.errors import UsageError
from runner.store.claim.owner import is_alive, read_claim
from runner.sweep.compose import Composer
from runner.sweep.places import Row
from runner.sweep.spec import recomposed
from runner.sweep.work import SharedFacts, Work

_PATIENCE = 5.0  # seconds for a directory to appear that another machine has just made


class Context(TypedDict):
    """What the workers are told of a sweep, once: plain values.

    Keys:
        spec: as :func:`runner.sweep.spec.spec_of` gives it.
        directory: of the sweep, which every machine has to see.
        owner: the sweep's claim; once it is another's, or nobody's, the client is gone.
        points: the overrides of each job.
        first: the number of the first of them.
        folder: where the client stands.
        environment: variables to set, of ``hydra.job.env_copy``.
        threads: tiles computed at once in each job; None: the threads of the worker.
        at_home: the workers are the client's own processes.
        by_hydra: Hydra is to compose every job.
    """

    spec: dict[str, Any]
    directory: str
    owner: dict[str, Any] | None
    points: list[list[str]]
    first: int
    folder: str
    environment: dict[str, str]
    threads: int | None
    at_home: bool
    by_hydra: bool


@dataclass
class _Opened:
    name: str
    work: Work
    stack: ExitStack


_told: dict[str, Context] = {}
_opened: _Opened | None = None
_one_at_a_time = threading.Lock()


def version() -> str:
    """Of the package on this machine."""
    return runner.__version__


def tell(name: str, context: Context) -> None:
    """Takes in what there is to know of a sweep."""
    _told[name] = context
    if context["at_home"] and threading.current_thread() is threading.main_thread():
        # Ctrl-C on a terminal reaches everybody; the client alone decides what happens.
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def forget(name: str) -> None:
    """The sweep is over."""
    _told.pop(name, None)


def do(name: str, numbers: Sequence[int], threads: int) -> tuple[list[Row], float]:
    """Does jobs of a sweep.

    Args:
        name: of the sweep, as it was told.
        numbers: of the jobs.
        threads: of this worker.

    Returns:
        The rows of the jobs, fewer if the client has left meanwhile; and the seconds it took.

    Raises:
        UsageError: this machine does not see the sweep's directory.
        RunnerError: the sweep cannot be composed here.
    """
    with _one_at_a_time:
        context = _told[name]
        with chdir(context["folder"]), env_override(context["environment"]):
            work = _work(name, context, threads)
            begun = time.monotonic()
            rows = list(work(_while_wanted(numbers, context)))
        return rows, time.monotonic() - begun


def alive(directories: Sequence[str]) -> list[str]:
    """Those that a process of this machine is at."""
    here = os.uname().nodename
    found = []
    for directory in directories:
        owner = read_claim(Path(directory))
        if owner is not None and owner.get("host") == here and is_alive(Path(directory)):
            found.append(directory)
    return found


def _work(name: str, context: Context, threads: int) -> Work:
    """The sweep at hand, opened once and kept warm until there is another."""
    global _opened
    if _opened is not None and _opened.name == name:
        return _opened.work
    if _opened is not None:
        _opened.stack.close()
        _opened = None
    directory = Path(context["directory"])
    _see(directory, context["owner"])
    spec = context["spec"]
    with ExitStack() as stack:
        hydra = stack.enter_context(hydra_session(spec["config_dir"], spec["config_path"]))
        master = recomposed(hydra, spec, directory)
        _import_anew(OmegaConf.to_container(master.trust) if "trust" in master else [])
        threads = context["threads"] or threads
        composer = Composer(hydra.config_loader, master)
        if context["by_hydra"]:
            composer.leave_to_hydra()
        work = _OnNode(
            composer,
            [tuple(overrides) for overrides in context["points"]],
            context["first"],
            directory,
            threads,
            SharedFacts(threads=threads),
            callbacks_of(master),
        )
        _opened = _Opened(name, work, stack.pop_all())
    return work


def _see(directory: Path, owner: dict[str, Any] | None) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not directory.is_dir() or (owner is not None and read_claim(directory) != owner):
        if time.monotonic() > deadline:
            raise UsageError(
                f"worker on {os.uname().nodename} does not see the sweep: it needs a directory "
                f"that all machines share, not {directory}"
            )
        time.sleep(0.1)


def _while_wanted(numbers: Sequence[int], context: Context) -> Iterator[int]:
    """The numbers, as long as the client is there: whoever takes the sweep up again has it."""
    directory, owner = Path(context["directory"]), context["owner"]
    for number in numbers:
        if owner is not None and read_claim(directory) != owner:
            return
        yield number


def _import_anew(trusted: Any) -> None:
    """Forgets the user's modules, which may have changed since an earlier sweep on this worker."""
    roots = {str(name).partition(".")[0] for name in trusted or ()}
    for name in [name for name in sys.modules if name.partition(".")[0] in roots]:
        del sys.modules[name]
    importlib.invalidate_caches()


class _OnNode(Work):
    """The jobs of a sweep, each of which the scheduler gives to one worker at a time."""

    def _check_free(self, directory: Path) -> None:
        # A worker that the scheduler has lost may still be at it: it is let finish. One on
        # another machine cannot be asked; the client has, before it began.
        while self._is_inside(directory) and _lives_beside_us(directory):
            time.sleep(0.1)


def _lives_beside_us(directory: Path) -> bool:
    owner = read_claim(directory)
    if owner is not None and owner.get("pid") == os.getpid():
        return False  # we are the only one here who does jobs
    here = owner is None or owner.get("host") == os.uname().nodename
    return here and is_alive(directory)
