"""One run, started cold from the command line, against the Hydra application without us."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.benchmarks.measure import Benchmark
from tests.benchmarks.processes import PEERS, python


@contextmanager
def benchmark(folder: Path, *, quick: bool) -> Iterator[Benchmark]:
    """``layers=two_dense data.samples=100``, from starting Python to its end."""
    overrides = ["layers=two_dense", "data.samples=100"]
    ours = ["-m", "runner", *overrides]
    yield Benchmark(
        title="One run from a cold start",
        question=(
            "Two dense layers on 300 points of the spiral, from the start of Python to its end. "
            "The bare Hydra application writes inputs, layers and metadata with pandas, without "
            "fsync, checksums, parameters or provenance."
        ),
        contenders=[
            python("bare Hydra with pandas", [str(PEERS / "hydra_pandas.py"), *overrides], folder),
            python("runner", ours, folder),
            python("runner, composed anew", ours, folder, {"RUNNER_CACHE": "0"}),
            python("floor: importing numpy and pyarrow", ["-c", "import numpy, pyarrow"], folder),
            python("floor: Python", ["-c", ""], folder),
        ],
        rounds=2 if quick else 21,
        goals={"runner": 0.45},
    )
