"""A sweep of small runs, against Hydra's launchers and against a loop written by hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from tests.benchmarks.jobs import TARGET, TASK, a_job, memory, sweep_of, told
from tests.benchmarks.measure import Benchmark, Contender
from tests.benchmarks.processes import PEERS, place, starter

BASIC = "Hydra's basic launcher"
LOOP = "loop written by hand"


@contextmanager
def benchmark(folder: Path, *, quick: bool) -> Iterator[Benchmark]:
    """Jobs of ``seeds.seed=range(N) layers=two_dense data.samples=100``, in memory."""
    with memory(folder) as place_in_memory:
        yield against_hydra(
            place_in_memory,
            "A job of a sweep, in memory",
            quick=quick,
            goals={BASIC: 1 / 90, LOOP: 1.5, f"{LOOP}, with fsync": 1.5},
        )


def against_hydra(folder: Path, title: str, *, quick: bool, goals: dict[str, float]) -> Benchmark:
    """The benchmark with its files in this folder."""
    few, many, total = (0, 4, 4) if quick else (200, 1200, 1000)
    slow = (0, 1) if quick else (10, 40)
    loops = 4 if quick else 400
    sample = str(_sample(folder))
    by_hand, floor = str(PEERS / "by_hand.py"), str(PEERS / "same_files.py")
    missing = "" if _has_joblib() else " Left out, because it is not installed: joblib."
    return Benchmark(
        title=title,
        question=(
            "Two dense layers on 300 points, a seed a job. The start is not counted, except where "
            "it says so. All write the same files, but for the bare Hydra application, which "
            "writes four parquet files with pandas; we, and we on Hydra's launchers, have all of "
            "a run on disk before it is called finished, the loop only with fsync, the bare "
            f"application never.{missing}"
        ),
        contenders=[
            a_job("runner", sweep_of, folder, few, many),
            a_job(f"runner, {total} jobs and the start", sweep_of, folder, 0, total),
            a_job("runner, one process", _in_one_process, folder, few, many),
            a_job(BASIC, _on_basic, folder, *slow),
            *_joblib(folder, *slow),
            a_job("bare Hydra with pandas", _bare, folder, *slow),
            told(LOOP, [by_hand, sample], folder, loops),
            told(f"{LOOP}, with fsync", [by_hand, "--fsync", sample], folder, loops),
            told("floor: the same bytes", [floor, sample], folder, loops),
        ],
        rounds=1 if quick else 7,
        goals=goals,
        of_first=True,
        warm=not quick,
    )


def _sample(folder: Path) -> Path:
    """A run of ours over seed 1, whose files the loop and the floor write as well."""
    starter("sample", folder)(sweep_of(2))
    return place("sample", folder) / TARGET / "1"


def _in_one_process(count: int) -> list[str]:
    return sweep_of(count, "hydra.launcher.n_jobs=1")


def _on_basic(count: int) -> list[str]:
    return sweep_of(count, "hydra/sweeper=basic", "hydra/launcher=basic")


def _on_joblib(count: int) -> list[str]:
    return sweep_of(count, "hydra/sweeper=basic", "hydra/launcher=joblib")


def _bare(count: int) -> list[str]:
    seeds, sweep = f"+seeds.seed=range({count})", f"hydra.sweep.dir={TARGET}"
    return [str(PEERS / "hydra_pandas.py"), "-m", seeds, *TASK, sweep]


def _joblib(folder: Path, few: int, many: int) -> list[Contender]:
    if not _has_joblib():
        return []
    return [a_job("Hydra's joblib launcher", _on_joblib, folder, few, many)]


def _has_joblib() -> bool:
    try:
        return find_spec("hydra_plugins.hydra_joblib_launcher") is not None
    except ModuleNotFoundError:
        return False
