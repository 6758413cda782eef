"""Whether a place is within a run, of which nothing may change once it is committed."""

from __future__ import annotations

import os
from collections.abc import Container
from pathlib import Path

from runner.errors import clip
from runner.store.claim import refused
from runner.store.claim.owner import SWEEP, read_claim
from runner.store.layout import CLAIM_FILE, RUN_FILE, SUMS_FILE


def is_run(folder: Path, names: Container[str]) -> bool:
    """Whether a directory holds a run, or is claimed for one, by the names that are in it."""
    if RUN_FILE in names or SUMS_FILE in names:
        return True
    if CLAIM_FILE not in names:
        return False
    owner = read_claim(folder)
    return owner is None or owner.get("kind") != SWEEP


def run_around(path: str | Path) -> Path | None:
    """The directory of the run that a path lies in, whether there is something by that name or not.

    A sweep's directory is no run's, nor is one that has checksums alone, as any download may.
    """
    for folder in Path(os.path.realpath(path)).parents:
        here = [n for n in (RUN_FILE, SUMS_FILE, CLAIM_FILE) if os.path.lexists(folder / n)]
        if here not in ([], [RUN_FILE], [SUMS_FILE]) and is_run(folder, here):
            return folder
    return None


def check_outside(directory: Path, kind: str) -> None:
    """Looks whether a run or a sweep may be made there.

    Raises:
        ConfigError: the directory would be within another run.
    """
    run = run_around(directory)
    if run is not None:
        problem = f"is in run {clip(run.name, 40)}, which stays as it is: take a place outside it"
        raise refused(directory, kind, problem)
