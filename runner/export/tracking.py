"""A run, or a sweep with its runs below it, into a tracking store: each once, however often."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from runner.console import Progress
from runner.errors import MissingExtraError
from runner.export.entry import RUN_ID, SWEEP_ID, Entry, names_in_sweep, of_run, of_sweep, sweep_id
from runner.export.mlflow_store import Found, MlflowStore
from runner.store import Run, load
from runner.store.sweeps import sweep_rows

_REPORTS = 100  # runs of a sweep that have one each, of about 1 MB


@dataclass
class Exported:
    """What came of it.

    Attributes:
        id: of the run in the store, or of the sweep's.
        added: how many runs are new there.
        already: how many were there before.
        notes: what was cut, or left out.
    """

    id: str
    added: int = 0
    already: int = 0
    notes: list[str] = field(default_factory=list)


def export_run(store: MlflowStore, run: Run, *, outputs: bool = True) -> Exported:
    """A stored run; one that the store has is left as it is.

    Args:
        store: where it goes.
        run: the run.
        outputs: False leaves its inputs and its layers' outputs out.
    """
    there = _without_the_cut_short(store, store.exported(RUN_ID, run.id)).get(run.id)
    if there:
        return Exported(there.id, already=1)
    done = Exported("")
    entry = of_run(run, outputs=outputs)
    with TemporaryDirectory() as folder:
        _add_report(entry, Path(folder), partial(_page, run))
        done.id = _add(store, entry, done)
    return done


def export_sweep(store: MlflowStore, path: Path, *, outputs: bool = True) -> Exported:
    """A sweep as a run of the store, and its runs below it.

    Where the store has a part of it, the runs that are missing are added, and what is said of the
    whole is written anew.
    """
    rows = sweep_rows(path)
    there = _without_the_cut_short(store, store.exported(RUN_ID))
    identity = sweep_id(path, rows)
    known = store.exported(SWEEP_ID, identity).get(identity)
    wanted = {row["run_id"]: path / row["directory"] for row in rows if row["run_id"]}
    if known and known.complete and wanted.keys() <= there.keys():
        return Exported(known.id, already=len(wanted))
    parent, names = of_sweep(path, rows), names_in_sweep(rows)
    done = Exported(store.begin(parent), notes=parent.notes)
    if len(wanted) > _REPORTS:
        done.notes.append(f"more than {_REPORTS} runs: the sweep has a report, and they have none")
    progress = Progress(len(wanted), "runs")
    try:
        for run_id, directory in wanted.items():
            before = there.get(run_id)
            if before is None:
                run = load(directory)
                entry = of_run(run, outputs=outputs, called=names[run_id])
                with TemporaryDirectory() as folder:
                    if len(wanted) <= _REPORTS:
                        _add_report(entry, Path(folder), partial(_page, run))
                    _add(store, entry, done, done.id)
            else:
                done.already += 1
                # Unless it belongs to another sweep, of which this one had taken it.
                if before.parent in ("", known.id if known else ""):
                    store.adopt(before.id, done.id)
            progress.advance(1)
    finally:
        progress.close()
    from runner.report.sweep import page_of_sweep

    with TemporaryDirectory() as folder:
        _add_report(parent, Path(folder), lambda: page_of_sweep(path, Path(folder)))
        store.fill(done.id, parent)
    if known:
        store.delete(known.id)
    return done


def _page(run: Run) -> str:
    from runner.report.run import page_of_run

    return page_of_run(run)


def _add_report(entry: Entry, folder: Path, page: Callable[[], str]) -> None:
    """The page of ``runner report``, where what draws it is installed."""
    from runner.report.page import write

    try:
        entry.files["report.html"] = write(folder / "report.html", page())
    except MissingExtraError:
        entry.notes.append("without its report, which takes: pip install 'runner[report]'")


def _add(store: MlflowStore, entry: Entry, done: Exported, parent: str | None = None) -> str:
    made = store.begin(entry, parent)
    store.fill(made, entry)
    done.added += 1
    done.notes += [note for note in entry.notes if note not in done.notes]
    return made


def _without_the_cut_short(store: MlflowStore, found: dict[str, Found]) -> dict[str, Found]:
    """What is there, whole; what an export that was ended has left is deleted, to be done anew."""
    for one in found.values():
        if not one.complete:
            store.delete(one.id)
    return {key: one for key, one in found.items() if one.complete}
