"""A job of a sweep of ours, against those who record runs, given the same to record."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from tests.benchmarks.jobs import a_job, memory, sweep_of, told
from tests.benchmarks.measure import Benchmark
from tests.benchmarks.processes import PEERS

_PEERS = {
    "Sacred": ("sacred", [str(PEERS / "sacred_runs.py"), "fd"]),
    "Sacred, printing not captured": ("sacred", [str(PEERS / "sacred_runs.py"), "no"]),
    "MLflow, files": ("mlflow", [str(PEERS / "mlflow_runs.py"), "files"]),
    "MLflow, sqlite": ("mlflow", [str(PEERS / "mlflow_runs.py"), "sqlite"]),
    "signac": ("signac", [str(PEERS / "signac_runs.py")]),
}
"""Name -> the library, and the script that prints the seconds of a run."""

_GOALS = {"Sacred": 1 / 6, "MLflow, files": 1 / 8, "MLflow, sqlite": 1 / 15}


@contextmanager
def benchmark(folder: Path, *, quick: bool) -> Iterator[Benchmark]:
    """Runs stored in memory."""
    with memory(folder) as place_in_memory:
        yield against_trackers(place_in_memory, "A run recorded, in memory", quick=quick)


def against_trackers(folder: Path, title: str, *, quick: bool) -> Benchmark:
    """The benchmark with its files in this folder."""
    few, many, count = (0, 4, 1) if quick else (200, 1200, 100)
    there = {name: peer for name, peer in _PEERS.items() if find_spec(peer[0])}
    missing = sorted({library for library, _ in _PEERS.values() if not find_spec(library)})
    note = f" Left out, because not installed: {', '.join(missing)}." if missing else ""
    return Benchmark(
        title=title,
        question=(
            "Two dense layers on 300 points, a seed a run. The others record four parameters, each "
            "layer's mean and spread, and its outputs as a parquet file; their start and their "
            "first run are not counted. We keep inputs, weights, provenance and checksums "
            f"besides, and call a run finished once it is on disk.{note}"
        ),
        contenders=[
            a_job("runner", sweep_of, folder, few, many),
            *(told(name, script, folder, count) for name, (_, script) in there.items()),
        ],
        rounds=1 if quick else 7,
        goals=_GOALS,
        of_first=True,
        warm=not quick,
    )
