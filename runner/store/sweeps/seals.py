"""Files that carry their own SHA-256, so that one rename puts both in place."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from runner.errors import DamagedError

BLANK = "sha256:" + "0" * 64
"""What the file is to have where its sum goes; the last of them, if there are several."""

_SUM = re.compile(rb"sha256:([0-9a-f]{64})")


def sealed(data: bytes) -> bytes:
    """The bytes, with the SHA-256 of them all in the place of :data:`BLANK`."""
    start = data.rindex(BLANK.encode())
    digest = hashlib.sha256(data).hexdigest().encode()
    return _replaced(data, start, digest)


def check(path: Path, data: bytes) -> None:
    """Compares a file's bytes with the sum that is in them.

    Raises:
        DamagedError: they are not what was written.
    """
    found = list(_SUM.finditer(data))
    if found:
        blank = _replaced(data, found[-1].start(), b"0" * 64)
        if hashlib.sha256(blank).hexdigest().encode() == found[-1].group(1):
            return
    raise DamagedError(path, "is not what was written (SHA-256)")


def _replaced(data: bytes, start: int, digest: bytes) -> bytes:
    begin = start + len(b"sha256:")
    return data[:begin] + digest + data[begin + 64 :]
