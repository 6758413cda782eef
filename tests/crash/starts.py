"""``starts``: 32 runs at the same moment, 50 times: none lost, mixed or ended badly."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

from runner.store.read import load
from tests.crash import model
from tests.crash.child import start, warm
from tests.crash.report import Report

LONG = 50
AT_ONCE = 32


def crash(folder: Path, n: int | None, seed: int) -> Report:
    """Lets 32 programs go at once, ``n`` times, or 50."""
    report = Report("starts", seed)
    warm()
    for number in range(n or LONG):
        work = folder / "work"
        shutil.rmtree(work, ignore_errors=True)
        children = [
            start(
                ["layers=one_dense", f"seeds.seed={each}", f"data.samples={each + 1}"],
                work,
                held=True,
                beside=folder / f"started{each}",
            )
            for each in range(AT_ONCE)
        ]
        for child in children:
            child.open_gate()
        problems = [
            f"exit code {child.code}: {child.told()[1][-300:]}"
            for child in children
            if child.wait(300)
        ]
        told = [path for child in children for path in child.printed()]
        problems += [f"{path} {count} times" for path, count in Counter(told).items() if count > 1]
        if len(told) != AT_ONCE:
            problems.append(f"{len(told)} directories told of")
        for each, path in enumerate(told):
            run = load(path)
            if run.inputs.shape[0] != 3 * (each + 1) or run.config["seeds"]["seed"] != each:
                problems.append(f"{path} is not the run that told of it")
        report.count("starts", AT_ONCE)
        report.check(f"round {number}", problems)
        report.check(f"round {number}", model.broken(work / "outputs", told))
        report.check(f"round {number}", model.remains(work / "outputs"))
    return report
