"""``rm``: deletes runs, after asking."""

from __future__ import annotations

import contextlib
import os
import select
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from runner import console
from runner.arguments import A_RUN
from runner.errors import NotFoundError, RunnerError, UsageError, WriteError, clip, one_line

_PATIENCE = 2.0  # seconds that an answer may take where no terminal is


def arguments(parser: ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("runs", metavar="RUN", nargs="+", help=A_RUN)
    parser.add_argument("--yes", action="store_true", help="don't ask")


def do(args: Namespace) -> int:
    """Deletes them; 2 if the answer was no."""
    from runner.store import is_alive, resolve, rows
    from runner.store.claim.owner import told_alive

    doomed: dict[Path, list[dict[str, Any]]] = {}
    for name in args.runs:
        path = resolve(name)
        _refuse_several(name)
        _refuse_link(path, name)
        _refuse_folder(path, name)
        real = Path(os.path.realpath(path))
        # What a sweep has reused lies elsewhere, and stays.
        found = [
            row for row in rows(path) if Path(os.path.realpath(row["path"])).is_relative_to(real)
        ]
        if not found:
            raise NotFoundError("run", name, (), hint="there is no run in this directory")
        for place in (path, *(Path(row["path"]) for row in found if row["status"] == "RUNNING")):
            if is_alive(place):
                shown = clip(name, 60, keep_end=True)
                raise UsageError(f"rm {shown}: it is {told_alive(place)}")
        _refuse_around(real, name, found)
        doomed[real] = found
    # A job goes with its sweep, where both are named.
    doomed = {path: found for path, found in doomed.items() if not doomed.keys() & {*path.parents}}
    runs = [row for found in doomed.values() for row in found]
    question = f"delete {len(runs)} run{'' if len(runs) == 1 else 's'}?"
    if not args.yes and not _somebody_answers():
        raise UsageError(f"rm: {question} nobody to ask; say --yes")
    for row in runs:
        console.say(f"{row['path']}  {row['status']}")
    if not args.yes and not _confirmed(question):
        return 2
    _delete([*doomed])
    return 0


def _delete(doomed: Sequence[Path]) -> None:
    """Deletes directories, and sees to what tells of them: indexes and ``latest``."""
    from runner.store.claim.remains import remove
    from runner.store.index.latest import led_to, mend_latest

    led = led_to(doomed)
    folders = {folder for path in doomed for folder in path.parents}
    # First, so that no kill leaves an index that tells of what is gone: a run that it doesn't
    # tell of is found on disk. On a full disk it has to wait.
    late = [folder for folder in folders if not _was_told(folder, doomed)]
    try:
        for path in doomed:
            remove(path)
        for folder in late:
            _tell_index(folder)
    except BaseException:
        for folder in folders:  # of what is there yet
            _was_told(folder)
        raise
    finally:
        for root in led:
            mend_latest(root)


def _refuse_link(path: Path, name: str) -> None:
    """Whoever deletes a link elsewhere keeps what it leads to."""
    if path.is_symlink():
        target = clip(os.path.realpath(path), 90, keep_end=True)
        raise UsageError(f"rm {clip(name, 60)}: is a link; name what it leads to: {target}")


def _refuse_around(path: Path, name: str, found: Sequence[Mapping[str, Any]]) -> None:
    """What lies in the directory and was not asked for would go, too."""
    from runner.store.layout import RUN_FILE

    with contextlib.suppress(FileNotFoundError):  # we are in no folder that is still there
        here = Path.cwd()
        if path in (here, *here.parents):
            raise UsageError(f"rm {clip(name, 60)}: you are in it; go to another folder first")
    known = {os.path.realpath(row["path"]) for row in found}
    for folder, _, files in os.walk(path):
        if RUN_FILE in files and folder not in known:
            other = clip(folder, 60, keep_end=True)
            raise UsageError(f"rm {clip(name, 60)}: another run lies in it, {other}; move it first")


def _was_told(folder: Path, doomed: Collection[Path] = ()) -> bool:
    """Whether the index could be written; see :func:`_tell_index`."""
    try:
        _tell_index(folder, doomed)
    except WriteError:
        return False
    return True


def _tell_index(sweep: Path, doomed: Collection[Path] = ()) -> None:
    """Writes the index of what is there, where the folder is a sweep that has ended.

    Args:
        sweep: the folder.
        doomed: what is left out, as it is about to be deleted.
    """
    from runner.store import is_alive
    from runner.store.sweeps import is_sweep, sweep_rows, write_index

    if not sweep.is_dir() or not is_sweep(sweep) or is_alive(sweep):
        return
    try:
        rows = sweep_rows(sweep)
    except RunnerError as error:  # it is not needed to delete a run, and stays what it was
        console.say(one_line(f"note: the index was left as it is: {error}"))
        return
    places = [Path(os.path.realpath(sweep / row["directory"])) for row in rows]
    kept = [
        row
        for row, place in zip(rows, places, strict=True)
        if not any(place.is_relative_to(path) for path in doomed)
    ]
    write_index(sweep, kept)


def _refuse_folder(path: Path, name: str) -> None:
    """A folder with runs somewhere below is no run: who names it may not know what is in there."""
    from runner.store.index import run_directories
    from runner.store.sweeps import is_sweep

    if is_sweep(path) or next(run_directories(path), None) == path:
        return
    raise NotFoundError("run", name, (), hint="it is a folder; rm takes runs and sweeps by name")


def _refuse_several(name: str) -> None:
    """A name that several runs have is good enough to show one, and not to delete one."""
    from runner.store import rows

    if os.path.exists(name) or not os.path.isdir("outputs"):
        return
    same = [row["run_id"] for row in rows("outputs") if row["name"] == name]
    if len(same) > 1:
        ids = clip(", ".join(same), 110)
        raise UsageError(f"rm {clip(name, 40)}: {len(same)} runs have this name; say which: {ids}")


def _somebody_answers() -> bool:
    """Whether stdin is a terminal, or has an answer in it, as in ``yes | runner rm RUN``."""
    if sys.stdin is None or sys.stdin.isatty():
        return sys.stdin is not None
    stdin: Any = sys.stdin  # whose buffer can peek, which its type doesn't say
    try:
        # What nobody writes to may be open for ever.
        ready, _, _ = select.select([stdin], [], [], _PATIENCE)
        return bool(ready and stdin.buffer.peek(1))
    except (OSError, ValueError):
        return False


def _confirmed(question: str) -> bool:
    console.say(f"{question} [y/N]")
    return sys.stdin.readline().strip().lower() in ("y", "yes")
