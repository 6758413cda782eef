"""The folders of a sweep's jobs on disk, and the number of each."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import suppress
from itertools import count
from pathlib import Path

from runner.errors import RunnerError
from runner.store import sums
from runner.store.layout import CLAIM_FILE, RUN_FILE, SUMS_FILE
from runner.store.run_row import is_complete_without_run_file

_NUMBER = re.compile(r"^  job:\n(?:    .*\n|\n)*?    num: (\d+)$", re.MULTILINE | re.ASCII)
"""``hydra.job.num``; reading a ``hydra.yaml`` as YAML takes longer than reading the run."""


_TELL_A_RUN = (RUN_FILE, CLAIM_FILE, SUMS_FILE)


def folders(sweep: Path) -> set[str]:
    """The names of the folders in a sweep's directory; hidden ones hold no run."""
    with os.scandir(sweep) as entries:
        return {
            entry.name
            for entry in entries
            if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False)
        }


def run_folders(sweep: Path, told: AbstractSet[str] = frozenset()) -> Iterator[str]:
    """The folders of a sweep's runs, ended or under way, at any depth, in order.

    Args:
        sweep: the directory, which they are relative to.
        told: those that are left out, and not even looked at.
    """
    waiting = [""]
    while waiting:
        above = waiting.pop()
        try:
            inside = [f"{above}{name}" for name in folders(sweep / above)]
        except FileNotFoundError:
            if above:  # deleted meanwhile
                continue
            raise
        for name in sorted(set(inside) - told, key=lambda name: (len(name), name)):
            if any((sweep / name / file).exists() for file in _TELL_A_RUN):
                yield name
            else:
                waiting.append(f"{name}/")


def job_folders(
    sweep: Path, told: AbstractSet[str], numbers: Iterable[int]
) -> Iterator[tuple[str, int]]:
    """The directories of committed runs, relative to the sweep, each with the number of its job.

    A job's number is Hydra's, where that is stored, or else the directory's name, or one that is
    free: ``hydra.sweep.subdir`` may give a directory any name.

    Args:
        sweep: the directory.
        told: directories that are known already.
        numbers: of those.
    """
    taken = set(numbers)
    others = []
    for name in run_folders(sweep, told):
        if not (sweep / name / RUN_FILE).exists():
            continue
        number, last = job_number(sweep / name), name.rpartition("/")[2]
        if number is None and last.isdecimal():
            number = int(last)
        if number is None or number in taken:
            others.append(name)
        else:
            taken.add(number)
            yield name, number
    yield from zip(others, count(max(taken, default=-1) + 1), strict=False)


def job_number(run: Path) -> int | None:
    """``hydra.job.num`` of a run; None: it is no job of a sweep, or Hydra left no files."""
    # The folder is `.hydra`, unless `hydra.output_subdir` says otherwise.
    for path in (run / ".hydra" / "hydra.yaml", *run.glob("*/hydra.yaml")):
        try:
            found = _NUMBER.search(path.read_text("utf-8", "replace"))
        except OSError:
            continue
        return int(found[1]) if found else None
    return None


def has_lost_its_run(directory: Path, number: int) -> bool:
    """Whether ``run.parquet`` alone was taken out of a job's directory.

    It is a job's of this number, and has no file that the run has not written.
    """
    if not is_complete_without_run_file(directory) or job_number(directory) != number:
        return False
    with suppress(RunnerError, OSError):
        return sums.read(directory).keys() >= set(sums.files_in(directory))
    return False
