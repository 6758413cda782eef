"""``kills``: ``kill -9`` at random moments, of single runs and of sweeps on our launchers."""

from __future__ import annotations

import os
import shutil
import time
from importlib.util import find_spec
from pathlib import Path

from runner.store.layout import RUN_FILE
from tests.crash import model
from tests.crash.child import Child, doing, outlived, start, warm
from tests.crash.points import age
from tests.crash.report import Report

LONG = 1000
FEW = 10
"""So few kills are of what starts at once: no workers, no cluster."""

JOBS = 24
"""Of a sweep: several rounds of its workers, and few enough to be read again after every kill."""

RUN = ["layers=mlp", "layers.mlp.depth=10", "data.samples=2000"]
SWEEP = ["-m", f"seeds.seed=range({JOBS})", "layers=one_dense", "data.samples=10"]
WORKERS = [
    "-m",
    f"seeds.seed=range({JOBS})",
    "layers=mlp",
    "layers.mlp.depth=12",
    "data.samples=99",
]
DASK = [*SWEEP, "hydra/launcher=dask", "hydra.launcher.n_jobs=2"]

_AGAIN = 0.7
"""Of the times that a sweep is taken up, how often it is killed once more."""

SHARES = ((RUN, 0.45), (SWEEP, 0.25), (WORKERS, 0.25), (DASK, 0.05))


def crash(folder: Path, n: int | None, seed: int) -> Report:
    """Kills ``n`` programs, or 1,000: the whole group or, of a sweep, the client alone.

    Where it was a sweep, it is taken up again, and killed again until luck has it go on.
    """
    report = Report("kills", seed)
    warm()
    wanted, seconds = n or LONG, {}
    kinds = [RUN, SWEEP, WORKERS, DASK] if wanted > FEW else [RUN, SWEEP]
    if find_spec("distributed") is None and DASK in kinds:
        report.needs("the extra dask is not installed")
        return report
    for arguments in kinds:
        begun = time.monotonic()
        if start(arguments, folder / "warm").wait(120):
            raise RuntimeError(f"{arguments} does not go")
        seconds[id(arguments)] = time.monotonic() - begun
    weights = [share for arguments, share in SHARES if arguments in kinds]
    while report.counts["kills"] < wanted:
        arguments = report.dice.choices(kinds, weights)[0]
        _one(report, folder / "work", arguments, seconds[id(arguments)])
        if report.counts["kills"] % 100 == 99:
            report.say(f"{report.counts['kills']} kills")
    return report


def _one(report: Report, work: Path, arguments: list[str], seconds: float) -> None:
    shutil.rmtree(work, ignore_errors=True)
    what = " ".join([*arguments[:3], *(t for t in arguments if "launcher" in t)])
    child = start(arguments, work)
    _killed(report, what, child, work, seconds)
    root = work / "outputs"
    for sweep in root.glob("multirun/*/[0-9]*"):
        again = ["-m", f"hydra.sweeper.resume={sweep}", *(t for t in arguments if "launcher" in t)]
        while report.dice.random() < _AGAIN:
            _killed(report, f"{what}, resumed", start(again, work), work, seconds)
        before = _stamps(sweep)
        last = start(again, work)
        code = last.wait(180)
        report.check(f"{what}, resumed", [] if code == 0 else [f"{code}: {last.told()[1][-300:]}"])
        report.check(f"{what}, resumed", model.broken(root, last.printed()))
        after = _stamps(sweep)
        report.check(
            f"{what}, resumed",
            [f"job {name} was done again" for name, at in before.items() if after.get(name) != at],
        )
        report.check(
            f"{what}, resumed", [] if len(after) == JOBS else [f"{len(after)} of {JOBS} jobs"]
        )
        report.count("sweeps resumed to the end")
    if root.is_dir():
        age(root)
        clean = start(["ls", "--clean"], work)
        report.check(f"{what}, cleaned", [] if clean.wait() == 0 else [clean.told()[1][-300:]])
        report.check(f"{what}, cleaned", model.broken(root) + model.remains(root))


def _killed(report: Report, what: str, child: Child, work: Path, seconds: float) -> None:
    time.sleep(report.dice.uniform(0, 1.1 * seconds))
    if child.poll() is not None:
        report.count("were over before")
    else:
        group = report.dice.random() < 0.6
        child.kill(group=group)
        report.count("kills")
        report.count("kills of the whole group" if group else "kills of the client alone")
    left = outlived(child.pid)
    report.check(what, [f"process {each} is left: {doing(each)}" for each in left])
    report.check(what, model.broken(work / "outputs", child.printed()))


def _stamps(sweep: Path) -> dict[str, int]:
    """Job -> when its run was put in place."""
    return {p.parent.name: os.stat(p).st_mtime_ns for p in sweep.glob(f"*/{RUN_FILE}")}
