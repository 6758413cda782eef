"""Finds runs below a directory, and gives them as rows and as a table."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Container, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.errors import NotFoundError, RunnerError, clip
from runner.store import layout, sweeps
from runner.store.claim.around import is_run
from runner.store.claim.owner import claimed_at, is_alive
from runner.store.index.begun import overrides_in
from runner.store.index.known import KnownRows
from runner.store.run_row import is_complete_without_run_file, read_row
from runner.store.sums import Files
from runner.store.sweeps.job_folders import run_folders
from runner.store.sweeps.spec import SPEC_FILE

if TYPE_CHECKING:
    import pandas as pd

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


Refused = Callable[[Path, OSError], object]
"""What is told of folders below the root that can't be looked into."""

_OF_THE_PROCESS = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
"""What no other folder could be looked into for, either."""


def run_directories(root: str | Path, refused: Refused | None = None) -> Iterator[Path]:
    """Every directory at or below ``root`` that holds a run, or is claimed for one.

    Links are not followed, so ``latest`` counts no run twice; hidden folders are left out.

    Args:
        root: the folder.
        refused: gets the folders that can't be looked into, which are passed over.

    Raises:
        NotFoundError: there is no such directory.
        RunnerError: it can't be looked into; or another below it, and nobody is told of those.
    """
    for folder, _ in _places(root, is_run, refused=refused):
        yield folder


def sweep_directories(root: str | Path, refused: Refused | None = None) -> Iterator[Path]:
    """Every directory at or below ``root`` that is a sweep's; see :func:`run_directories`."""

    def has_run(folder: Path) -> bool:
        return os.path.exists(folder / layout.RUN_FILE)

    for folder, _ in _places(root, _is_sweep, has_run, refused):
        yield folder


def _places(
    root: str | Path,
    is_one: Callable[[Path, Container[str]], bool],
    known: Callable[[Path], bool] = lambda folder: False,
    refused: Refused | None = None,
) -> Iterator[tuple[Path, Container[str]]]:
    """Every directory at or below ``root`` that is one, with the names in it; none inside one.

    What is ``known`` is passed over.
    """
    if not os.path.isdir(root):
        raise NotFoundError("directory", str(root), (), hint="name one that holds runs")
    waiting = [Path(root)]
    while waiting:
        folder = waiting.pop()
        if known(folder):
            continue
        try:
            with os.scandir(folder) as scan:
                entries = {entry.name: entry for entry in scan}
        except FileNotFoundError:  # deleted meanwhile
            continue
        except OSError as error:
            if refused is None or folder == Path(root) or error.errno in _OF_THE_PROCESS:
                raise cannot_look(folder, error) from error
            refused(folder, error)
            continue
        if is_one(folder, entries.keys()):
            yield folder, entries.keys()
            continue
        waiting += [
            folder / name
            for name, entry in entries.items()
            if not name.startswith(".") and entry.is_dir(follow_symlinks=False)
        ]


def cannot_look(folder: Path, error: OSError) -> RunnerError:
    """A folder that the system lets nobody look into, or not us."""
    shown = clip(str(folder), 110, keep_end=True)
    return RunnerError(f"cannot look into {shown}: {error.strerror or error}")


def rows(root: str | Path = "outputs") -> list[dict[str, Any]]:
    """One row for every run at or below ``root``, newest first.

    A row has the columns of ``run.parquet`` and ``path``. A run that is not committed is RUNNING
    or DEAD; one that can't be read is UNREADABLE, and so is a folder that can't be looked into;
    ``error`` says why.
    """
    found: list[dict[str, Any]] = []
    known = KnownRows(Path(root))

    def take(folder: Path) -> bool:
        row = known.get(folder)
        found.extend([row] if row else [])
        return row is not None

    def refused(folder: Path, error: OSError) -> None:
        found.append(stub(folder, layout.UNREADABLE, str(cannot_look(folder, error))))

    for path, names in _places(root, _is_run_or_sweep, take, refused):
        try:
            if not is_run(path, names):
                found += _rows_of_sweep(path, with_reused=path == Path(root))
                continue
            stamp = known.stamp(path)
            if row := _row(path):
                found.append(row)
                if row["status"] in layout.STORED_STATUSES:
                    known.add(path, stamp, row)
        except OSError as error:
            if error.errno in _OF_THE_PROCESS:
                raise
            refused(path, error)
    known.save()
    # By path first, so that runs of one moment are in an order, too.
    found.sort(key=lambda row: str(row["path"]), reverse=True)
    found.sort(key=lambda row: row["start_time"] or _LONG_AGO, reverse=True)
    return found


