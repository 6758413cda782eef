"""What is meant by the name of a run."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from runner.errors import NotFoundError, UsageError, clip
from runner.store import layout, sweeps
from runner.store.index import rows


def resolve(name: str, root: str | Path = "outputs") -> Path:
    """The directory that is meant by a path, ``latest``, a run id, a name, or the start of an id.

    They are tried in this order. Of several runs of one name it is the newest. ``latest/3`` is a
    job of the newest sweep.

    Raises:
        NotFoundError: there is none, or several ids begin so; says which are near.
        UsageError: it is a path that may not be looked at.
    """
    root = Path(root)
    if name != layout.LATEST and name and is_folder(name):
        return Path(name)
    head, _, job = name.partition("/")
    if head == layout.LATEST and is_folder(root / name):
        return (root / name).resolve()
    if head == layout.LATEST and job and is_folder(root / head):
        raise NotFoundError("run", name, (), hint=_not_in_latest((root / head).resolve()))
    found = rows(root) if is_folder(root) else []
    stored = [row for row in found if row["run_id"]]
    if name == layout.LATEST and stored:
        # The link leads nowhere: what it led to was deleted.
        finished = [row for row in stored if row["status"] == layout.FINISHED]
        return Path((finished or stored)[0]["path"])
    for key in ("run_id", "name"):
        for row in stored:
            if row[key] == name:
                return Path(row["path"])
    begun = [row for row in stored if name and row["run_id"].startswith(name)]
    if len(begun) == 1:
        return Path(begun[0]["path"])
    ids = [row["run_id"] for row in begun or stored]
    if begun:
        hint = f"{len(begun)} run ids begin so: {', '.join(ids)}"
        raise NotFoundError("single run", name, ids, hint=hint)
    names = dict.fromkeys(row["name"] for row in stored if row["name"])
    hint = "" if stored else f"there are no runs in {root}"
    raise NotFoundError("run", name, [*names, *ids], hint=hint)


def _not_in_latest(directory: Path) -> str:
    if not sweeps.is_sweep(directory):
        return f"{layout.LATEST} is a run, and no sweep"
    jobs = [row["directory"] for row in sweeps.sweep_rows(directory)]
    there = clip(", ".join(jobs), 60) or "none that ended"
    return f"{layout.LATEST} is a sweep of {len(jobs)} jobs: {there}"


def is_folder(path: str | Path) -> bool:
    """Whether it is one; what can be no path, a loop of links or a name too long, is none.

    Raises:
        UsageError: the system doesn't let us know.
    """
    try:
        return stat.S_ISDIR(os.stat(path).st_mode)
    except PermissionError as error:
        shown = clip(str(path), 110, keep_end=True)
        raise UsageError(f"cannot look at {shown}: {error.strerror}") from None
    except (OSError, ValueError):
        return False
