"""``faults``: the Nth write, fsync, rename, mkdir, open fails; disks fill, folders go away."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.crash import model, strace
from tests.crash.child import Child, outlived, start, warm
from tests.crash.points import RUN, SWEEP, age
from tests.crash.report import Report

ERRORS = {
    strace.WRITE: ("ENOSPC", "EIO"),
    strace.SYNC: ("EIO", "ENOSPC"),
    strace.RENAME: ("ENOSPC", "EACCES", "EROFS"),
    strace.MAKE: ("ENOSPC", "EACCES", "EROFS"),
    strace.OPEN: ("EMFILE", "ENOSPC", "EACCES", "EROFS", "EIO"),
    strace.TAKE: ("EACCES", "EROFS"),
    strace.LINK: ("ENOSPC", "EACCES"),
    strace.CUT: ("EIO",),
}


def crash(folder: Path, n: int | None, seed: int) -> Report:
    """Lets every call of single runs and sweeps fail in every way, or ``n`` of those each.

    Then disks that are full sooner and later, a folder that is removed meanwhile, and a tree that
    can only be read.
    """
    report = Report("faults", seed)
    warm()
    report.needs(strace.available())
    if not report.missing:
        for name, arguments in (("run", RUN), ("sweep", SWEEP)):
            _every_call(report, folder, name, arguments, n)
    _full_disks(report, folder, n)
    _removed(report, folder, n)
    return report


def _every_call(
    report: Report, folder: Path, name: str, arguments: list[str], n: int | None
) -> None:
    counts = strace.counted(
        start(arguments, folder / name, held=True), folder / "log", strace.CHANGES
    )
    where = [
        (call, error, at)
        for calls, errors in ERRORS.items()
        for call in calls
        for error in errors
        for at in range(1, counts[call] + 1)
    ]
    chosen = report.some(where, n)
    work = folder / "work"
    for wanted, error, at in chosen:
        shutil.rmtree(work, ignore_errors=True)
        child = start(arguments, work, held=True)
        with strace.traced(child, folder / "log", *strace.failing(wanted, error, at)):
            code = child.wait()
        report.count(f"exit {code}")
        # A file of the configuration that may not be read is the user's to mend.
        may = (2,) if (wanted, error) == ("openat", "EACCES") else ()
        judge(report, f"{name}: {wanted} {at} gives {error}", child, work, may)
    report.count("faults", len(chosen))
    report.say(f"{name}: {len(chosen)} of {len(where)} faults")


def judge(report: Report, what: str, child: Child, work: Path, may: tuple[int, ...] = ()) -> None:
    """One clear line and exit code 3 or none at all; nothing broken is left to be seen."""
    code = child.code
    err = child.told()[1]
    root = work / "outputs"
    sweep = "multirun" in str(list(root.glob("*"))) if root.is_dir() else False
    allowed = ((0, 1, 3) if sweep else (0, 3)) + may
    problems = []
    if code not in allowed:
        problems.append(f"exit code {code}: {err[-300:]}")
    elif "Traceback" in err:
        problems.append(f"a traceback: {err[-300:]}")
    elif code == 3:
        lines = [line for line in err.splitlines() if line.startswith("runner: ")]
        if len(lines) != 1 or len(lines[0]) > 200:
            problems.append(f"not one line: {err!r}")
    problems += [f"process {each} is left" for each in outlived(child.pid)]
    told = child.printed() if code == 0 else []
    report.check(what, problems + model.broken(root, told))
    if not root.is_dir():
        return
    age(root)
    clean = start(["ls", "--clean"], work, beside=child.out.with_name("clean"))
    report.check(f"{what}, cleaned", [] if clean.wait() == 0 else [clean.told()[1][-300:]])
    report.check(f"{what}, cleaned", model.broken(root, told) + model.remains(root))


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[Path]:
    """A real file system of that size."""
    place.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PermissionError(f"no tmpfs can be mounted: {done.stderr.strip()[-80:]}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def _full_disks(report: Report, folder: Path, n: int | None) -> None:
    """Disks that a run, or a sweep, fills at any moment: 4 KiB more each time until it fits."""
    for name, arguments in (("run", RUN), ("sweep", SWEEP)):
        sizes = report.some(range(4, 200 if name == "run" else 400, 4), n)
        for size in sizes:
            try:
                with small_disk(folder / "disk", f"{size}k") as disk:
                    work = disk / "work"
                    child = start(arguments, work, beside=folder / "beside")
                    child.wait()
                    report.count(f"full disks: exit {child.code}")
                    judge(report, f"{name} on {size} KiB", child, work)
            except PermissionError as error:
                report.needs(str(error))
                return


def _removed(report: Report, folder: Path, n: int | None) -> None:
    """The run's directory, its staging folder or the whole tree is taken away meanwhile."""
    for victim in ("outputs", "outputs/*/*", "outputs/*/*/.staging", "outputs/*/*/.hydra"):
        for step in range(n or 40):
            work = folder / "work"
            shutil.rmtree(work, ignore_errors=True)
            child = start(["layers=mlp", "layers.mlp.depth=30", "data.samples=3000"], work)
            while not list(work.glob(victim)) and child.poll() is None:
                time.sleep(0.0005)
            time.sleep(0.003 * step)
            for path in work.glob(victim):
                if path.name != "latest":
                    shutil.rmtree(path, ignore_errors=True)
            child.wait()
            report.count(f"removed: exit {child.code}")
            told = model.broken(work / "outputs")
            known = "SHA256SUMS" in str(told) or "is missing" in str(told)
            code, (_, err) = child.code, child.told()
            problems = [] if known else told
            if code not in (0, 3) or "Traceback" in err:
                problems.append(f"exit code {code}: {err[-400:]}")
            report.check(f"{victim} removed", problems)
