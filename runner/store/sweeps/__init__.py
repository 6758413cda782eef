"""A sweep on disk: what it is made of, a journal while it runs, and its index of one row a job.

The runs are the truth. The journal has a line for each job that ended, written when it did, so
that a kill loses none; ``sweep.parquet`` takes its place at the end. Both can be made anew from
the runs, and a job that neither knows is looked for on disk. Each of a sweep's own files carries
its checksum, and the name of the sweep that it belongs to.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from runner.errors import DamagedError, RunnerError, unreadable
from runner.store import layout
from runner.store.files import hash_file, read_file, sync_directory, sync_file, write_file, writing
from runner.store.parquet.plain import storable
from runner.store.sweeps import seals
from runner.store.sweeps.job_folders import job_folders
from runner.store.sweeps.journal import JOURNAL_FILE, journal_rows
from runner.store.sweeps.spec import FACT_SEAL, FACT_SWEEP_ID, SPEC_FILE, sweep_id

INDEX_FILE = "sweep.parquet"
FACT_FILES = "files"
FILES = (INDEX_FILE, SPEC_FILE, JOURNAL_FILE)
"""What tells a sweep's directory, however far it came."""

BESIDE = (SPEC_FILE, "multirun.yaml", "optimization_results.yaml")
"""What we, Hydra and its sweepers write beside the index."""

OWN_FILES = frozenset((*FILES, *BESIDE))
"""All of them."""

_PART = 1000  # rows of the index, written at a time

COLUMNS = (
    ("number", "int64"),
    ("status", "string"),
    ("error", "string"),
    ("directory", "string"),
    ("reused", "bool"),
    ("seconds", "double"),
    *(
        (name, kind)
        for name, kind in layout.RUN_COLUMNS
        if name not in ("status", "error", "config")
    ),
)
"""The columns that every row of a sweep has; params.*, metrics.* and layers.* follow."""

_TIMES = tuple(name for name, kind in COLUMNS if kind == "timestamp")


