"""A large file whose SHA-256 is taken while it is written, in a thread of its own."""

from __future__ import annotations

import hashlib
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from runner import limits
from runner.store.waiting import Waiting

_LARGE = 1 << 23  # bytes, from which a file's SHA-256 has a thread of its own
_CHUNKS = 16  # of at most a megabyte that wait for it
_BUFFER = 1 << 13  # bytes: of a deep network, hundreds of files are open at a time


class _Helper:
    """A thread that takes a file's SHA-256 while the file is written."""

    _free = threading.BoundedSemaphore(max(1, limits.cores()))

    def __init__(self, digest: Callable[[bytes], None]) -> None:
        self._digest = digest
        self._waiting: Waiting[bytes] = Waiting(_CHUNKS)
        self._thread = threading.Thread(target=self._work, name="sha256", daemon=True)
        self._thread.start()

    @classmethod
    def start(cls, digest: Callable[[bytes], None]) -> _Helper | None:
        """One that does its work by ``digest``; None: there are as many as there are cores."""
        return cls(digest) if cls._free.acquire(blocking=False) else None

    def take(self, data: bytes) -> None:
        """The next bytes."""
        self._waiting.put(data)

    def end(self) -> None:
        """Waits until everything was taken in."""
        self._waiting.end()
        self._thread.join()
        self._free.release()

    def _work(self) -> None:
        for data in self._waiting:
            self._digest(data)


class HashedFile:
    """A new file whose SHA-256 is known when it is closed; pyarrow writes into it.

    Attributes:
        bytes: how many were written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = open(path, "xb", buffering=_BUFFER)  # noqa: SIM115 - closed by close()
        self._rests = False
        self._hash = hashlib.sha256()
        self._helper: _Helper | None = None
        self.bytes = 0

    def write(self, data: bytes) -> int:
        """Appends ``data``.

        Raises:
            ValueError: the file is closed, or the program is ending: pyarrow completes a file that
                nobody wants any more, and a thread that is asked for help then never comes.
        """
        if self._rests:
            self._rests = False
            self._file = open(self._path, "r+b", buffering=_BUFFER)  # noqa: SIM115
            self._file.seek(0, os.SEEK_END)
        if self._file.closed or sys.is_finalizing():
            raise ValueError("the file is closed")
        if self._helper is None and self.bytes >= _LARGE:
            self._helper = _Helper.start(self._hash.update)
        if self._helper is None:
            self._hash.update(data)
        else:
            self._helper.take(data)
        self._file.write(data)
        self.bytes += len(data)
        return len(data)

    def hexdigest(self) -> str:
        """SHA-256 of what was written until it was closed."""
        return self._hash.hexdigest()

    def flush(self) -> None:
        """Nothing: a small file is to be one write."""

    def rest(self) -> None:
        """Has the file open no longer, until more is written.

        A deep network has thousands of them in the making, more than a process may have open.
        """
        self._file.close()
        self._rests = True

    def close(self) -> None:
        """Writes what is buffered; may be called again."""
        self._rests = False
        helper, self._helper = self._helper, None
        if helper is not None:
            helper.end()
        self._file.close()

    @property
    def closed(self) -> bool:
        """Whether ``close`` was called."""
        return self._file.closed and not self._rests
