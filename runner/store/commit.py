"""The commit: after it a run exists, whole and on disk; before it there is none.

Every file is written and synced in the staging folder and then put in place, ``run.parquet`` last.
The steps are apart, so that runs that end together can share them: each step of all of them
before the next step of any.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.store import layout, sums
from runner.store.claim import Claim
from runner.store.files import (
    hash_file,
    sync_directory,
    sync_file,
    sync_filesystem,
    sync_together,
    write_file,
    writing,
)
from runner.store.parquet import small
from runner.store.parquet.plain import storable
from runner.store.write import RunWriter

_MANY = 3  # runs for which flushing the whole file system is cheaper than each of their files


@dataclass(frozen=True)
class Sealed:
    """A run whose files are all written, and not yet in place.

    Attributes:
        claim: of its directory.
        staged: what the staging folder holds, relative paths.
        present: what lies in place already (``.hydra``, the log), relative paths.
    """

    claim: Claim
    staged: tuple[str, ...]
    present: tuple[str, ...]

    @property
    def directory(self) -> Path:
        """Where the run will be."""
        return self.claim.directory

    @property
    def staging(self) -> Path:
        """Where its files are now."""
        return self.directory / layout.STAGING_FOLDER


def commit(target: RunWriter | Claim, record: Mapping[str, Any]) -> None:
    """Makes a run of what was written, or of the claim alone.

    A run that is not FINISHED keeps its layers only where they are complete.

    Args:
        target: the writer, or the claim where nothing was written.
        record: the row of ``run.parquet``: the keys of :data:`layout.RUN_COLUMNS` (``config`` as
            JSON, times aware), ``params`` (dotted key -> (value, type)), ``metrics`` (name ->
            float) and ``facts`` (``git.*`` and ``env.*`` by their whole names).

    Raises:
        WriteError: the disk is full, or not ours; no run is there then.
    """
    commit_all([seal(target, record)])


def commit_all(runs: Sequence[Sealed]) -> None:
    """Commits sealed runs together, a step of all before the next step of any.

    Raises:
        WriteError: the disk is full, or not ours; some of the runs may be there, each whole.
    """
    if len(runs) >= _MANY and sync_filesystem([run.directory for run in runs]):
        # One flush of the file system for all of them, instead of a dozen for each.
        for step in (place, finish):
            for run in runs:
                step(run)
            sync_filesystem([run.directory for run in runs])
        for run in runs:
            tidy(run)
        return
    for step in STEPS:
        for run in runs:
            step(run)


def seal(target: RunWriter | Claim, record: Mapping[str, Any]) -> Sealed:
    """Writes ``run.parquet`` and ``SHA256SUMS`` into the staging folder."""
    claim = target if isinstance(target, Claim) else target.claim
    staging = claim.directory / layout.STAGING_FOLDER
    if isinstance(target, RunWriter) and (
        record["status"] != layout.FINISHED or not target.complete
    ):
        target.discard()
    staged = {} if isinstance(target, Claim) else dict(target.sums)
    _step("run")
    with writing(staging):
        if os.path.exists(f"{claim.directory}/{layout.RUN_FILE}"):
            raise FileExistsError(errno.EEXIST, "the run is committed already")
        staging.mkdir(exist_ok=True)
        for name in (layout.RUN_FILE, layout.SUMS_FILE):
            # Of a commit that failed, after which the run is committed as that.
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{staging}/{name}")
    facts = {
        layout.FACT_VERSION: str(layout.LAYOUT_VERSION),
        layout.FACT_RUN_ID: record["run_id"],
    }
    data = small.to_bytes(_row(record), facts)
    staged[layout.RUN_FILE] = hashlib.sha256(data).hexdigest()
    present = {}
    with writing(claim.directory):
        for path in sums.files_in(claim.directory, but=layout.STAGING_FOLDER):
            file = f"{claim.directory}/{path}"
            with writing(file):
                present[path] = hash_file(file)
    _step("sums")
    write_file(f"{staging}/{layout.SUMS_FILE}", sums.dump({**staged, **present}))
    # Last, so that by the times of the files, too, none of a run is later than this one.
    write_file(f"{staging}/{layout.RUN_FILE}", data)
    return Sealed(claim, (*staged, layout.SUMS_FILE), tuple(present))


def sync_files(run: Sealed) -> None:
    """Every byte of the run is on disk after this, and that it is claimed."""
    paths = [run.staging / path for path in run.staged]
    paths += [run.directory / path for path in run.present]
    for path in paths:
        _step(f"sync {path.name}")
    sync_together(sync_file, paths)
    _step("sync claim")
    sync_directory(run.directory)


def place(run: Sealed) -> None:
    """Puts everything but ``run.parquet`` where it belongs."""
    staging, directory = str(run.staging), str(run.directory)
    for name in sorted({path.split("/")[0] for path in run.staged} - {layout.RUN_FILE}):
        _step(f"place {name}")
        target = f"{directory}/{name}"
        with writing(target):
            os.rename(f"{staging}/{name}", target)


def sync_places(run: Sealed) -> None:
    """Every name of the run, and of the folders it is in, is on disk after this."""
    folders = {run.staging, run.directory, run.directory.parent}
    folders.update(made.parent for made in run.claim.made)
    # Of thousands of layers, every file is in one of a few folders.
    for first in {path.rpartition("/")[0]: path for path in (*run.staged, *run.present)}.values():
        inside = (run.directory / first).parents
        folders.update(folder for folder in inside if folder.is_relative_to(run.directory))
    for folder in folders:
        _step(f"sync {folder.name}")
    sync_together(sync_directory, list(folders))


def finish(run: Sealed) -> None:
    """Puts ``run.parquet`` in place."""
    _step("finish")
    target = run.directory / layout.RUN_FILE
    with writing(target):
        os.rename(run.staging / layout.RUN_FILE, target)


def sync_ends(run: Sealed) -> None:
    """The run itself is on disk after this; only now may it be called finished."""
    _step("sync end")
    sync_directory(run.directory)


def tidy(run: Sealed) -> None:
    """Takes the claim and the staging folder away; what can't be is no failure of the run.

    Only now that the run is on disk: without either, a run that is not there reads as damaged.
    """
    tidy_up(run.directory)
    _step("done")


def tidy_up(directory: Path) -> None:
    """The same in a run's directory, for a process that was killed when it had come so far."""
    _step("unclaim")
    with contextlib.suppress(OSError):
        os.unlink(directory / layout.CLAIM_FILE)
    _step("unstage")
    shutil.rmtree(directory / layout.STAGING_FOLDER, ignore_errors=True)


