"""``soak``: 10,000 runs in one process; numpy as before, memory and time flat."""

from __future__ import annotations

import gc
import os
import shutil
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import runner
from tests.crash.report import Report

LONG = 10_000
PARTS = 10

_PATCHED = ("dot", "zeros", "eye")


def crash(folder: Path, n: int | None, seed: int) -> Report:
    """Does runs one after the other, and looks at each tenth of them."""
    report = Report("soak", seed)
    count = (n or LONG) // PARTS
    here = Path.cwd()
    work = folder / "work"
    work.mkdir()
    os.chdir(work)
    before: dict[str, Callable[..., Any]] = {name: getattr(np, name) for name in _PATCHED}
    randn = np.random.randn
    np.random.seed(7)
    state = _generator()
    seconds, memory, files = [], [], []
    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            for part in range(PARTS):
                each = []
                for number in range(count):
                    begun = time.perf_counter()
                    seeds = f"seeds.seed={part * count + number}"
                    runner.run([seeds, "layers=book_chapter_4", "data.samples=10"])
                    each.append(time.perf_counter() - begun)
                shutil.rmtree(work / "outputs")
                gc.collect()
                seconds.append(statistics.median(each))
                memory.append(_resident())
                files.append(len(os.listdir("/proc/self/fd")))
                report.count("runs", count)
                report.say(
                    f"{(part + 1) * count} runs: {1000 * seconds[-1]:.1f} ms each, "
                    f"{memory[-1] / 2**20:.1f} MiB, {files[-1]} files open"
                )
    finally:
        os.chdir(here)
    report.check("warnings", sorted({str(warning.message) for warning in told}))
    same = all(getattr(np, name) is function for name, function in before.items())
    report.check("numpy", [] if same and np.random.randn is randn else ["a function is another"])
    after = _generator()
    report.check("numpy", [] if after == state else ["the global generator has moved on"])
    report.check("files", [] if files[-1] <= files[0] else [f"open files: {files}"])
    # After the first part, where everything is loaded and every cache is full.
    grown = memory[-1] - memory[1]
    report.check("memory", [] if grown < 8 * 2**20 else [f"{grown / 2**20:.1f} MiB more: {memory}"])
    slower = statistics.median(seconds[-3:]) / statistics.median(seconds[:3])
    # A few runs beside other tests say how busy the machine is, not whether runs slow down.
    flat = slower < 1.5 or count < LONG / PARTS
    report.check("time", [] if flat else [f"{slower:.2f} times as long: {seconds}"])
    report.say(f"memory +{grown / 2**20:.1f} MiB, time x {slower:.2f}")
    return report


def _resident() -> int:
    """Bytes of memory that are this process's."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _generator() -> list[Any]:
    """Where the global generator stands."""
    state: Any = np.random.get_state(legacy=False)
    return [state["state"]["key"].tolist(), state["state"]["pos"], state["has_gauss"]]
