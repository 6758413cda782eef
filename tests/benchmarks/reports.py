"""The pages of ``report``: how long they take, and how large they are."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from runner import limits
from runner.report.pair import page_of_pair
from runner.report.run import page_of_run
from runner.report.sweep import page_of_sweep
from runner.store import load
from tests.benchmarks.measure import Course
from tests.benchmarks.processes import environment_in


@contextmanager
def benchmark(folder: Path, *, quick: bool) -> Iterator[Course]:
    """A small run, two of them, a deep one, a sweep of 1,000 runs, 20,000,000 samples."""
    jobs, samples = (6, 100_000) if quick else (1_000, 20_000_000)
    yield Course(
        title="Reports",
        question=(
            "A page in a process that has made one before; the first takes about a second more, "
            "for putting the chart library together. Of that library are about 0.9 MB of each page."
        ),
        columns=("page of", "made in", "size"),
        rows=lambda: [_row(*each) for each in _pages(folder, jobs, samples)],
    )


def _pages(folder: Path, jobs: int, samples: int) -> Iterator[tuple[str, Callable[[], str]]]:
    small = _made(folder, "layers=book_chapter_4")
    other = _made(folder, "layers=book_chapter_4", "seeds.seed=1")
    page_of_run(load(small))  # to be warm
    yield "a run of 300 samples", lambda: page_of_run(load(small))
    yield "two of them", lambda: page_of_pair(load(small), load(other))
    deep = _made(folder, "layers=mlp", "layers.mlp.depth=50", "layers.mlp.width=64")
    yield "100 layers of 64 neurons", lambda: page_of_run(load(deep))
    mlp = ("layers=mlp", "layers.mlp.depth=5", "layers.mlp.width=8", "data.samples=10")
    scales = f"layers.mlp.weight_scale=range(1,{max(jobs // 5, 2) + 1})"
    sweep = _made(folder, "-m", *mlp, scales, "seeds.seed=range(5)", "save=statistics")
    yield f"a sweep of {max(jobs // 5, 2) * 5:,} runs", lambda: page_of_sweep(sweep, folder)
    large = _made(folder, "data=normal", f"data.samples={samples}", "layers.dense1.n_neurons=8")
    yield f"a run of {samples:,} samples", lambda: page_of_run(load(large))


def _made(folder: Path, *arguments: str) -> Path:
    done = subprocess.run(
        [sys.executable, "-m", "runner", *arguments],
        cwd=folder,
        env=environment_in(folder),
        capture_output=True,
        text=True,
        check=True,
    )
    return Path(done.stdout.splitlines()[-1])


def _row(name: str, page: Callable[[], str]) -> list[str]:
    begun = time.perf_counter()
    text = page()
    return [name, f"{time.perf_counter() - begun:.2f} s", limits.size(len(text.encode()))]
