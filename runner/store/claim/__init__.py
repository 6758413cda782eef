"""Directories that belong to one process: no two runs ever share one."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.errors import ConfigError, RunnerError, WriteError
from runner.store.claim.owner import RUN, write_claim
from runner.store.files import writing
from runner.store.layout import CLAIM_FILE, RUN_FILE

_ATTEMPTS = 100  # at making a directory whose parents others are taking away
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
        remove_made(self.made)

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
        for candidate in candidates(directory) if stamped else (directory,):
            if _take(candidate, made, kind):
                return Claim(candidate, tuple(made))
    except BaseException as error:
        remove_made(made)
        if isinstance(error, ValueError) and not isinstance(error, RunnerError):
            raise refused(directory, kind, f"is no name for a directory: {error}") from error
        if not stamped and isinstance(error, WriteError):
            raise told_of_name(error, directory, kind) from error
        raise
    problem = "is not empty" if directory.is_dir() else "is a file"
    raise refused(directory, kind, f"{problem}: name a new or an empty directory")


def adopt(directory: Path) -> Claim:
    """Takes a directory that Hydra has made for this process, with what it wrote there.

    Raises:
        ConfigError: it has an owner, or a run.
        WriteError: it is not ours to write in.
    """
    directory = Path(os.path.abspath(directory))
    if not (directory / RUN_FILE).exists():
        with writing(directory):
            if write_claim(directory, RUN):
                return Claim(directory, ())
    raise refused(directory, RUN, "has a run in it: name another directory")


def candidates(directory: Path) -> Iterator[Path]:
    """A timestamp, and those that it becomes where it is taken."""
    yield directory
    number = 0
    while True:
        number += 1
        yield directory.with_name(f"{directory.name}-{number}")


def _take(directory: Path, made: list[Path], kind: str) -> bool:
    """Claims the directory, unless somebody else was first; notes in ``made`` what it makes."""
    with writing(directory):
        try:
            make(directory, made)
        except FileExistsError:
            if not directory.is_dir() or os.listdir(directory):
                return False
        if not write_claim(directory, kind):
            return False
        # Between the look and the claim, another run may have come, finished and gone.
        if os.listdir(directory) != [CLAIM_FILE]:
            os.unlink(directory / CLAIM_FILE)
            return False
    return True


def make(directory: Path, made: list[Path]) -> None:
    """Makes a directory that is not there yet; notes in ``made`` it and the parents it needed."""
    for attempt in range(_ATTEMPTS):
        try:
            if not os.path.isdir(os.path.dirname(directory)):
                _make_parents(directory, made)
            directory.mkdir()
        except FileNotFoundError:
            # Somebody has just taken away a parent that was empty.
            if attempt + 1 == _ATTEMPTS:
                raise
        else:
            made.append(directory)
            return


def _make_parents(directory: Path, made: list[Path]) -> None:
    """Makes the folders that a directory needs above it; notes in ``made`` those it makes."""
    for parent in reversed(directory.parents):
        if not os.path.isdir(parent):
            with contextlib.suppress(FileExistsError):
                parent.mkdir()
                made.append(parent)


def remove_made(made: Sequence[Path]) -> None:
    """Takes away what :func:`make` made, as far as nobody else uses it by now."""
    for folder in reversed(made):
        with contextlib.suppress(OSError):
            folder.rmdir()


def told_of_name(error: WriteError, directory: Path, kind: str) -> RunnerError:
    """The error, as one of the user's who named the directory, where no disk could have it."""
    cause = error.__cause__
    if isinstance(cause, OSError) and cause.errno in _BAD_NAMES:
        return refused(directory, kind, f"{cause.strerror}: name another directory")
    return error


def refused(directory: Path, kind: str, problem: str) -> ConfigError:
    """The error of a directory that can't be had, under the key that names it."""
    key = "hydra.run.dir" if kind == RUN else "hydra.sweep.dir"
    return ConfigError(key, str(directory), problem)
