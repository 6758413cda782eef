"""A sweep's directory: claimed with all it takes to go on with it, and taken up again."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

from runner.errors import WriteError
from runner.store.claim import candidates, make, refused, remove_made, told_of_name
from runner.store.claim.around import check_outside
from runner.store.claim.owner import SWEEP, is_alive, told_alive, write_claim
from runner.store.claim.remains import sweep_up
from runner.store.files import sync_directory, sync_file, write_file, writing
from runner.store.layout import CLAIM_FILE

_NO_FILES: Mapping[str, str] = {}


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
        ConfigError: the user's directory is taken, or within a run.
        WriteError: it can't be made.
    """
    directory = Path(os.path.abspath(directory))
    if not directory.name:
        raise refused(directory, SWEEP, "is not empty: name a new or an empty directory")
    check_outside(directory, SWEEP)
    sweep_up(directory.parent)
    fresh = directory.with_name(f".{directory.name}-{secrets.token_hex(8)}")
    made: list[Path] = []
    try:
        with writing(directory):
            make(fresh, made)
    except ValueError as error:  # a zero byte in the name
        raise refused(directory, SWEEP, f"is no name for a directory: {error}") from error
    except WriteError as error:
        raise error if stamped else told_of_name(error, directory, SWEEP) from error
    try:
        with writing(directory):
            write_claim(fresh, SWEEP)
        for name, text in files.items():
            write_file(fresh / name, text.encode("utf-8", "backslashreplace"))
            sync_file(fresh / name)
        for candidate in candidates(directory) if stamped else (directory,):
            with writing(candidate):
                try:
                    # Of a directory that is not empty, this is refused: only one can come first.
                    os.rename(fresh, candidate)
                except OSError as error:
                    if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                        raise
                    continue
            # Its runs are on disk only if all folders on the way to them are.
            for folder in (candidate, *(path.parent for path in reversed(made))):
                sync_directory(folder)
            return candidate
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        remove_made(made)
    problem = "is not empty" if directory.is_dir() else "is a file"
    raise refused(directory, SWEEP, f"{problem}: name a new or an empty directory")


def retake_sweep(directory: Path) -> None:
    """Takes a sweep's directory again, to go on where somebody else was ended.

    Raises:
        ConfigError: that process is still there.
        WriteError: the directory is not ours to write in.
    """
    with writing(directory):
        if (directory / CLAIM_FILE).exists():
            if is_alive(directory):
                raise refused(directory, SWEEP, f"is {told_alive(directory)}")
            # By another name first: of two that find it dead, one gets it.
            grave = directory / f"{CLAIM_FILE}-{secrets.token_hex(8)}"
            with contextlib.suppress(FileNotFoundError):
                os.rename(directory / CLAIM_FILE, grave)
                os.unlink(grave)
        if not write_claim(directory, SWEEP):
            raise refused(directory, SWEEP, "another process is still at this sweep")


def release_sweep(directory: Path) -> None:
    """The sweep is over, or left to be taken up again."""
    with contextlib.suppress(OSError):
        os.unlink(directory / CLAIM_FILE)
