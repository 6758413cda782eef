"""Where a run came from: the commit, the versions, and what of the machine can change bits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from runner.provenance.environment import environment
from runner.provenance.repository import end, find_git_dir, finish_status, read_commit, start_status

if TYPE_CHECKING:
    from subprocess import Popen

__all__ = ["Gathering", "environment", "gather"]

GIT_WAIT = 1.0
"""Seconds that a run's end waits for git before it says: unknown."""


class Gathering:
    """The facts of one run; git works in the background from ``start`` to ``result``.

    A folder without a repository, or a machine without git, is no error: the facts are None.

    Args:
        threads: how many threads the run spreads its tiles over.
        directory: the folder whose repository is asked; None: the current one.
    """

    def __init__(self, *, threads: int | None = None, directory: Path | None = None) -> None:
        self._threads = threads
        self._directory = directory
        self._commit: str | None = None
        self._dirty: bool | None = None
        self._status: Popen[bytes] | None = None

    def start(self) -> None:
        """Reads the commit and sets ``git status`` to work; both may be others by the end."""
        folder = self._directory or _working_directory()
        git_dir = find_git_dir(folder) if folder else None
        if folder and git_dir:
            self._commit = read_commit(git_dir)
            self._status = start_status(folder)

    def result(self, wait: float = GIT_WAIT) -> dict[str, object]:
        """All facts under the names that ``run.parquet`` has for them.

        Args:
            wait: seconds to wait for git, which has worked since ``start``.

        Returns:
            ``git.commit`` (hex), ``git.dirty`` (tracked files differ from it) and ``env.*``.
        """
        if self._status:
            head, self._dirty = finish_status(self._status, wait)
            self._status = None
            self._commit = self._commit or head
        git = {"git.commit": self._commit, "git.dirty": self._dirty}
        return {**git, **environment(), "env.threads": self._threads}

    def close(self) -> None:
        """Ends git, if ``result`` was never asked."""
        if self._status:
            end(self._status)
            self._status = None

    def __del__(self) -> None:
        self.close()


def gather(*, threads: int | None = None, directory: Path | None = None) -> dict[str, object]:
    """All facts at once, for callers with nothing to do meanwhile; see :class:`Gathering`."""
    gathering = Gathering(threads=threads, directory=directory)
    gathering.start()
    return gathering.result()


def _working_directory() -> Path | None:
    try:
        return Path.cwd()
    except OSError:  # somebody removed it
        return None
