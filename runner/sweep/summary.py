"""What a person sees of a sweep: a bar while it goes, and what came of it."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from runner import console
from runner.errors import clip
from runner.store import layout

_MOST_FAILURES = 50
_DRAW_EVERY = 0.2  # seconds


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

    def ended(self, row: dict[str, Any]) -> None:
        """A job has ended."""
        self._done += 1
        self._failed += row["status"] != layout.FINISHED
        now = time.monotonic()
        if self._visible and now - self._drawn > _DRAW_EVERY:
            self._drawn = now
            self._draw()

    def show(self, directory: Path, rows: Sequence[dict[str, Any]], total: int) -> None:
        """The failures, each with its overrides and its reason, and the sum of it all."""
        failed = [row for row in rows if row["status"] != layout.FINISHED]
        if failed:
            console.say(f"{len(failed)} of {total} jobs failed:")
            cells = [
                (
                    str(row["number"]),
                    clip(" ".join(row["overrides"]), 60),
                    row["error"] or row["status"],
                )
                for row in failed[:_MOST_FAILURES]
            ]
            console.say(console.table(("job", "overrides", "reason"), cells))
            if len(failed) > _MOST_FAILURES:
                console.say(f"… and {len(failed) - _MOST_FAILURES} more: runner ls {directory}")
        seconds = time.monotonic() - self._begun
        reused = sum(bool(row.get("reused")) for row in rows)
        parts = [f"{total} jobs", f"{len(rows) - len(failed)} finished", f"{len(failed)} failed"]
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