def sound_rows(root: str | Path) -> list[dict[str, Any]]:
    """The same for who computes on them: none is passed over because it can't be read.

    Raises:
        RunnerError: a run or the index of a sweep is damaged, or of a newer layout.
    """
    found = rows(root)
    for row in found:
        if row["status"] == layout.UNREADABLE:
            raise RunnerError(row["error"])
    return found


def runs(root: str | Path = "outputs") -> pd.DataFrame:
    """The runs at or below a folder as a table: a row for each, newest first.

    Args:
        root: the folder; of a sweep the rows are those of its index.

    Returns:
        Every column that any run has: those of ``run.parquet`` first (``run_id``, ``status``,
        ``name``, ``tags``, ``start_time``, …), ``params.*`` and ``metrics.*``, of a sweep
        ``number``, ``directory`` and ``layers.*`` as well, and ``path``. Times are UTC; metrics
        float64; whole numbers and truth values that some runs lack Int64 and boolean; text and
        lists objects. A run that is not committed is RUNNING or DEAD, one that can't be read is
        UNREADABLE, and its ``error`` says why. A notebook shows the columns in which something
        differs.

    Raises:
        NotFoundError: there is no such folder.
        RunnerError: a folder in it can't be looked into.

    Example::

        done = runner.runs().query("status == 'FINISHED'")
        done.groupby("params.layers.dense1.n_neurons")["metrics.loss"].mean()
    """
    from runner.store.index.frame import RunsFrame

    found = rows(root)
    names = dict.fromkeys(name for name, _ in layout.RUN_COLUMNS)
    metrics = [f"metrics.{name}" for name in layout.METRICS]
    for row in found:
        names.update(dict.fromkeys(row))
    names.pop("path", None)
    names.update(dict.fromkeys(metrics))
    columns = {name: [row.get(name) for row in found] for name in [*names, "path"]}
    kinds = {**dict(layout.RUN_COLUMNS), **dict.fromkeys(metrics, "double")}
    return RunsFrame({name: _series(values, kinds.get(name)) for name, values in columns.items()})


def _rows_of_sweep(sweep: Path, *, with_reused: bool) -> list[dict[str, Any]]:
    """The jobs of a sweep, by its index; only those that it doesn't know are looked at."""
    found = []
    known = set()
    try:
        rows = sweeps.sweep_rows(sweep)
    except RunnerError as error:
        # The runs are the truth, and each speaks for itself.
        rows = []
        found.append(stub(sweep, layout.UNREADABLE, str(error)))
    for row in rows:
        known.add(row["directory"])
        if with_reused or not row["reused"]:
            found.append({**row, "path": str(sweep / row["directory"])})
    others = [sweep / name for name in run_folders(sweep, known)]
    return found + [there for path in others if (there := _row(path))]


def _is_run_or_sweep(folder: Path, names: Container[str]) -> bool:
    return is_run(folder, names) or _is_sweep(folder, names)


def _is_sweep(folder: Path, names: Container[str]) -> bool:
    if not any(name in names for name in sweeps.FILES):
        return False
    return SPEC_FILE in names or not sweeps.is_copied_index(folder)


def _row(path: Path) -> dict[str, Any] | None:
    try:
        return {**read_row(Files(path)), "path": str(path)}
    except FileNotFoundError:
        alive = is_alive(path)
    except RunnerError as error:
        return stub(path, layout.UNREADABLE, str(error))
    # It may have been committed, or taken away, between the two looks.
    if (path / layout.RUN_FILE).exists() or is_complete_without_run_file(path):
        return _row(path)
    if not (path / layout.CLAIM_FILE).exists():
        return None
    status = layout.RUNNING if alive else layout.DEAD
    return {**stub(path, status, None), "overrides": overrides_in(path)}


def stub(path: Path, status: str, error: str | None) -> dict[str, Any]:
    """The row of what is no committed run, or can't be read."""
    lists: dict[str, Any] = {"tags": [], "overrides": []}
    facts = {"status": status, "error": error, "start_time": claimed_at(path), "path": str(path)}
    return {**{name: None for name, _ in layout.RUN_COLUMNS}, **lists, **facts}


def _series(values: list[Any], kind: str | None) -> Any:
    import pandas as pd

    if kind == "timestamp":
        return pd.Series(pd.to_datetime(values, utc=True))
    if kind == "double":
        return pd.Series(values, dtype="float64")
    there = {type(value) for value in values if value is not None}
    if None in values and there in ({int}, {bool}):
        return pd.Series(values, dtype="Int64" if there == {int} else "boolean")
    return pd.Series(values, dtype=object if not there or there == {list} else None)
