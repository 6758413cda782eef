"""``unsafe.py WITHOUT ARGUMENTS``: runner without what makes its files safe, for comparison.

WITHOUT is ``fsync``, ``checksums`` (of files and pages), or ``both``.
"""

from __future__ import annotations

import os
import sys
from types import SimpleNamespace
from typing import Any

from runner.__main__ import main
from runner.store import files, hashed_file
from runner.store.parquet import column_chunk


class _NoHash:
    def update(self, _data: Any) -> None:
        pass

    def hexdigest(self) -> str:
        return "0" * 64


def without_fsync() -> None:
    """Nothing waits for the disk."""
    vars(os)["fsync"] = lambda _: None
    vars(files)["_syncfs"] = lambda: lambda _: None


def without_checksums() -> None:
    """No file is hashed, no page has its checksum. The digests of the outputs stay."""
    no_hashes = SimpleNamespace(sha256=lambda _=b"": _NoHash(), file_digest=lambda *_: _NoHash())
    for module in (files, hashed_file):
        vars(module)["hashlib"] = no_hashes
    vars(column_chunk)["zlib"] = SimpleNamespace(crc32=lambda _: 0)


if __name__ == "__main__":
    without = sys.argv.pop(1)
    if without in ("fsync", "both"):
        without_fsync()
    if without in ("checksums", "both"):
        without_checksums()
    sys.exit(main())
