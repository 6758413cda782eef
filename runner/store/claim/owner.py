"""Who has claimed a directory, and whether that process is still there."""

from __future__ import annotations

import errno
import json
import os
import time
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from runner.store.files import read_file
from runner.store.layout import CLAIM_FILE

RUN = "run"
SWEEP = "sweep"

YOUNG = 10.0
"""Seconds: a claim that can't be read yet may be in the middle of being written."""


def write_claim(directory: Path, kind: str) -> bool:
    """Writes ``.claim`` if there is none: of two processes exactly one does."""
    pid = os.getpid()
    owner = {
        "kind": kind,
        "time": datetime.now(UTC).isoformat(),
        "pid": pid,
        "started": _own_start_time(),
        "boot": _boot_id(),
        "namespace": _namespace(),
        "host": _host(),
    }
    data = json.dumps(owner).encode()
    path = directory / CLAIM_FILE
    written = _write_at_once(path, data)
    return _write_new(path, data) if written is None else written


def is_alive(directory: Path) -> bool:
    """Whether the process that claimed ``directory`` is still there."""
    path = directory / CLAIM_FILE
    owner = read_claim(directory)
    if owner is None:
        try:
            return time.time() - path.stat().st_mtime < YOUNG
        except OSError:
            return False
    if _is_elsewhere(owner):
        return True  # it can't be asked, and calling it dead would be worse
    return owner.get("boot") == _boot_id() and _lives(owner.get("pid"), owner.get("started"))


def told_alive(directory: Path) -> str:
    """That the process is still there, and what to do where nobody here can know."""
    owner = read_claim(directory)
    if owner is not None and _is_elsewhere(owner):
        return "still running on another machine or in a container; if it is not, delete its .claim"
    return "still running"


def _is_elsewhere(owner: dict[str, Any]) -> bool:
    """Whether a claim is of another machine on a shared disk, or of another container."""
    if owner.get("boot") != _boot_id():
        return bool(owner.get("host") != _host())
    return owner.get("namespace") not in (None, _namespace())


def read_claim(directory: Path) -> dict[str, Any] | None:
    """What a claim says; see :func:`write_claim`. None: there is none to read."""
    try:
        owner = json.loads(read_file(directory / CLAIM_FILE))
    except (OSError, ValueError, RecursionError):
        return None
    return owner if isinstance(owner, dict) else None


def claimed_at(directory: Path) -> datetime | None:
    """When a directory was claimed."""
    try:
        time = datetime.fromisoformat(str((read_claim(directory) or {}).get("time")))
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _write_at_once(path: Path, data: bytes) -> bool | None:
    """Makes the file with all that is in it: a kill leaves no claim that can't be read.

    Returns:
        False: there is one. None: the system has no files without a name.
    """
    if not hasattr(os, "O_TMPFILE"):
        return None
    try:
        descriptor = os.open(path.parent, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o666)
    except OSError as error:
        if error.errno in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL):
            return None
        raise
    try:
        if os.write(descriptor, data) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        # With `src_dir_fd` the link is followed to the file that has no name.
        os.link(f"/proc/self/fd/{descriptor}", path, src_dir_fd=descriptor)
    except FileExistsError:
        return False
    except FileNotFoundError:
        if os.path.exists("/proc/self/fd"):
            raise
        return None
    finally:
        os.close(descriptor)
    return True


def _write_new(path: Path, data: bytes) -> bool:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    except FileExistsError:
        return False
    try:
        if os.write(descriptor, data) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError:
        os.unlink(path)
        raise
    finally:
        os.close(descriptor)
    return True


def _lives(pid: object, started: object) -> bool:
    if not isinstance(pid, int) or pid <= 0:
        return False
    seen = _start_time(pid)
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # somebody else's, which the system may hide
        return seen in (None, started)
    return started is None or seen == started


def _start_time(pid: int) -> int | None:
    """Clock ticks from boot to the process's start; None: unknown, or it has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return None
    # The name in front may hold blanks and brackets itself.
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


@cache
def _own_start_time() -> int | None:
    # The system takes longer to tell this than to write the claim.
    return _start_time(os.getpid())


@cache
def _boot_id() -> str | None:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return None


@cache
def _namespace() -> int | None:
    """Which numbering of processes this one is in: a container has its own, and the same boot."""
    try:
        return os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        return None


def _host() -> str:
    return os.uname().nodename


for _of_the_process in (_own_start_time, _namespace):
    os.register_at_fork(after_in_child=_of_the_process.cache_clear)
