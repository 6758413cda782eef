"""Composing the jobs of a sweep, against Hydra's own way."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path

from runner.app.compose import compose, hydra_session
from runner.sweep.compose import Composer
from tests.benchmarks.jobs import TASK
from tests.benchmarks.measure import Benchmark, Contender

LOAD = "Hydra's load_sweep_config"
_KEYS = ("layers", "data", "seeds.seed")


@contextmanager
def benchmark(folder: Path, *, quick: bool) -> Iterator[Benchmark]:
    """Jobs of one shape, and of a grid with groups in it."""
    slow, many = (2, 10) if quick else (40, 1000)
    seeds = [(f"seeds.seed={seed}", *TASK) for seed in range(many)]
    groups = product(("one_dense", "two_dense"), ("spiral", "vertical"), map(str, range(many // 4)))
    mixed = [tuple(map("=".join, zip(_KEYS, job, strict=True))) for job in groups]
    with hydra_session() as hydra:
        arguments = ["hydra.mode=MULTIRUN", f"hydra.sweep.dir={folder}"]
        master = compose(hydra, None, arguments, multirun=True)
        loader = hydra.config_loader

        def load(number: int, job: Sequence[str]) -> None:
            loader.load_sweep_config(master, list(job))

        def whole(number: int, job: Sequence[str]) -> None:
            Composer(loader, master).compose_by_hydra(number, job)

        def new() -> Callable[[int, Sequence[str]], object]:
            return Composer(loader, master).compose

        known = Composer(loader, master)
        for number, job in enumerate(seeds[:2]):
            known.compose(number, job)
        yield Benchmark(
            title="Composing a job of a sweep",
            question=(
                "The configuration of a job alone is what Hydra's call gives; the others give the "
                "texts of the files in .hydra as well. The sweeps are of "
                f"{many} jobs, the composing of the first by Hydra counted."
            ),
            contenders=[
                _each(LOAD, lambda: load, seeds[:slow]),
                _each("runner, a seed a job", new, seeds),
                _each("runner, and 4 choices of groups", new, mixed),
                _each("runner, after the first jobs", lambda: known.compose, seeds),
                _each("Hydra, with the texts of .hydra", lambda: whole, seeds[:slow]),
            ],
            rounds=2 if quick else 11,
            goals={"runner, a seed a job": 1 / 100},
        )


def _each(
    name: str,
    new: Callable[[], Callable[[int, Sequence[str]], object]],
    jobs: Sequence[Sequence[str]],
) -> Contender:
    """Composes all the jobs in a row; the time is that of one."""

    def run() -> float:
        one = new()
        started = time.perf_counter()
        for number, job in enumerate(jobs):
            one(number, job)
        return (time.perf_counter() - started) / len(jobs)

    return Contender(name, run)
