"""Directories taken away, and what processes that were killed have left behind."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from runner.store.claim.owner import SWEEP, YOUNG, is_alive, read_claim
from runner.store.files import writing
from runner.store.layout import (
    CLAIM_FILE,
    INPUTS_FILE,
    LAYERS_FILE,
    LAYERS_FOLDER,
    PARAMETERS_FILE,
    RUN_FILE,
    STAGING_FOLDER,
    SUMS_FILE,
)
from runner.store.sweeps import BESIDE, is_sweep

_DELETED = re.compile(r"\..+\.deleted-[0-9a-f]{16}")
_UNNAMED = re.compile(r"\..+-[0-9a-f]{16}")
_FRESH = re.compile(r"\.(latest|claim|runs\.json)-[0-9a-f]{8,16}")
"""Links and files that were to take another's place."""
_OF_A_RUN = {
    *(CLAIM_FILE, STAGING_FOLDER, ".hydra", "runner.log", SUMS_FILE),
    *(INPUTS_FILE, PARAMETERS_FILE, LAYERS_FILE, LAYERS_FOLDER),
}
"""What a directory has while a run is made in it, before there is ``run.parquet``."""
_INDEX = ".sweep.parquet"
_DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME = r"[0-9]{2}-[0-9]{2}-[0-9]{2}(-[0-9]+)*"
_STAMP = re.compile(rf"{_DAY}|{_TIME}|multirun")
_OF_A_SWEEP = {CLAIM_FILE, *BESIDE}
"""What a directory has while a sweep is claimed in it."""


def remove(directory: Path) -> None:
    """Deletes a directory; under a hidden name first, so that no half of it is ever seen.

    Raises:
        WriteError: it can't be.
    """
    with writing(directory):
        doomed = directory.with_name(f".{directory.name}.deleted-{secrets.token_hex(8)}")
        os.rename(directory, doomed)
        shutil.rmtree(doomed, onerror=_unless_gone)


def sweep_up(folder: Path) -> int:
    """Deletes what lies in ``folder`` itself and was left by processes that are no more.

    Returns:
        How many things it was.
    """
    found = list(_remains_in(folder))
    for path in found:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                path.unlink()
    return len(found)


def sweep_up_below(root: Path, dead: Sequence[Path] = ()) -> int:
    """The same for every folder at or below ``root``; links are not followed.

    Args:
        root: the folder.
        dead: directories of runs that are dead: deleted first, and not counted.
    """
    # Taking something out of a folder makes it young.
    old = [path for path in _folders(root) if _is_old(path)]
    for directory in dead:
        remove(directory)
    count = 0
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        count += sweep_up(folder)
        with contextlib.suppress(OSError), os.scandir(folder) as scan:
            names = {entry.name: entry for entry in scan}
            if RUN_FILE not in names:
                waiting += [
                    folder / name
                    for name, entry in names.items()
                    if not name.startswith(".") and entry.is_dir(follow_symlinks=False)
                ]
    for path in old:
        with contextlib.suppress(OSError):  # it is not empty
            path.rmdir()
    return count


def _folders(root: Path) -> Iterator[Path]:
    """The folders below ``root`` that are named as ours are, the inmost first."""
    for folder, _, _ in os.walk(root, topdown=False):
        path = Path(folder)
        if path != root and _is_named_as_ours(path):
            yield path


def _is_named_as_ours(path: Path) -> bool:
    """Whether a folder is called by a date, a time, or a number in such a one or in a sweep."""
    if _STAMP.fullmatch(path.name):
        return True
    above = path.parent
    return path.name.isdecimal() and bool(_STAMP.fullmatch(above.name) or is_sweep(above))


def _remains_in(folder: Path) -> Iterator[Path]:
    with contextlib.suppress(OSError):
        hidden = [name for name in os.listdir(folder) if name.startswith(".")]
        dead = not (CLAIM_FILE in hidden and is_alive(folder))
        begun = CLAIM_FILE in hidden or STAGING_FOLDER in hidden
        if begun and is_abandoned(folder) and _is_named_as_ours(folder) and _is_old(folder):
            yield folder
            return
        committed = dead and (folder / RUN_FILE).exists()
        for name in hidden:
            path = folder / name
            if committed and name in (CLAIM_FILE, STAGING_FOLDER):
                yield path  # of a run that was killed when all was done but the tidying up
            elif _DELETED.fullmatch(name) or (dead and name == _INDEX):
                yield path
            elif _FRESH.fullmatch(name):
                if _is_old(path):
                    yield path
            elif _UNNAMED.fullmatch(name) and _was_to_be_a_sweep(path):
                yield path


def is_abandoned(directory: Path) -> bool:
    """Whether somebody was making a run here who is no more, whatever is left of it.

    After the power went that may be anything of what a run is made of, the claim or not.
    """
    try:
        names = set(os.listdir(directory))
    except OSError:
        return False
    begun = bool(names) and names <= _OF_A_RUN
    if SUMS_FILE in names and not names & {CLAIM_FILE, STAGING_FOLDER}:
        return False  # a committed run that has lost its run.parquet: damage, and told as such
    return begun and not is_alive(directory)


def is_ours(directory: Path) -> bool:
    """Whether a directory with a claim is one of a run's; others use that name, too.

    The claim says so, or that it was given up; one that says nothing is of a run where nothing
    is beside it but what a run is made of.
    """
    if {"kind", "pid"} <= (read_claim(directory) or {}).keys():
        return True
    with contextlib.suppress(OSError):
        facts = (directory / CLAIM_FILE).lstat()
        given_up = facts.st_size == 0 and facts.st_mtime == 0
        return given_up or set(os.listdir(directory)) <= _OF_A_RUN
    return False


def _was_to_be_a_sweep(path: Path) -> bool:
    """Whether a sweep was ended while it was claiming its directory."""
    if not path.is_dir() or path.is_symlink():
        return False
    if not (path / CLAIM_FILE).exists():
        return not os.listdir(path) and _is_old(path)
    owner = read_claim(path)
    torn = owner is None and set(os.listdir(path)) <= _OF_A_SWEEP
    return (torn or (owner or {}).get("kind") == SWEEP) and not is_alive(path)


def _is_old(path: Path) -> bool:
    with contextlib.suppress(OSError):
        return time.time() - path.lstat().st_mtime > YOUNG
    return False


def _unless_gone(_call: Callable[..., Any], _path: str, info: Any) -> None:
    """Somebody else may be sweeping up the same directory."""
    if not isinstance(info[1], FileNotFoundError):
        raise info[1]
