"""The launcher behind ``hydra/launcher=dask``: a scheduler's workers, or processes of our own."""

from __future__ import annotations

import asyncio
import atexit
import logging
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hydra.core.utils import JobReturn
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf

import runner
from runner import console, limits
from runner.errors import ConfigError
from runner.sweep.cluster import node
from runner.sweep.cluster.crew import Crew
from runner.sweep.cluster.scheduler import SCHEDULER, distributed, told_in_one_line
from runner.sweep.compose import Composer
from runner.sweep.jobs import spot_check
from runner.sweep.local import n_workers, returned
from runner.sweep.spec import spec_of
from runner.sweep.work import SharedFacts, Work

_CONNECT_SECONDS = 5
_DASK_PORT = 8786


@dataclass(frozen=True)
class Options:
    """``hydra.launcher.*`` of ``hydra/launcher=dask``."""

    scheduler: str | None
    n_jobs: int | None
    batch_size: int

    @classmethod
    def of(cls, launcher: Mapping[str, Any]) -> Options:
        """The options, checked.

        Raises:
            ConfigError: what cannot be meant.
        """
        address, n_jobs, size = (launcher[k] for k in ("scheduler", "n_jobs", "batch_size"))
        if address is not None and n_jobs is not None:
            raise ConfigError(
                "hydra.launcher.n_jobs", n_jobs, "goes with a cluster of our own, not a scheduler"
            )
        if not isinstance(size, int) or size < 1:
            raise ConfigError("hydra.launcher.batch_size", size, "needs a whole number from 1")
        n_workers(n_jobs)
        return cls(address, n_jobs, size)


class Launch:
    """Jobs of somebody else's sweeper (Hydra's own, Optuna's), who may come back with more.

    Args:
        context: of the sweep, from Hydra.
        config: of the sweep, from Hydra.
        options: ``hydra.launcher.*``.
    """

    def __init__(
        self, context: HydraContext, config: DictConfig, options: Mapping[str, Any]
    ) -> None:
        self._context = context
        self._config = config
        self._options = Options.of(options)
        self._crew: Crew | None = None

    def __call__(self, job_overrides: Sequence[Sequence[str]], first: int) -> Sequence[JobReturn]:
        """Does the jobs."""
        if self._crew is None:
            self._crew = connect(self._options)
            atexit.register(self._crew.end)
        task: Any = OmegaConf.to_container(self._config.hydra.overrides.task, resolve=False)
        local = self._options.scheduler is None
        threads = max(1, limits.cores() // (n_workers(self._options.n_jobs) if local else 1))
        points = [tuple(overrides) for overrides in job_overrides]
        composer = Composer(self._context.config_loader, self._config)
        spot_check(composer, points)
        work = Work(
            composer,
            points,
            first,
            Path(str(self._config.hydra.sweep.dir)).absolute(),
            threads,
            SharedFacts(threads=threads),
        )
        numbers = range(first, first + len(points))
        spec = spec_of(self._config, task)
        rows = {row["number"]: row for row in self._crew.do(work, numbers, spec)}
        return [returned(points[n - first], rows[n]) for n in numbers]


@contextmanager
def connected(options: Options) -> Iterator[Crew]:
    """The workers of the scheduler that is asked for, or a cluster of processes of our own.

    Raises:
        MissingExtraError: the library is not installed.
        ConfigError: nobody answers at that address, or a worker has another version of ours.
    """
    crew = connect(options)
    try:
        yield crew
    finally:
        crew.end()


def connect(options: Options) -> Crew:
    """The same, until :meth:`Crew.end`."""
    library = distributed()
    # What its workers come to is told by us, in one line.
    for name in ("distributed", "distributed.client"):  # the second one has a level of its own
        logging.getLogger(name).setLevel(logging.CRITICAL)
    if options.scheduler is not None:
        with told_in_one_line(options.scheduler):
            _knock(options.scheduler)
            client = library.Client(
                options.scheduler, timeout=_CONNECT_SECONDS, set_as_default=False
            )
        crew = Crew(client, None, address=options.scheduler, batch_size=options.batch_size)
        try:
            _check_workers(client, options.scheduler)
        except BaseException:
            crew.end()
            raise
        return crew
    # A job that kills its worker is found out by us, without its neighbours being killed as well.
    with import_module("dask").config.set({"distributed.scheduler.allowed-failures": 0}):
        cluster = library.LocalCluster(
            n_workers=n_workers(options.n_jobs),
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            # Its pages are not asked for, but come all the same, at a port that may be taken.
            scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
            memory_limit=0,
            silence_logs=logging.CRITICAL,
        )
        client = library.Client(cluster, set_as_default=False)
        return Crew(client, cluster, address=None, batch_size=options.batch_size)


def _knock(address: str) -> None:
    """Raises OSError where no scheduler is: the library goes on trying, and says so at length."""
    found = urlsplit(address if "://" in address else f"tcp://{address}")
    if found.scheme in ("tcp", "tls"):
        place = (found.hostname or "", found.port or _DASK_PORT)
        socket.create_connection(place, _CONNECT_SECONDS).close()
    try:
        asyncio.run(asyncio.wait_for(_shake_hands(address), _CONNECT_SECONDS))
    except TimeoutError as error:
        raise OSError("what listens there is no dask scheduler") from error
    except Exception as error:  # whatever comes of taking another server's bytes for a greeting
        raise OSError(str(error) or type(error).__name__) from error


async def _shake_hands(address: str) -> None:
    arguments = import_module("distributed.security").Security().get_connection_args("client")
    comm = await import_module("distributed.comm").connect(
        address, timeout=_CONNECT_SECONDS, **arguments
    )
    await comm.close()


def _check_workers(client: Any, address: str) -> None:
    with told_in_one_line(address):
        versions = client.run(node.version)
    for worker, version in versions.items():
        if version != runner.__version__:
            raise ConfigError(
                SCHEDULER,
                address,
                f"{worker} has runner {version}, we have {runner.__version__}",
            )
    if not versions:
        console.say(f"no worker at {address} yet: the jobs wait for one")
