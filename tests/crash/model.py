"""What must hold of a folder of runs, whatever was done to those who wrote it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from runner.errors import RunnerError
from runner.store import layout
from runner.store.claim.owner import is_alive, read_claim
from runner.store.index import rows
from runner.store.read import load
from runner.store.sweeps import is_sweep, sweep_rows
from runner.store.verify import verify


def broken(root: Path, told: Iterable[Path] = ()) -> list[str]:
    """The promises that are broken in a folder of runs.

    Args:
        root: the folder.
        told: directories of runs and sweeps that were reported as finished.
    """
    problems = []
    found = rows(root) if root.is_dir() else []
    for row in found:
        problems += _row(row)
    if any((Path(row["path"]) / layout.RUN_FILE).exists() for row in found):
        problems += [f"verify: {finding}" for finding in verify(root)]
    for directory in told:
        problems += _told(directory)
    for sweep in _sweeps(root):
        try:
            done = sweep_rows(sweep)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is broken
            problems.append(f"the rows of {sweep}: {error!r}")
            continue
        problems += [
            f"{sweep} tells of job {row['number']} as finished, which is not there"
            for row in done
            if row["status"] == layout.FINISHED
            and not (sweep / row["directory"] / layout.RUN_FILE).exists()
        ]
    return problems


def _row(row: dict[str, Any]) -> list[str]:
    if row["status"] == layout.UNREADABLE:
        return [f"{row['path']} is unreadable: {row['error']}"]
    if row["status"] != layout.FINISHED:
        return []
    try:
        run = load(row["path"])
        read = [run.inputs, run.targets, run.parameters, run.config]
        read += [layer.outputs for layer in run.layers.values() if layer.path]
        if not run.layers:
            return [f"{row['path']} is FINISHED, and has no layers"]
    except Exception as error:  # noqa: BLE001 - whatever it is, it is broken
        return [f"{row['path']} is FINISHED, and broken: {error!r}"]
    return []


def _told(directory: Path) -> list[str]:
    try:
        if is_sweep(directory):
            missing = [row for row in sweep_rows(directory) if row["status"] != layout.FINISHED]
            return [f"{directory} was told of, and job {r['number']} failed" for r in missing]
        status = load(directory).status
    except RunnerError as error:
        return [f"{directory} was told of, and is not there: {error}"]
    return [] if status in layout.STORED_STATUSES else [f"{directory} was told of: {status}"]


def remains(root: Path) -> list[str]:
    """What is there beside committed runs, sweeps and what belongs to them: nobody's leavings."""
    problems = []
    for folder, folders, names in os.walk(root):
        here = Path(folder)
        committed = layout.RUN_FILE in names
        for name in [*folders, *names]:
            path = here / name
            if name == layout.CLAIM_FILE:
                # A sweep's says that it was not finished; who takes it up again replaces it.
                if not is_alive(here) and not is_sweep(here):
                    problems.append(f"{path}: a dead claim of a {_kind(here, committed)}")
            elif name == layout.STAGING_FOLDER or (name[0] == "." and "-" in name):
                problems.append(f"{path}: left behind")
        if committed:
            folders.clear()
        elif not folders and not names and here != root:
            problems.append(f"{here}: an empty folder")
    return problems


def _kind(directory: Path, committed: bool) -> str:
    owner = read_claim(directory) or {}
    return "committed run" if committed else str(owner.get("kind", "run"))


def _sweeps(root: Path) -> list[Path]:
    """A hidden folder is a sweep that is being claimed: half written, and read by nobody."""
    return [path for path in root.glob("multirun/*/[!.]*") if path.is_dir() and is_sweep(path)]