def job_row(number: int, directory: str, record: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the index.

    Args:
        number: of the job in the sweep.
        directory: of the run, relative to the sweep.
        record: what goes to ``run.parquet``: its columns, ``params`` (key -> (value, type)),
            ``metrics``, and ``layers``, the rows of ``layers.parquet``.
    """
    row: dict[str, Any] = {"number": number, "directory": directory, "reused": False}
    row |= {name: record.get(name) for name, _ in COLUMNS if name not in row}
    params = record.get("params", {}).items()
    row |= {f"params.{key}": storable(value, kind)[1] for key, (value, kind) in params}
    row |= {f"metrics.{key}": None for key in layout.METRICS}
    row |= {f"metrics.{key}": value for key, value in record.get("metrics", {}).items()}
    for layer in record.get("layers", ()):
        for name in (*layout.STATISTICS, "digest"):
            row[f"layers.{layer['name']}.{name}"] = layer[name]
    return row


def row_of_run(number: int, directory: str, sweep: Path) -> dict[str, Any]:
    """The same from a run on disk.

    Raises:
        FileNotFoundError: there is no committed run.
        DamagedError: it is not what was written.
    """
    from runner.store.read import Run

    run = Run(sweep / directory)
    facts = run.metadata
    params = {
        k.removeprefix("params."): (v, None) for k, v in facts.items() if k.startswith("params.")
    }
    metrics = {k.removeprefix("metrics."): v for k, v in facts.items() if k.startswith("metrics.")}
    layers = [
        {"name": layer.name, "digest": layer.digest, **layer.statistics}
        for layer in run.layers.values()
    ]
    seconds = (facts["end_time"] - facts["start_time"]).total_seconds()
    record = {**facts, "params": params, "metrics": metrics, "layers": layers, "seconds": seconds}
    return job_row(number, directory, record)


def is_sweep(directory: Path) -> bool:
    """Whether a directory is a sweep's, however far it came."""
    return any((directory / name).exists() for name in FILES)


def is_copied_index(folder: Path) -> bool:
    """Whether there is but the index of a sweep, and that is elsewhere: a copy of the table."""
    from runner.store.parquet import facts, read_rows, reading

    if any((folder / name).exists() for name in (SPEC_FILE, JOURNAL_FILE)):
        return False
    path = folder / INDEX_FILE
    try:
        with reading(path, read_file(path)) as file:
            if not facts(file.metadata.metadata).get(FACT_SWEEP_ID):
                return False  # of another sweeper, whose sweeps have no more
            rows = read_rows(path, file)
    except (OSError, RunnerError):
        return False  # it is told of
    return not any((folder / row["directory"]).is_dir() for row in rows)


def known_rows(sweep: Path) -> dict[int, dict[str, Any]]:
    """Number -> row, of every job that the index or the journal knows; the journal is newer."""
    rows = {row["number"]: row for row in _index_rows(sweep)}
    journal = journal_rows(sweep, sweep_id(sweep), _TIMES)
    rows.update((row["number"], row) for row in journal)
    return rows


def sweep_rows(sweep: Path) -> list[dict[str, Any]]:
    """Every job of a sweep that ended, by number: index, journal, and runs that neither knows."""
    rows = known_rows(sweep)
    for row in unknown_rows(sweep, {row["directory"] for row in rows.values()}, rows):
        rows[row["number"]] = row
    return list(present(sweep, [rows[number] for number in sorted(rows)]))


def unknown_rows(sweep: Path, told: set[str], numbers: Iterable[int]) -> list[dict[str, Any]]:
    """The rows of the runs that nobody has told of.

    Args:
        sweep: the directory.
        told: the directories of the others, relative to it.
        numbers: of the others.
    """
    found = []
    for name, number in job_folders(sweep, told, numbers):
        # Taken away since, by a process that does the job again.
        with suppress(FileNotFoundError):
            found.append(row_of_run(number, name, sweep))
    return found


def present(sweep: Path, rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The rows without those of runs that were taken away, by ``runner rm`` for instance."""
    for row in rows:
        if not row["run_id"] or os.path.exists(f"{sweep}/{row['directory']}/{layout.RUN_FILE}"):
            yield row


def write_index(sweep: Path, rows: Collection[Mapping[str, Any]]) -> None:
    """Writes ``sweep.parquet`` and takes the journal away; a kill leaves one of them whole.

    Args:
        sweep: the directory.
        rows: by number; they are gone through twice, and a part of them is held at a time.
    """
    from runner.store.parquet import columns, to_bytes
    from runner.store.parquet.turned import as_columns, kinds_of

    known = dict(COLUMNS)
    kinds = kinds_of(rows, known, lambda names: _kinds_in_runs(sweep, rows, names))
    facts = {
        layout.FACT_VERSION: str(layout.LAYOUT_VERSION),
        FACT_SWEEP_ID: sweep_id(sweep),
        FACT_FILES: json.dumps(_files(sweep)),
        FACT_SEAL: seals.BLANK,
    }
    left = iter(rows)
    parts = iter(lambda: list(islice(left, _PART)), [])
    tables = (columns.table(as_columns(part, kinds, known), facts) for part in parts)
    empty = columns.table(as_columns([], kinds, known), facts)
    fresh = sweep / f".{INDEX_FILE}"
    with writing(sweep / INDEX_FILE):
        fresh.unlink(missing_ok=True)
        write_file(fresh, seals.sealed(to_bytes(empty.schema, tables)))
        sync_file(fresh)
        os.replace(fresh, sweep / INDEX_FILE)
        sync_directory(sweep)
        (sweep / JOURNAL_FILE).unlink(missing_ok=True)


def _kinds_in_runs(
    sweep: Path, rows: Iterable[Mapping[str, Any]], names: AbstractSet[str]
) -> dict[str, str]:
    """Name -> type of columns that are empty in all rows, as far as it can be told."""
    from runner.store.parquet import reading
    from runner.store.parquet.columns import kinds

    found = {name: "double" for name in names if name.startswith("metrics.")}
    for row in rows:
        path = sweep / row["directory"] / layout.RUN_FILE
        if (names - found.keys()) & row.keys() and path.exists():
            with suppress(RunnerError), reading(path) as file:
                there = kinds(file.schema_arrow)
                found |= {name: there[name] for name in names & there.keys()}
        if names <= found.keys():
            break
    return found


def rebuild(sweep: Path) -> list[dict[str, Any]]:
    """Makes the index anew from the runs alone; gives its rows."""
    rows = sorted(unknown_rows(sweep, set(), ()), key=lambda row: int(row["number"]))
    write_index(sweep, rows)
    return rows


def known_files(sweep: Path) -> dict[str, str]:
    """Name -> SHA-256 of the files beside the index when that was written.

    Raises:
        DamagedError: the index is not what was written.
    """
    return _read_index(sweep)[1]


def _files(sweep: Path) -> dict[str, str]:
    return {name: hash_file(sweep / name) for name in BESIDE if (sweep / name).is_file()}


def _index_rows(sweep: Path) -> list[dict[str, Any]]:
    return _read_index(sweep)[0]


def _read_index(sweep: Path) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """The rows of the index, and the sums of the files beside it."""
    from runner.store.parquet import facts, read_rows, reading

    path = sweep / INDEX_FILE
    try:
        data = read_file(path)
    except FileNotFoundError:
        return [], {}
    except OSError as error:
        raise unreadable(path, error) from error
    with reading(path, data) as file:
        known = facts(file.metadata.metadata)
        seals.check(path, data)
        if known.get(FACT_SWEEP_ID) != sweep_id(sweep):
            raise DamagedError(path, "belongs to another sweep")
        return read_rows(path, file), json.loads(known[FACT_FILES])
