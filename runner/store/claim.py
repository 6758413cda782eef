"""Directories that belong to one process: no two runs ever share one."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from runner.errors import ConfigError, RunnerError
from runner.store.files import sync_directory, sync_file, write_file, writing
from runner.store.layout import CLAIM_FILE, RUN_FILE

RUN = "run"
SWEEP = "sweep"

_YOUNG = 10.0  # seconds: a claim that can't be read yet may be in the middle of being written
_ATTEMPTS = 100  # at making a directory whose parents others are taking away
_DOOMED = ".deleted"
_NO_FILES: Mapping[str, str] = {}
_BAD_NAMES = (errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP)


@dataclass(frozen=True)
class Claim:
    """A directory that is this process's alone until the commit.

    Attributes:
        directory: the directory.
        made: what was made for it, outermost first; the directory itself is not among them where
            the user gave an empty one.
    """

    directory: Path
    made: tuple[Path, ...]

    def abandon(self) -> None:
        """Takes everything away again that the claim made, unless there is a run by now."""
        if (self.directory / RUN_FILE).exists():
            return
        with contextlib.suppress(OSError):
            for entry in list(os.scandir(self.directory)):
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path, ignore_errors=True)
                else:
                    os.unlink(entry.path)
        _remove(self.made)

    def release(self) -> None:
        """Gives the directory up without a commit: it reads as dead from now on."""
        path = self.directory / CLAIM_FILE
        # An old empty claim is nobody's. Emptying needs no space, which may be what is missing.
        with contextlib.suppress(OSError):
            os.truncate(path, 0)
            os.utime(path, (0, 0))


def claim(directory: Path, *, stamped: bool, kind: str = RUN) -> Claim:
    """Makes ``directory`` and takes it for this process.

    Args:
        directory: where.
        stamped: whether it is a timestamp of ours: taken, it becomes ``-1``, ``-2``, …
            One that the user named has to be new or empty.
        kind: ``run`` or ``sweep``.

    Raises:
        ConfigError: the user's directory is taken.
        WriteError: it can't be made.
    """
    directory = Path(os.path.abspath(directory))
    made: list[Path] = []
    try:
        for candidate in _candidates(directory) if stamped else (directory,):
            if _take(candidate, made, kind):
                return Claim(candidate, tuple(made))
    except BaseException as error:
        _remove(made)
        if isinstance(error, ValueError) and not isinstance(error, RunnerError):
            raise _refused(directory, kind, f"is no name for a directory: {error}") from error
        cause = error.__cause__
        if not stamped and isinstance(cause, OSError) and cause.errno in _BAD_NAMES:
            raise _refused(directory, kind, f"{cause.strerror}: name another directory") from error
        raise
    problem = "is not empty" if directory.is_dir() else "is a file"
    raise _refused(directory, kind, f"{problem}: name a new or an empty directory")


def claim_sweep(
    directory: Path, *, stamped: bool = True, files: Mapping[str, str] = _NO_FILES
) -> Path:
    """Takes a directory for a sweep; see :func:`claim`.

    It appears with all of its files at once, so a kill leaves a sweep that can be taken up again
    or none at all.

    Args:
        directory: where.
        stamped: whether it is a timestamp of ours: taken, it becomes ``-1``, ``-2``, …
        files: name -> text, of what it begins with.

    Returns:
        The directory it became.

    Raises:
        ConfigError: the user's directory is taken.
        WriteError: it can't be made.
    """
    directory = Path(os.path.abspath(directory))
    fresh = directory.with_name(f".{directory.name}-{secrets.token_hex(8)}")
    made: list[Path] = []
    try:
        with writing(directory):
            _make(fresh, made)
    except ValueError as error:  # a zero byte in the name
        raise _refused(directory, SWEEP, f"is no name for a directory: {error}") from error
    try:
        _write_claim(fresh, SWEEP)
        for name, text in files.items():
            write_file(fresh / name, text.encode("utf-8", "backslashreplace"))
            sync_file(fresh / name)
        for candidate in _candidates(directory) if stamped else (directory,):
            with writing(candidate):
                try:
                    # Of a directory that is not empty, this is refused: only one can come first.
                    os.rename(fresh, candidate)
                except OSError as error:
                    if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                        raise
                    continue
            sync_directory(candidate.parent)
            return candidate
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        _remove(made)
    problem = "is not empty" if directory.is_dir() else "is a file"
    raise _refused(directory, SWEEP, f"{problem}: name a new or an empty directory")


def retake_sweep(directory: Path) -> None:
    """Takes a sweep's directory again, to go on where somebody else was ended.

    Raises:
        ConfigError: that process is still there.
        WriteError: the directory is not ours to write in.
    """
    with writing(directory):
        if (directory / CLAIM_FILE).exists():
            if is_alive(directory):
                raise _refused(directory, SWEEP, "another process is still at this sweep")
            # By another name first: of two that find it dead, one gets it.
            grave = directory / f"{CLAIM_FILE}-{secrets.token_hex(8)}"
            with contextlib.suppress(FileNotFoundError):
                os.rename(directory / CLAIM_FILE, grave)
                os.unlink(grave)
        if not _write_claim(directory, SWEEP):
            raise _refused(directory, SWEEP, "another process is still at this sweep")


def release_sweep(directory: Path) -> None:
    """The sweep is over, or left to be taken up again."""
    with contextlib.suppress(OSError):
        os.unlink(directory / CLAIM_FILE)


def remove(directory: Path) -> None:
    """Deletes a directory; under a hidden name first, so that no half of it is ever seen.

    Raises:
        WriteError: it can't be.
    """
    with writing(directory):
        doomed = directory.with_name(f".{directory.name}{_DOOMED}-{secrets.token_hex(8)}")
        os.rename(directory, doomed)
        shutil.rmtree(doomed)


def remove_remains(folder: Path) -> None:
    """Deletes what :func:`remove` left behind in ``folder`` when it was killed."""
    for remains in folder.glob(f".*{_DOOMED}-*"):
        shutil.rmtree(remains, ignore_errors=True)


def adopt(directory: Path) -> Claim:
    """Takes a directory that Hydra has made for this process, with what it wrote there.

    Raises:
        ConfigError: it has an owner, or a run.
        WriteError: it is not ours to write in.
    """
    directory = Path(os.path.abspath(directory))
    if not (directory / RUN_FILE).exists():
        with writing(directory):
            if _write_claim(directory, RUN):
                return Claim(directory, ())
    raise _refused(directory, RUN, "has a run in it: name another directory")


def is_alive(directory: Path) -> bool:
    """Whether the process that claimed ``directory`` is still there."""
    path = directory / CLAIM_FILE
    owner = read_claim(directory)
    if owner is None:
        try:
            return time.time() - path.stat().st_mtime < _YOUNG
        except OSError:
            return False
    if owner.get("boot") != _boot_id():
        # Another machine on a shared disk can't be asked, and calling it dead would be worse.
        return bool(owner.get("host") != _host())
    return _lives(owner.get("pid"), owner.get("started"))


def read_claim(directory: Path) -> dict[str, Any] | None:
    """What a claim says: kind, time, pid, started, boot, host. None: there is none to read."""
    try:
        owner = json.loads((directory / CLAIM_FILE).read_bytes())
    except (OSError, ValueError):
        return None
    return owner if isinstance(owner, dict) else None


def claimed_at(directory: Path) -> datetime | None:
    """When a directory was claimed."""
    try:
        return datetime.fromisoformat(str((read_claim(directory) or {}).get("time")))
    except ValueError:
        return None


def _candidates(directory: Path) -> Iterator[Path]:
    yield directory
    number = 0
    while True:
        number += 1
        yield directory.with_name(f"{directory.name}-{number}")


def _take(directory: Path, made: list[Path], kind: str) -> bool:
    """Claims the directory, unless somebody else was first; notes in ``made`` what it makes."""
    with writing(directory):
        try:
            _make(directory, made)
        except FileExistsError:
            if not directory.is_dir() or os.listdir(directory):
                return False
        if not _write_claim(directory, kind):
            return False
        # Between the look and the claim, another run may have come, finished and gone.
        if os.listdir(directory) != [CLAIM_FILE]:
            os.unlink(directory / CLAIM_FILE)
            return False
    return True


def _make(directory: Path, made: list[Path]) -> None:
    for attempt in range(_ATTEMPTS):
        try:
            for parent in reversed(directory.parents):
                if not os.path.isdir(parent):
                    with contextlib.suppress(FileExistsError):
                        parent.mkdir()
                        made.append(parent)
            directory.mkdir()
        except FileNotFoundError:
            # Somebody has just taken away a parent that was empty.
            if attempt + 1 == _ATTEMPTS:
                raise
        else:
            made.append(directory)
            return


def _remove(made: Sequence[Path]) -> None:
    for folder in reversed(made):
        # A folder that somebody else uses by now is not empty, and stays.
        with contextlib.suppress(OSError):
            folder.rmdir()


def _write_claim(directory: Path, kind: str) -> bool:
    """Writes ``.claim`` if there is none: of two processes exactly one does."""
    pid = os.getpid()
    owner = {
        "kind": kind,
        "time": datetime.now(UTC).isoformat(),
        "pid": pid,
        "started": _start_time(pid),
        "boot": _boot_id(),
        "host": _host(),
    }
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
    try:
        descriptor = os.open(directory / CLAIM_FILE, flags, 0o666)
    except FileExistsError:
        return False
    try:
        data = json.dumps(owner).encode()
        if os.write(descriptor, data) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError:
        os.unlink(directory / CLAIM_FILE)
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
def _boot_id() -> str | None:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return None


def _host() -> str:
    return os.uname().nodename


def _refused(directory: Path, kind: str, problem: str) -> ConfigError:
    key = "hydra.run.dir" if kind == RUN else "hydra.sweep.dir"
    return ConfigError(key, str(directory), problem)
