"""``points``: killed before every single call that changes something on disk."""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from pathlib import Path

from tests.crash import model, strace
from tests.crash.child import outlived, start, warm
from tests.crash.report import Report

RUN = ["layers=one_dense", "data.samples=10"]
SWEEP = ["-m", "seeds.seed=1,2,3,4", "layers=one_dense", "data.samples=10"]
REMOVAL = ["rm", "--yes", "latest/1", "latest/3"]

CASES = (("run", RUN, None), ("sweep", SWEEP, None), ("rm", REMOVAL, SWEEP))
"""Its name, what is killed, and what is done before."""


def crash(folder: Path, n: int | None, seed: int) -> Report:
    """Kills runs, sweeps of four jobs and the deletion of two of them at each point, or at ``n``.

    After each kill the model is checked, the sweep is taken up again, the leavings are swept up
    (after a deletion that comes first), and the model is checked once more.
    """
    report = Report("points", seed)
    report.needs(strace.available())
    if report.missing:
        return report
    warm()
    for name, arguments, before in CASES:
        if before:
            start(before, folder / name).wait()
        counts = strace.counted(
            start(arguments, folder / name, held=True), folder / "log", strace.CHANGES
        )
        where = report.some([(call, at) for call in counts for at in range(1, counts[call] + 1)], n)
        for call, at in where:
            shutil.rmtree(folder / "work", ignore_errors=True)
            if before:
                start(before, folder / "work").wait()
            _kill(report, folder / "work", arguments, call, at)
        report.say(f"{name}: killed before {len(where)} of {_sum(counts)} calls: {_list(counts)}")
    return report


def _kill(report: Report, work: Path, arguments: list[str], call: str, at: int) -> None:
    child = start(arguments, work, held=True)
    with strace.traced(child, work.with_name("log"), *strace.killing(call, at)):
        code = child.wait()
    report.count("kills" if code == -9 else "not reached")
    what = f"{arguments[0]} killed at {call} {at}"
    root = work / "outputs"
    report.check(what, [f"process {each} is left" for each in outlived(child.pid)])
    report.check(what, model.broken(root, child.printed()))
    if root.is_dir():
        steps = (_clean, _resume) if arguments is REMOVAL else (_resume, _clean)
        for step in steps:
            step(report, what, work, child.printed())


def _resume(report: Report, what: str, work: Path, told: list[Path]) -> None:
    for sweep in (work / "outputs").glob("multirun/*/[0-9]*"):
        again = start(["-m", f"hydra.sweeper.resume={sweep}"], work)
        report.check(f"{what}, resumed", [] if again.wait() == 0 else [again.told()[1][-300:]])
        report.check(f"{what}, resumed", model.broken(work / "outputs", again.printed()))


def _clean(report: Report, what: str, work: Path, told: list[Path]) -> None:
    root = work / "outputs"
    age(root)
    clean = start(["ls", "--clean"], work)
    report.check(f"{what}, cleaned", [] if clean.wait() == 0 else [clean.told()[1][-300:]])
    report.check(f"{what}, cleaned", model.broken(root, told) + model.remains(root))


def age(root: Path) -> None:
    """Lets a minute go by: what bears nobody's name is only swept up when it is no longer new."""
    then = time.time() - 60
    for path in [root, *root.rglob("*")]:
        os.utime(path, (then, then), follow_symlinks=False)


def _sum(counts: Counter[str]) -> int:
    return sum(counts.values())


def _list(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {call}" for call, count in sorted(counts.items()))
