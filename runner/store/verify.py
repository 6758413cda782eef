"""Reads every byte of stored runs back, and says what is not as it was written."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

from runner import limits
from runner.errors import AccessError, DamagedError, NotFoundError, RunnerError, unreadable
from runner.store import layout, sums
from runner.store.claim.owner import is_alive
from runner.store.files import hash_file
from runner.store.index import run_directories, sweep_directories
from runner.store.layer import LARGE, Layer
from runner.store.layout import OutputsDigest
from runner.store.read import Run
from runner.store.run_row import is_complete_without_run_file
from runner.store.sweeps import INDEX_FILE, known_files, known_rows
from runner.store.sweeps.job_folders import run_folders

Item = TypeVar("Item")

_AT_ONCE = 4  # files of a large run


@dataclass(frozen=True)
class Finding:
    """Something that doesn't hold.

    Attributes:
        path: the file.
        problem: what is wrong with it.
    """

    path: Path
    problem: str

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}"


def verify(path: str | Path) -> list[Finding]:
    """Checks a run, a sweep, or a whole tree of them; nothing found is an empty list.

    Of every run: each file against ``SHA256SUMS``, files missing and files too many, and the
    layers' digests computed anew from outputs that were kept in full. Of every sweep: its own
    files against the sums in them, and its rows against the runs. Runs that are not committed are
    passed over.

    Raises:
        NotFoundError: there is no committed run at or below ``path``.
    """
    findings: list[Finding] = []
    count = 0

    def refused(folder: Path, error: OSError) -> None:
        nonlocal count
        count += 1
        findings.append(Finding(folder, f"cannot be looked into: {error.strerror or error}"))

    for directory in run_directories(path, refused):
        if os.path.exists(directory / layout.RUN_FILE) or is_complete_without_run_file(directory):
            count += 1
            findings += _run(directory)
    for directory in sweep_directories(path, lambda folder, error: None):  # told above
        findings += _sweep(directory)
    if not count and not findings:
        raise NotFoundError("run", str(path), (), hint="there is no committed run in it")
    return findings


def _run(directory: Path) -> list[Finding]:
    findings = list(_files(directory))
    if findings:
        return findings
    try:
        run = Run(directory, check=False)  # every file has just been compared
        return list(_contents(run))
    except RunnerError as error:
        return [_finding(error, directory)]
    except FileNotFoundError:  # taken away since
        return [Finding(directory / layout.RUN_FILE, "is missing")]


def _sweep(directory: Path) -> Iterator[Finding]:
    try:
        sums_beside, known = known_files(directory), known_rows(directory)
    except RunnerError as error:
        yield _finding(error, directory / INDEX_FILE)
        return
    if not known and _is_over(directory):
        yield Finding(directory / INDEX_FILE, "is missing; hydra.sweeper.resume makes it anew")
    for name, digest in sums_beside.items():
        try:
            if hash_file(directory / name) != digest:
                yield Finding(directory / name, "is not what was written (SHA-256)")
        except OSError as error:
            yield _finding(unreadable(directory / name, error), directory)
    whole = (directory / INDEX_FILE).exists() and not is_alive(directory)
    going = cache(_going)
    for row in known.values():
        run = directory / row["directory"]
        file = run / layout.RUN_FILE
        if whole and row["run_id"] and not row["reused"] and not run.exists():
            if run.name not in going(run.parent):
                yield Finding(run, f"is missing, and {INDEX_FILE} tells of it")
        elif row["run_id"] and file.exists():
            # A run that is damaged itself has been told of.
            with suppress(RunnerError, OSError):
                if Run(file.parent).id != row["run_id"]:
                    yield Finding(file, f"is not the run that {INDEX_FILE} tells of")


def _going(folder: Path) -> set[str]:
    """Names of what somebody is deleting in a folder, or was when they were killed."""
    names: list[str] = []
    with suppress(OSError):
        names = os.listdir(folder)
    return {name[1:].rpartition(".deleted-")[0] for name in names if name.startswith(".")}


def _is_over(sweep: Path) -> bool:
    """Whether it ended in its own time with jobs, so that index or journal must be there.

    A kill comes before the first line of the journal, or leaves the claim.
    """
    if (sweep / layout.CLAIM_FILE).exists() or (sweep / INDEX_FILE).exists():
        return False
    return any((sweep / name / layout.RUN_FILE).exists() for name in run_folders(sweep))


def _files(directory: Path) -> Iterator[Finding]:
    try:
        expected = sums.read(directory)
    except RunnerError as error:
        yield _finding(error, directory)
        return
    try:
        there = set(sums.files_in(directory))
    except OSError as error:
        yield _finding(unreadable(error.filename, error), directory)
        return
    for path in sorted({layout.RUN_FILE} - set(expected)):
        yield Finding(directory / path, f"is not in {layout.SUMS_FILE}")
    for path in sorted(set(expected) - there):
        yield Finding(directory / path, "is missing")
    for path in sorted(there - set(expected) - {layout.RUN_FILE}):
        yield Finding(directory / path, f"is not in {layout.SUMS_FILE}")
    both = sorted(there & set(expected))
    yield from _of_each(lambda path: _file(directory, path, expected[path]), both, directory)


def _file(directory: Path, path: str, expected: str) -> list[Finding]:
    """What is wrong with one file of a run."""
    if sums.is_link(directory, path):
        return [Finding(directory / path, "is a link, and no file of the run")]
    try:
        digest = hash_file(directory / path)
    except OSError as error:
        return [_finding(unreadable(directory / path, error), directory)]
    wrong = Finding(directory / path, "is not what was written (SHA-256)")
    return [] if digest == expected else [wrong]


def _of_each(
    look: Callable[[Item], list[Finding]], items: Sequence[Item], directory: Path
) -> Iterator[Finding]:
    """What is found of each, in order; of a large run several are looked at at once.

    Hashing and decoding let other threads work. Each holds a row group of a file, and no more.
    """
    if not _is_large(directory):  # threads would cost more than they save
        for item in items:
            yield from look(item)
        return
    pool = ThreadPoolExecutor(min(limits.cores(), _AT_ONCE))
    try:
        for found in pool.map(look, items):
            yield from found
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # a signal is not to wait for them


def _is_large(directory: Path) -> bool:
    with suppress(OSError), os.scandir(directory / layout.LAYERS_FOLDER) as files:
        return sum(file.stat().st_size for file in files) > LARGE
    return False


def _contents(run: Run) -> Iterator[Finding]:
    layers = list(run.layers.values())
    yield from _of_each(lambda layer: list(_layer(run, layer)), layers, run.path)
    stored = run.metadata["digest"]
    if not layers or (stored is None and run.status != layout.FINISHED):
        return
    if stored != layout.run_digest(layer.digest for layer in layers):
        yield Finding(run.path / layout.RUN_FILE, "its digest is not that of its layers")


def _layer(run: Run, layer: Layer) -> Iterator[Finding]:
    if layer.path is None:
        return
    file = run.path / layer.path
    try:
        if file.stat().st_size != layer.bytes:
            yield Finding(file, f"is not of the size that {layout.LAYERS_FILE} says")
        if layer.kept_rows < layer.n_samples:
            return
        import numpy as np

        digest = OutputsDigest(np.dtype(layer.dtype), (layer.n_samples, layer.n_neurons))
        for block in layer.matrix().blocks():  # as they lie in the file, and none of them large
            digest.update(block)
    except (RunnerError, OSError, ValueError) as error:
        yield _finding(error, file)
        return
    if digest.hexdigest() != layer.digest:
        yield Finding(file, "its outputs are not those of its digest")


def _finding(error: Exception, path: Path) -> Finding:
    if isinstance(error, DamagedError):
        return Finding(Path(str(error.path)), error.problem)
    if isinstance(error, AccessError):
        return Finding(Path(str(error.path)), error.reason)
    return Finding(path, str(error))
