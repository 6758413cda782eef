"""What a person sees of a sweep: a bar while it goes, and what came of it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from runner import console
from runner.errors import clip
from runner.store import layout

_MOST_FINISHED = 5
_MOST_FAILURES = 50
_DRAW_EVERY = 0.2  # seconds
_METRICS = ("metrics.loss", "metrics.accuracy")

Row = dict[str, Any]


class Summary:
    """Counts the jobs as they end.

    Args:
        total: of the sweep.
        before: jobs that were finished already.
    """

    def __init__(self, total: int, before: int) -> None:
        self._total = total
        self._before = before
        self._done = self._failed = 0
        self._begun = self._drawn = time.monotonic()
        self._visible = sys.stderr.isatty()
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def ended(self, row: Row) -> None:
        """A job has ended."""
        self._done += 1
        self._failed += row["status"] != layout.FINISHED
        now = time.monotonic()
        if self._visible and now - self._drawn > _DRAW_EVERY:
            self._drawn = now
            self._draw()

    def show(self, directory: Path, rows: Sequence[Row], total: int) -> None:
        """Some that finished, all that failed with its overrides and its reason, and the sum."""
        finished = [row for row in rows if row["status"] == layout.FINISHED]
        failed = [row for row in rows if row["status"] != layout.FINISHED]
        point = _point_of(rows)
        if finished:
            console.say(_table_of(finished[:_MOST_FINISHED], point))
            if len(finished) > _MOST_FINISHED:
                console.say(f"… and {len(finished) - _MOST_FINISHED} more: runner ls {directory}")
        if failed:
            console.say(f"{len(failed)} of {total} jobs failed:")
            cells = [
                (str(row["number"]), point(row), row["error"] or row["status"])
                for row in failed[:_MOST_FAILURES]
            ]
            console.say(console.table(("job", "overrides", "reason"), cells))
            if len(failed) > _MOST_FAILURES:
                console.say(f"… and {len(failed) - _MOST_FAILURES} more: runner ls {directory}")
        seconds = time.monotonic() - self._begun
        reused = sum(bool(row.get("reused")) for row in rows)
        parts = [f"{total} job{'' if total == 1 else 's'}"]
        parts += [f"{len(finished)} finished", f"{len(failed)} failed"]
        parts += [f"{self._before} before"] if self._before else []
        parts += [f"{reused} reused"] if reused else []
        parts += [f"{total - len(rows)} not done"] if total > len(rows) else []
        each = f", {console.duration(seconds / self._done)} a job" if self._done else ""
        console.say(f"{', '.join(parts)} in {console.duration(seconds)}{each}")

    def _draw(self) -> None:
        if self._bar is None:
            # Imported here: a sweep in a pipe, or a short one, does without.
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            self._bar = Progress(
                TextColumn("{task.fields[counts]}"),
                BarColumn(),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._task = self._bar.add_task("jobs", total=self._total - self._before, counts="")
            self._bar.start()
        left = self._total - self._before - self._done
        counts = f"{self._done - self._failed} done, {self._failed} failed, {left} left"
        self._bar.update(self._task, completed=self._done, counts=counts)


def _point_of(rows: Sequence[Row]) -> Callable[[Row], str]:
    """Gives of a job's overrides those that not all jobs have."""
    same = set(rows[0]["overrides"] if len(rows) > 1 else ())
    for row in rows:
        same.intersection_update(row["overrides"])

    def point(row: Row) -> str:
        return clip(" ".join(text for text in row["overrides"] if text not in same), 60)

    return point


def _table_of(rows: Sequence[Row], point: Callable[[Row], str]) -> str:
    """Finished jobs: what came out of the last layer, and the metrics where there are any."""
    metrics = [name for name in _METRICS if any(row.get(name) is not None for row in rows)]
    heads = ["job", "overrides", "last layer", "mean", "std", *metrics, "time"]
    cells = []
    for row in rows:
        stds = [key for key, value in row.items() if key.endswith(".std") and value is not None]
        layer = stds[-1].removesuffix(".std") if stds else ""
        values = [row.get(key) for key in (f"{layer}.mean", f"{layer}.std", *metrics)]
        cells.append(
            [
                str(row["number"]),
                point(row),
                layer.removeprefix("layers."),
                *("" if value is None else console.number(value) for value in values),
                "" if row["seconds"] is None else console.duration(row["seconds"]),
            ]
        )
    return console.table([head.removeprefix("metrics.") for head in heads], cells)
