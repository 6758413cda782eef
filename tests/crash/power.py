"""``power``: the power goes at any moment; whatever was not synced may be lost."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tests.crash import disk, model, strace
from tests.crash.child import start, warm
from tests.crash.points import RUN, SWEEP, age
from tests.crash.report import Report

SHARES = (0.0, 1.0, 0.5, 0.2, 0.8)
"""Of what was not synced, how much is on disk all the same."""


def crash(folder: Path, n: int | None, seed: int) -> Report:
    """Records single runs and sweeps, and takes the power away after each of their calls."""
    report = Report("power", seed)
    report.needs(strace.available())
    if report.missing:
        return report
    warm()
    for name, arguments in (("run", RUN), ("sweep", SWEEP)):
        work = folder / name / "work"
        work.parent.mkdir()
        child = start(arguments, work, held=True)
        log = folder / "log"
        options = ("-y", "-xx", "-s", "9999999", "-e", f"trace={','.join(strace.CHANGES)}")
        with strace.traced(child, log, *options):
            if child.wait():
                raise RuntimeError(child.told()[1])
        record = disk.record(log.read_text(), work, child.out)
        _check_replay(report, record, work)
        shutil.rmtree(work)
        moments = sorted({0, record.end, *(each.at for each in record.operations)})
        states = report.some([(m, share) for m in moments for share in SHARES], n)
        for moment, share in states:
            _lose(report, record, work, moment, share)
        report.say(f"{name}: {len(states)} states after {len(moments)} calls")
    return report


def _check_replay(report: Report, record: disk.Record, work: Path) -> None:
    """With nothing lost, the replay is what is there: the record is complete."""
    again = work.with_name("again")
    disk.materialise(record.root, record.operations, again)
    done = [path.relative_to(work) for path in sorted(work.rglob("*"))]
    here = [path.relative_to(again) for path in sorted(again.rglob("*"))]
    report.check("the replay", [] if done == here else [f"{done} became {here}"])
    wrong = [
        str(path)
        for path in done
        if (work / path).is_file() and (work / path).read_bytes() != (again / path).read_bytes()
    ]
    report.check("the replay", wrong)
    shutil.rmtree(again)


def _lose(report: Report, record: disk.Record, work: Path, moment: int, share: float) -> None:
    shutil.rmtree(work, ignore_errors=True)
    disk.materialise(record.root, disk.survivors(record, moment, report.dice, share), work)
    _reboot(work)
    report.count("states")
    told = [
        Path(os.fsdecode(line))
        for at, text in record.told
        if at <= moment
        for line in text.splitlines()
        if line.startswith(b"/")
    ]
    what = f"after call {moment}, {share:.0%} of the rest on disk"
    root = work / "outputs"
    report.check(what, model.broken(root, told))
    if not root.is_dir():
        return
    age(root)
    sweeps = [path.parent for path in root.glob("multirun/*/[0-9]*/.sweep.json")]
    for sweep in sweeps if share in (0.0, 0.5) else ():
        again = start(["-m", f"hydra.sweeper.resume={sweep}"], work)
        code, err = again.wait(), again.told()[1]
        torn = code == 2 and "is not what was written" in err and not told
        report.check(f"{what}, resumed", [] if code == 0 or torn else [err[-300:]])
        report.check(f"{what}, resumed", model.broken(root, again.printed()))
        report.count("resumed")
    if share in (0.0, 0.5):
        age(root)
        clean = start(["ls", "--clean"], work)
        report.check(f"{what}, cleaned", [] if clean.wait() == 0 else [clean.told()[1][-300:]])
        report.check(f"{what}, cleaned", model.broken(root, told) + model.remains(root))


def _reboot(work: Path) -> None:
    """Whoever was there is not: the claims are of an earlier boot."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_bytes().strip()
    for path in work.rglob(".claim"):
        path.write_bytes(path.read_bytes().replace(boot, b"0" * len(boot)))