STEPS = (sync_files, place, sync_places, finish, sync_ends, tidy)
"""The whole commit of one run."""


def point_latest(root: Path, directory: Path) -> bool:
    """Makes ``latest`` in ``root`` a link to ``directory``; of several at once the last wins.

    A link that can't be made is no failure of the run.

    Returns:
        False where a file or a folder has the name, which is somebody's and stays.
    """
    link = root / layout.LATEST
    if os.path.lexists(link) and not link.is_symlink():
        return False
    with contextlib.suppress(OSError):
        target = os.path.relpath(os.path.realpath(directory), os.path.realpath(root))
        fresh = root / f".{layout.LATEST}-{secrets.token_hex(8)}"
        os.symlink(target, fresh)
        try:
            os.replace(fresh, link)
        except OSError:
            os.unlink(fresh)
    return True


def _row(record: Mapping[str, Any]) -> list[tuple[str, str, list[Any]]]:
    """The columns of ``run.parquet``, a value in each."""
    row = [(name, kind, [record[name]]) for name, kind in layout.RUN_COLUMNS]
    for key, (value, kind) in record["params"].items():
        name, stored = storable(value, kind)
        row.append((f"params.{key}", name, [stored]))
    metrics = {**dict.fromkeys(layout.METRICS), **record["metrics"]}
    row += [(f"metrics.{key}", "double", [value]) for key, value in metrics.items()]
    for key, value in record["facts"].items():
        name, stored = storable(value, _FACT_TYPES.get(key))
        row.append((key, name, [stored]))
    return row


_FACT_TYPES: dict[str, type] = {"git.commit": str, "git.dirty": bool, "env.threads": int}


def _step(name: str) -> None:
    """Called before every step: where a test can end the process."""
