"""What it costs a job to be on disk for good, and known by its checksums."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.benchmarks.jobs import a_job, sweep_of
from tests.benchmarks.measure import Benchmark, Contender
from tests.benchmarks.processes import PEERS


@contextmanager
def benchmark(folder: Path, *, quick: bool) -> Iterator[Benchmark]:
    """Jobs of a sweep in one process, on the disk that temporary files are on."""
    few, many = (0, 4) if quick else (100, 600)

    def contender(name: str, arguments: Callable[[int], list[str]]) -> Contender:
        return a_job(name, arguments, folder, few, many)

    yield Benchmark(
        title="What safety costs",
        question=(
            "A job of a sweep in one process: two dense layers on 300 points, the start not "
            "counted; the ratio is of our time to that without."
        ),
        contenders=[
            contender("runner", lambda count: sweep_of(count, "hydra.launcher.n_jobs=1")),
            contender("without fsync", _without("fsync")),
            contender("without checksums", _without("checksums")),
            contender("without either", _without("both")),
        ],
        rounds=1 if quick else 7,
        goals={},
        of_first=True,
        warm=not quick,
    )


def _without(what: str) -> Callable[[int], list[str]]:
    def arguments(count: int) -> list[str]:
        _, _, *rest = sweep_of(count, "hydra.launcher.n_jobs=1")
        return [str(PEERS / "unsafe.py"), what, *rest]

    return arguments
