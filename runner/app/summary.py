"""What a person sees of a sweep: a bar while it goes, and what came of it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from runner import console
from runner.errors import clip, duration
from runner.store import layout

_MOST_FINISHED = 5
_MOST_FAILURES = 50
_DRAW_EVERY = 0.2  # seconds
_METRICS = ("metrics.loss", "metrics.accuracy")

Row = dict[str, Any]


class Summary:
    """Counts the jobs as they end.

    Args:
        total: of the sweep; 0: unknown.
        before: jobs that were finished already.
    """

    def __init__(self, total: int = 0, before: int = 0) -> None:
        self._total = total
        self._before = before
        self._done = self._failed = 0
        self._begun = self._drawn = time.monotonic()
        self._visible = sys.stderr.isatty()
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Self:
        if self._visible and self._total > self._before:
            self._draw()  # the first jobs may take long
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

    def show(self, directory: Path, rows: Iterable[Row], total: int) -> None:
        """Some that finished, all that failed with its overrides and its reason, and the sum."""
        told = _Told()
        for row in rows:
            told.take(row)
        if told.finished:
            console.say(_table_of(told.first, told.point))
            if told.finished > len(told.first):
                more = told.finished - len(told.first)
                console.say(f"… and {more} more: runner ls {directory}")
        if told.failed:
            console.say(f"{told.failed} of {total} jobs failed:")
            cells = [
                (str(row["number"]), told.point(row), row["error"] or row["status"])
                for row in told.failures
            ]
            console.say(console.table(("job", "overrides", "reason"), cells))
            if told.failed > len(cells):
                where = f"""runner ls {directory} --where "status <> 'FINISHED'\""""
                console.say(f"… and {told.failed - len(cells)} more: {where}")
        seconds = time.monotonic() - self._begun
        parts = [f"{total} job{'' if total == 1 else 's'}"]
        parts += [f"{told.finished} finished", f"{told.failed} failed"]
        parts += [f"{self._before} before"] if self._before else []
        parts += [f"{told.reused} reused"] if told.reused else []
        left = total - told.finished - told.failed
        parts += [f"{left} not done"] if left else []
        each = f", {duration(seconds / self._done)} a job" if self._done else ""
        console.say(f"{', '.join(parts)} in {duration(seconds)}{each}")

    def _draw(self) -> None:
        if self._bar is None:
            # Imported here: a sweep in a pipe does without.
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            self._bar = Progress(
                TextColumn("{task.fields[counts]}"),
                BarColumn(),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
                # By a thread of its own: workers that are forked while it writes would wait for it.
                auto_refresh=False,
            )
            self._task = self._bar.add_task("jobs", total=self._total - self._before, counts="")
            self._bar.start()
        left = self._total - self._before - self._done
        counts = f"{self._done - self._failed} done, {self._failed} failed, {left} left"
        self._bar.update(self._task, completed=self._done, counts=counts, refresh=True)


@dataclass
class _Told:
    """What is said of the jobs, taken in one at a time: there may be many."""

    finished: int = 0
    failed: int = 0
    reused: int = 0
    first: list[Row] = field(default_factory=list)
    failures: list[Row] = field(default_factory=list)
    same: set[str] | None = None

    def take(self, row: Row) -> None:
        fine = row["status"] == layout.FINISHED
        self.finished += fine
        self.failed += not fine
        self.reused += bool(row["reused"])
        shown, most = (self.first, _MOST_FINISHED) if fine else (self.failures, _MOST_FAILURES)
        if len(shown) < most:
            shown.append(row)
        given = row["overrides"]
        self.same = set(given) if self.same is None else self.same.intersection(given)

    def point(self, row: Row) -> str:
        """Of a job's overrides those that not all jobs have."""
        same = self.same if self.same and self.finished + self.failed > 1 else ()
        return clip(" ".join(text for text in row["overrides"] if text not in same), 60)


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
                "" if row["seconds"] is None else duration(row["seconds"]),
            ]
        )
    return console.table([head.removeprefix("metrics.") for head in heads], cells)
