"""The workers of a dask scheduler, as a sweep uses them."""

from __future__ import annotations

import math
import os
import secrets
import signal
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from runner import console
from runner.errors import InterruptedRunError, LostError, clip
from runner.store import layout
from runner.store.claim.owner import read_claim
from runner.store.sweeps.job_folders import run_folders
from runner.sweep.cluster import node
from runner.sweep.cluster.flight import Flight
from runner.sweep.cluster.scheduler import distributed, told_in_one_line
from runner.sweep.places import Row
from runner.sweep.work import Work

_BATCH_SECONDS = 1.0  # of work at most that one message holds, so that rows come back soon


class Crew:
    """The workers of a cluster, as a sweep uses them.

    Args:
        client: connected to the scheduler.
        cluster: of processes of our own; None: somebody else's.
        address: of somebody else's scheduler.
        batch_size: jobs in a message, at most.
    """

    def __init__(self, client: Any, cluster: Any, *, address: str | None, batch_size: int) -> None:
        self.address = address
        self._client = client
        self._batch_size = batch_size
        self._cluster = cluster
        self._seconds_each = math.inf
        self._slots = 1
        self._counted = 0.0

    def do(
        self, work: Work, numbers: Sequence[int], spec: dict[str, Any]
    ) -> Generator[Row, None, None]:
        """Does the jobs; gives their rows as batches of them end.

        Args:
            work: the sweep.
            numbers: of the jobs.
            spec: what the workers compose the sweep from.

        Raises:
            InterruptedRunError: a signal. On workers of our own the jobs in flight are recorded
                as INTERRUPTED; others finish the one they are at, and begin no more.
            RunnerError: the workers cannot do this sweep, or the scheduler is gone.
        """
        name = f"runner-{secrets.token_hex(8)}"
        self._wait_for_others(work.sweep)
        with told_in_one_line(self.address):
            self._client.register_plugin(_plugin(name, self._context(work, spec)), name=name)
        flight = Flight(self, work, name, numbers)
        try:
            yield from flight.rows()
        except InterruptedRunError as error:
            if self._cluster is not None:
                self.end()
                flight.interrupted(error.exit_code - 128)
            raise
        finally:
            flight.cancel()
            with suppress(Exception):  # the scheduler may be what is gone
                self._client.unregister_worker_plugin(name)

    def submit(self, name: str, batch: Sequence[int], number: int) -> Any:
        """A batch, handed to the scheduler; gives the future."""
        with self._or_lost():
            return self._client.submit(
                _do, name, list(batch), key=f"{name}-{number}", pure=False, priority=-number
            )

    def cancel(self, futures: Sequence[Any]) -> None:
        """Takes back what has not begun."""
        with suppress(Exception):
            self._client.cancel(futures, force=True)

    @property
    def slots(self) -> int:
        """Batches that can be done at once, now."""
        now = time.monotonic()
        if now - self._counted > 1.0:
            with self._or_lost():
                self._slots = max(1, sum(self._client.nthreads().values()))
            self._counted = now
        return self._slots

    def size(self, left: int) -> int:
        """How many jobs to hand out at a time."""
        most = min(self._batch_size, math.ceil(left / (2 * self.slots)))
        return max(1, min(most, int(_BATCH_SECONDS / max(self._seconds_each, 1e-6))))

    def took(self, jobs: int, seconds: float) -> None:
        """Learns from a batch how long the jobs are."""
        each = seconds / max(1, jobs)
        known = math.isfinite(self._seconds_each)
        self._seconds_each = 0.7 * self._seconds_each + 0.3 * each if known else each

    def lost(self) -> LostError:
        """What ends a sweep whose scheduler is gone."""
        return LostError(f"the dask scheduler at {clip(self.address or 'its cluster', 60)} is gone")

    @contextmanager
    def _or_lost(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            # The library has a dozen for it, some of them without a name of their own.
            raise self.lost() from error

    def end(self) -> None:
        """No process of ours outlives this."""
        if self._cluster is not None:
            for nanny in self._cluster.workers.values():
                nanny.auto_restart = False
                with suppress(Exception):
                    os.kill(nanny.pid, signal.SIGKILL)
        with suppress(Exception):
            self._client.close(timeout=2)
        if self._cluster is not None:
            with suppress(Exception):
                self._cluster.close(timeout=2)

    def _context(self, work: Work, spec: dict[str, Any]) -> node.Context:
        master = work.composer.master
        copied: Any = OmegaConf.to_container(master.hydra.job.env_copy)
        at_home = self._cluster is not None
        return {
            "spec": spec,
            "directory": str(work.sweep),
            "owner": read_claim(work.sweep),
            "points": [list(overrides) for overrides in work.points],
            "first": work.first,
            "folder": os.getcwd(),
            "environment": {name: os.environ[name] for name in copied if name in os.environ},
            "threads": work.threads if at_home else None,
            "at_home": at_home,
            "by_hydra": work.composer.by_hydra,
        }

    def _wait_for_others(self, sweep: Path) -> None:
        """Until the workers of a client that was killed have finished what they are at."""
        claimed = [
            str(sweep / name)
            for name in run_folders(sweep)
            if (sweep / name / layout.CLAIM_FILE).exists()
        ]
        told = False
        while claimed:
            with self._or_lost():
                answers = self._client.run(node.alive, claimed, on_error="ignore")
            claimed = sorted({path for answer in answers.values() for path in answer})
            if claimed and not told:
                console.say(f"{len(claimed)} jobs are still being done: waiting for them")
                told = True
            time.sleep(0.2 if claimed else 0)


def _do(name: str, numbers: Sequence[int]) -> tuple[list[Row], float]:
    return node.do(name, numbers, distributed().get_worker().state.nthreads)


def _plugin(name: str, context: node.Context) -> Any:
    """What takes the context to every worker, also to those that come later."""

    class Told(distributed().WorkerPlugin):  # type: ignore[misc]
        def setup(self, worker: Any) -> None:
            node.tell(name, context)

        def teardown(self, worker: Any) -> None:
            node.forget(name)

    return Told()
