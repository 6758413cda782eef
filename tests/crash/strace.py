"""Faults, kills and a record of what a process asks of the system, by ``strace``."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.crash.child import Child

OPEN = ("openat", "open", "creat")
WRITE = ("write", "pwrite64", "writev")
SYNC = ("fsync", "fdatasync", "syncfs")
RENAME = ("rename", "renameat", "renameat2")
MAKE = ("mkdir", "mkdirat")
TAKE = ("unlink", "unlinkat", "rmdir")
LINK = ("symlink", "symlinkat", "link", "linkat")
CUT = ("ftruncate", "truncate")
CHANGES = (*OPEN, *WRITE, *SYNC, *RENAME, *MAKE, *TAKE, *LINK, *CUT)

_CALL = re.compile(r"^(?:\d+ +)?(\w+)\(")


def available() -> str:
    """Why it can't be used here; empty if it can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    done = subprocess.run(
        ["strace", "-o", os.devnull, "-e", "trace=openat", "true"],
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if done.returncode == 0 else f"strace is not allowed: {done.stderr.strip()[-80:]}"


@contextmanager
def traced(child: Child, log: Path, *options: str) -> Iterator[None]:
    """Attaches to a child that is held, and lets it go; at the end all is written to ``log``."""
    tracer = subprocess.Popen(
        ["strace", "-f", "-qq", "-o", str(log), *options, "-p", str(child.pid)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        status = Path(f"/proc/{child.pid}/status")
        deadline = time.monotonic() + 20
        while "\nTracerPid:\t0\n" in status.read_text():
            if tracer.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"strace: {tracer.communicate()[1]}")
            time.sleep(0.0005)
        child.open_gate()
        yield
    finally:
        if child.poll() is None:
            child.kill()
        try:
            tracer.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            tracer.kill()
            tracer.communicate()


def counted(child: Child, log: Path, calls: Sequence[str]) -> Counter[str]:
    """How often the busiest thread of the child makes each of the calls, until it ends."""
    with traced(child, log, "-e", f"trace={','.join(calls)}"):
        child.wait()
    most: Counter[str] = Counter()
    each: Counter[tuple[str, str]] = Counter()
    for line in log.read_text(errors="replace").splitlines():
        found = _CALL.match(line)
        if found:
            each[line.split(" ", 1)[0], found.group(1)] += 1
    for (_, call), count in each.items():
        most[call] = max(most[call], count)
    return most


def failing(call: str, error: str, at: int) -> list[str]:
    """Options: the ``at``-th of these calls fails."""
    return ["-e", f"trace={call}", "-e", f"inject={call}:error={error}:when={at}"]


def killing(call: str, at: int) -> list[str]:
    """Options: who makes this call for the ``at``-th time is killed before it is done."""
    return ["-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={at}"]
