"""One file for the inputs that the jobs of a sweep have in common, with a name in each run.

They are hard links: a run stays complete when it is copied or moved, and when others are deleted.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from runner.store import layout
from runner.store.write import RunWriter

_KEPT = 16  # inputs that are remembered: the values of a swept key of the dataset, say


@dataclass(frozen=True)
class _Written:
    directory: Path
    sha256: str
    bytes: int


class SharedInputs:
    """The inputs that this process has stored lately, for the runs that come."""

    def __init__(self) -> None:
        self._written: dict[str, _Written] = {}

    def take(self, digest: str, writer: RunWriter) -> bool:
        """Gives a run the inputs of an earlier one, in place of what it has itself.

        Args:
            digest: of the inputs and targets.
            writer: of the run.

        Returns:
            False where there are none, or the file system won't have it.
        """
        written = self._written.get(digest)
        if written is None:
            return False
        fresh = writer.staging / f".{layout.INPUTS_FILE}"
        # An earlier run that is not committed yet has its files where it makes them.
        for folder in (written.directory, written.directory / layout.STAGING_FOLDER):
            with contextlib.suppress(OSError):
                os.link(folder / layout.INPUTS_FILE, fresh)
                if os.stat(fresh).st_size == written.bytes:
                    os.replace(fresh, writer.staging / layout.INPUTS_FILE)
                    writer.sums[layout.INPUTS_FILE] = written.sha256
                    return True
            with contextlib.suppress(OSError):
                os.unlink(fresh)
        return False

    def note(self, digest: str, writer: RunWriter) -> None:
        """Remembers what a run has written itself."""
        path = writer.staging / layout.INPUTS_FILE
        self._written.pop(digest, None)
        if len(self._written) >= _KEPT:
            del self._written[next(iter(self._written))]
        self._written[digest] = _Written(
            writer.claim.directory, writer.sums[layout.INPUTS_FILE], path.stat().st_size
        )
