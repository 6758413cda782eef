"""Columns that somebody asks for and the rows lack: taken from the runs themselves."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from runner.errors import RunnerError
from runner.store import layout
from runner.store.index import stub

_OF_RUNS = ("env.", "git.", "code.", "inputs.")
_OF_LAYERS = tuple(f".{name}" for name in (*layout.STATISTICS, "digest"))


def with_columns(rows: Sequence[dict[str, Any]], names: Collection[str]) -> list[dict[str, Any]]:
    """The rows of :func:`runner.store.rows`, with those columns of their runs that are named.

    The index of a sweep knows of no machines, commits and configurations, and ``run.parquet`` of
    no layers: whoever asks for those has each run read. One that is damaged is UNREADABLE then.

    Args:
        rows: of runs.
        names: as they were typed; what runs don't have is passed over.
    """
    of_runs = [name for name in names if name == "config" or name.startswith(_OF_RUNS)]
    of_layers = [n for n in names if n.startswith("layers.") and n.endswith(_OF_LAYERS)]
    if not of_runs and not of_layers:
        return list(rows)
    return [_filled(row, of_runs, of_layers) for row in rows]


def _filled(
    row: dict[str, Any], of_runs: Sequence[str], of_layers: Sequence[str]
) -> dict[str, Any]:
    from runner.store.read import Run

    of_runs = [name for name in of_runs if name not in row]
    of_layers = [name for name in of_layers if name not in row]
    if not (of_runs or of_layers) or row["status"] not in layout.STORED_STATUSES:
        return row
    path = Path(row["path"])
    try:
        run = Run(path)
        facts = run.metadata if of_runs else {}
        found = {name: facts[name] for name in of_runs if name in facts}
        for name in of_layers:
            layer, _, statistic = name.removeprefix("layers.").rpartition(".")
            if layer in run.layers:
                there = run.layers[layer]
                found[name] = {**there.statistics, "digest": there.digest}[statistic]
    except FileNotFoundError:  # deleted meanwhile, or no job has got so far
        return row
    except RunnerError as error:
        return stub(path, layout.UNREADABLE, str(error))
    return {**row, **found}
