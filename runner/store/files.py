"""Bytes on disk: hashed while they are written, synced by name, every failure a WriteError."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runner.errors import RunnerError, WriteError

_BUFFER = 1 << 18  # a file smaller than this is a single write


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns the system's refusal of anything done inside into a :class:`WriteError`."""
    try:
        yield
    except RunnerError:
        raise
    except OSError as error:
        raise WriteError(path, error.strerror or str(error)) from error


class HashedFile:
    """A new file whose SHA-256 is known when it is closed; pyarrow writes into it.

    Attributes:
        bytes: how many were written.
    """

    def __init__(self, path: Path) -> None:
        self._file = open(path, "xb", buffering=_BUFFER)  # noqa: SIM115 - closed by close()
        self._hash = hashlib.sha256()
        self.bytes = 0

    def write(self, data: bytes) -> int:
        """Appends ``data``."""
        self._hash.update(data)
        self._file.write(data)
        self.bytes += len(data)
        return len(data)

    def hexdigest(self) -> str:
        """SHA-256 of what was written so far."""
        return self._hash.hexdigest()

    def flush(self) -> None:
        """Nothing: a small file is to be one write."""

    def close(self) -> None:
        """Writes what is buffered; may be called again."""
        self._file.close()

    @property
    def closed(self) -> bool:
        """Whether ``close`` was called."""
        return self._file.closed


def write_file(path: Path, data: bytes) -> str:
    """Writes a new file in one go; gives its SHA-256."""
    with writing(path), open(path, "xb", buffering=0) as file:
        view = memoryview(data)
        while view:  # a nearly full disk takes part of it, and refuses the rest
            view = view[file.write(view) :]
    return hashlib.sha256(data).hexdigest()


def hash_file(path: Path) -> str:
    """SHA-256 of a file of any size, in little memory."""
    with open(path, "rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
