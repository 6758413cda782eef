"""``SHA256SUMS``: which files a run has and what is in them, as ``sha256sum -c`` reads it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from runner.errors import DamagedError, unreadable
from runner.store.files import hash_file, read_file
from runner.store.layout import CLAIM_FILE, SUMS_FILE

_LINE = re.compile(rb"(\\?)([0-9a-f]{64})  ([^\n\r]+)")
_ESCAPES = {b"\\\\": b"\\", b"\\n": b"\n", b"\\r": b"\r"}


def dump(sums: Mapping[str, str]) -> bytes:
    """The file's bytes: a line for each path (relative, with slashes), in order of the paths."""
    lines = []
    for path in sorted(sums):
        name = os.fsencode(path)
        escaped = name.replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b"\r", b"\\r")
        mark = b"\\" if escaped != name else b""
        lines.append(mark + sums[path].encode() + b"  " + escaped + b"\n")
    return b"".join(lines)


def read(directory: Path) -> dict[str, str]:
    """Path -> SHA-256 of a run's files, read strictly: every byte of the file counts.

    Raises:
        DamagedError: it is missing, or not as we write it.
    """
    file = directory / SUMS_FILE
    try:
        data = read_file(file)
    except OSError as error:
        raise unreadable(file, error) from error
    sums = {}
    for line in data.splitlines(keepends=True):
        match = _LINE.fullmatch(line[:-1]) if line.endswith(b"\n") else None
        if not match:
            raise DamagedError(file, "has a line that is no checksum")
        mark, digest, name = match.groups()
        if mark:
            name = re.sub(rb"\\[\\nr]", lambda found: _ESCAPES[found.group()], name)
        path = os.fsdecode(name)
        if not is_inside(path):
            raise DamagedError(file, "names a file outside the run")
        sums[path] = digest.decode()
    if dump(sums) != data:
        raise DamagedError(file, "is not as it was written")
    return sums


def is_inside(path: str) -> bool:
    """Whether a relative path stays in the run, by its text alone."""
    parts = PurePosixPath(path).parts
    return bool(parts) and not path.startswith("/") and ".." not in parts


def is_link(directory: Path, relative: str) -> bool:
    """Whether a file of a run, or a folder on the way to it, is a link: it may lead anywhere."""
    place = os.fspath(directory)
    for part in relative.split("/"):
        place = os.path.join(place, part)
        if os.path.islink(place):
            return True
    return False


def files_in(directory: Path, *, but: str | None = None) -> Iterator[str]:
    """The relative paths of all files of a run but the sums themselves and a claim.

    Args:
        directory: of the run.
        but: a folder right inside that is left out.

    Raises:
        OSError: a folder can't be read; passed over, its files would be in no sum.
    """
    root = os.fspath(directory)
    for folder, folders, names in os.walk(root, onerror=_raise):
        inside = folder[len(root) :].strip("/").replace(os.sep, "/")
        if but in folders and not inside:
            folders.remove(but)
        for name in names:
            path = f"{inside}/{name}" if inside else name
            if path not in (SUMS_FILE, CLAIM_FILE):
                yield path


class Files:
    """The files of a run, each checked against its sum before it is first used.

    Args:
        directory: of the run.
        check: False leaves the sums alone; the checksums of parquet's pages still hold.
    """

    def __init__(self, directory: Path, *, check: bool = True) -> None:
        self.directory = directory
        self._check = check
        self._sums: dict[str, str] | None = None
        self._good: set[str] = set()

    @property
    def sums(self) -> dict[str, str]:
        """Path -> SHA-256; see :func:`read`."""
        if self._sums is None:
            self._sums = read(self.directory)
        return self._sums

    def __contains__(self, relative: str) -> bool:
        return relative in self.sums if self._check else (self.directory / relative).is_file()

    def path(self, relative: str) -> Path:
        """Where the file is.

        Raises:
            DamagedError: it is missing, or not what was written.
        """
        path = self.unchecked(relative)
        if self._check and relative not in self._good:
            try:
                self.compare(relative, lambda: hash_file(path))
            except OSError as error:
                raise unreadable(path, error) from error
        elif not path.is_file():
            raise DamagedError(path, "is missing")
        return path

    def unchecked(self, relative: str) -> Path:
        """Where the file is, its sum not compared yet."""
        path = self.directory / relative
        if not is_inside(relative):
            raise DamagedError(path, "is outside the run")
        if is_link(self.directory, relative):
            raise DamagedError(path, "is a link, and no file of the run")
        return path

    def compare(self, relative: str, digest: Callable[[], str]) -> None:
        """Compares what ``digest`` gives for a file with its sum, unless that was done before.

        Raises:
            DamagedError: it is another one, or there is none.
        """
        if not self._check or relative in self._good:
            return
        path = self.directory / relative
        expected = self.sums.get(relative)
        if expected is None:
            raise DamagedError(path, f"is not in {SUMS_FILE}")
        if digest() != expected:
            raise DamagedError(path, "is not what was written (SHA-256)")
        self._good.add(relative)


def _raise(error: OSError) -> None:
    raise error
