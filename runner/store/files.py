"""Bytes on disk: written in one go, hashed, synced by name, every failure a WriteError."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import itertools
import os
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from io import FileIO
from pathlib import Path
from types import TracebackType

from runner.errors import RunnerError, WriteError

_SHORT = 1 << 18  # bytes of a file that is read at once to be hashed
# Waiting together, files share a commit of the file system's journal instead of having one each:
# on a busy disk 11 small files took 39 ms one by one, 11 with two at once, 7 with four, 9 with
# eleven. On a quiet one, where each takes 0.2 ms, the threads cost more than they save.
_AT_ONCE = 4
_LARGEST_READ = 256 << 20  # bytes, of a file that is read as a whole
_BUSY = 0.001  # seconds that one takes


class writing:  # noqa: N801 - used as ``contextlib``'s are, at a third of their cost
    """Turns the system's refusal of anything done inside into a :class:`WriteError`.

    Args:
        path: what is written.
    """

    __slots__ = ("_path",)

    def __init__(self, path: str | Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, OSError) and not isinstance(error, RunnerError):
            raise WriteError(self._path, error.strerror or str(error)) from error


def write_file(path: str | Path, data: bytes) -> str:
    """Writes a new file in one go; gives its SHA-256."""
    with writing(path), open(path, "xb", buffering=0) as file:
        view = memoryview(data)
        while view:  # a nearly full disk takes part of it, and refuses the rest
            view = view[file.write(view) :]
    return hashlib.sha256(data).hexdigest()


def hash_file(path: str | Path) -> str:
    """SHA-256 of a file of any size, in little memory."""
    with _opened(path) as file:
        # The buffer that `file_digest` fills with zeros costs more than all of a small file.
        if os.fstat(file.fileno()).st_size < _SHORT:
            return hashlib.sha256(file.readall()).hexdigest()
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_file(path: Path) -> bytes:
    """The bytes of a small file of ours, and of nothing that a stranger has put in its place.

    Raises:
        OSError: there is none, or it is a link, a pipe, a device, or larger than any of ours.
    """
    with _opened(path, os.O_NOFOLLOW) as file:
        if os.fstat(file.fileno()).st_size > _LARGEST_READ:
            raise OSError(errno.EINVAL, "is larger than any of ours")
        return file.readall()


@contextmanager
def _opened(path: str | Path, flags: int = 0) -> Iterator[FileIO]:
    """A file to read; not a pipe, at which one would wait for ever."""
    flags |= os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
    with FileIO(os.open(path, flags)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "is no file")
        yield file


def sync_file(path: Path) -> None:
    """Waits until a file's bytes are on disk."""
    with writing(path):
        _sync(path, os.O_RDONLY)


def sync_directory(path: Path) -> None:
    """Waits until a directory's entries are on disk."""
    with writing(path):
        try:
            _sync(path, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            # Some network file systems can't; a parent of somebody else's may not be read.
            if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EACCES):
                raise


def sync_filesystem(paths: Sequence[Path]) -> bool:
    """Waits until everything written to the file systems of these paths is on disk.

    Returns:
        False where the system has no such call, or nothing is known of how it went.
    """
    flush = _syncfs()
    if flush is None:
        return False
    done: set[int] = set()
    for path in paths:
        descriptor = -1
        with writing(path):
            try:
                descriptor = os.open(path, os.O_RDONLY)
                device = os.fstat(descriptor).st_dev
                if device not in done:
                    flush(descriptor)
                    done.add(device)
            finally:
                if descriptor >= 0:
                    os.close(descriptor)
    return True


@cache
def _syncfs() -> Callable[[int], None] | None:
    """Linux's ``syncfs(2)``, which Python has no name for. It tells of errors since 5.8."""
    if sys.platform != "linux":
        return None
    release = os.uname().release.split(".")
    if not release[0].isdecimal() or tuple(map(_leading, release[:2])) < (5, 8):
        return None
    import ctypes

    call = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if call is None:
        return None

    def flush(descriptor: int) -> None:
        if call(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    return flush


def _leading(text: str) -> int:
    return int("".join(itertools.takewhile(str.isdecimal, text)) or 0)


def sync_together(sync: Callable[[Path], None], paths: Sequence[Path]) -> None:
    """Syncs several files, or directories, in no order; all are on disk when it returns.

    Args:
        sync: :func:`sync_file` or :func:`sync_directory`.
        paths: what to sync.

    Raises:
        WriteError: the first that could not be; the others may be on disk or not.
    """
    for number, path in enumerate(paths, 1):
        started = time.perf_counter()
        sync(path)
        if time.perf_counter() - started > _BUSY:
            _sync_at_once(sync, paths[number:])
            break


def _sync_at_once(sync: Callable[[Path], None], paths: Sequence[Path]) -> None:
    left, failures = iter(paths), list[BaseException]()
    lock, stop = threading.Lock(), threading.Event()

    def work() -> None:
        while not stop.is_set():
            with lock:
                path = next(left, None)
            if path is None:
                return
            try:
                sync(path)
            except BaseException as error:  # noqa: BLE001 - raised below, where it is waited for
                failures.append(error)
                stop.set()

    helpers = [threading.Thread(target=work) for _ in range(min(_AT_ONCE, len(paths)) - 1)]
    try:
        with contextlib.suppress(RuntimeError):  # no more threads to be had: then with fewer
            for helper in helpers:
                helper.start()
        work()
    finally:
        # Also where a signal comes in between: nothing is left behind that touches the files.
        stop.set()
        for helper in helpers:
            if helper.ident is not None:
                helper.join()
    if failures:
        raise failures[0]


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
