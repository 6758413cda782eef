"""What a person sees of a run while it goes: a bar if it is long, a short table at the end."""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, TextIO

from runner.errors import AccessError

_BAR_AFTER = 1.0  # seconds: a shorter run is over before a bar would say anything


class Progress:
    """A bar on stderr, drawn only on a terminal and only once the run has lasted a while.

    Args:
        total: rows times layers, what :meth:`advance` counts up to.
        what: the word in front of the bar.
        visible: False: nothing is drawn at all.
    """

    def __init__(self, total: int, what: str = "rows", *, visible: bool = True) -> None:
        self._total = total
        self._what = what
        self._done = 0
        self._begun = time.monotonic()
        self._visible = visible and sys.stderr.isatty()
        self._bar: Any = None
        self._task: Any = None

    def advance(self, count: int) -> None:
        """So much more is done."""
        self._done += count
        if not self._visible or time.monotonic() - self._begun < _BAR_AFTER:
            return
        if self._bar is None:
            self._open()
        self._bar.update(self._task, completed=self._done)

    def close(self) -> None:
        """Takes the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _open(self) -> None:
        # Imported here: a run that is over before the bar would show does without.
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            Progress,
            TaskProgressColumn,
            TextColumn,
            TimeRemainingColumn,
        )

        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task(self._what, total=self._total)
        self._bar.start()


class _AboveBar(io.TextIOBase):
    """stderr of a worker whose parent draws a bar on it: each line takes the place of the bar.

    That comes back below when the parent draws it next. A copy in the worker would draw it, too,
    with the counts of the moment in which the worker was forked.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._waiting = ""
        self._begins = True

    def write(self, text: str) -> int:
        """Takes text in; whole lines go on, so that those of several workers stay apart."""
        self._waiting += text
        if "\n" in text:
            self.flush()
        return len(text)

    def flush(self) -> None:
        """Writes what is there: over the bar, where a line begins."""
        if self._waiting:
            self._stream.write(f"\r\x1b[2K{self._waiting}" if self._begins else self._waiting)
            self._stream.flush()
            self._begins = self._waiting.endswith("\n")
            self._waiting = ""

    def fileno(self) -> int:
        """Of the stream itself."""
        return self._stream.fileno()

    def isatty(self) -> bool:
        """As the stream."""
        return self._stream.isatty()


def in_worker() -> None:
    """In a process forked from one that draws a bar: the bar stays the parent's."""
    for name in ("stdout", "stderr"):
        stream = getattr(getattr(sys, name), "rich_proxied_file", None)
        if stream is not None:
            setattr(sys, name, _AboveBar(stream) if name == "stderr" else stream)


# What moves the cursor, changes colours, or turns the direction of writing; and halves of
# characters, which no terminal takes. Line ends and tabs stay.
CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def safe(text: str) -> str:
    """Text from anywhere as it may go to a terminal: control characters spelt out."""
    return CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)


def safe_line(text: str) -> str:
    """The same for what is to stay on one line."""
    return safe(text).replace("\n", "\\n")


def open_streams() -> None:
    """Makes the three standard streams fit to be used, however the program was started.

    One that was closed (``>&-``) leads nowhere: a file that were opened in its place would get
    what is printed. A character that stdout has no name for is spelt out.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free is this one.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def give(path: object) -> None:
    """The directory of a run or a sweep: on stdout, to be read by programs to the byte.

    Raises:
        AccessError: it can't be written.
    """
    text = f"{path}\n"
    if sys.stdout.isatty():
        text = safe(text)

    def write() -> None:
        sys.stdout.flush()
        try:
            sys.stdout.buffer.write(os.fsencode(text))
        except AttributeError:  # replaced by somebody, a notebook for instance
            sys.stdout.write(text)
        sys.stdout.flush()

    _on_stdout(write)


def out(text: str) -> None:
    """What was asked for, on stdout.

    Raises:
        AccessError: it can't be written.
    """
    _on_stdout(lambda: print(safe(text)))


def flush() -> None:
    """Sends off what is still held back of stdout.

    Raises:
        AccessError: it can't be written.
    """
    _on_stdout(sys.stdout.flush)


def say(text: str) -> None:
    """A line for the person at the terminal: stderr, so that stdout holds results alone.

    Where it can't be written there is nobody to be told.
    """
    try:
        print(safe(text), file=sys.stderr, flush=True)
    except OSError:
        _leads_nowhere(sys.stderr)


def _on_stdout(write: Callable[[], None]) -> None:
    try:
        write()
    except BrokenPipeError:
        # Whoever read our output has seen enough: `runner ls | head`.
        _leads_nowhere(sys.stdout)
    except OSError as error:
        _leads_nowhere(sys.stdout)
        raise AccessError("standard output", error.strerror or str(error)) from error


def _leads_nowhere(stream: TextIO) -> None:
    """From now on; what is still held back would fail again at the end of the program."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns lined up: text to the left, numbers to the right, two spaces between."""
    # A line end within a cell would be the end of the row.
    cells = [[safe_line(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    numeric = [all(is_number(row[column]) for row in rows) for column in range(len(head))]
    lines = []
    for row in cells:
        padded = (
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        )
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines)


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    cells = [[cell.replace("|", "\\|") for cell in row] for row in (head, *rows)]
    lines = [f"| {' | '.join(row)} |" for row in cells]
    return "\n".join([lines[0], f"|{' --- |' * len(head)}", *lines[1:]])


def number(value: float) -> str:
    """Four significant digits, as short as they go."""
    return f"{value:.4g}"


def is_number(cell: str) -> bool:
    """Whether a cell begins with a number, so that it belongs to the right."""
    first = cell.split()[0] if cell.split() else ""
    try:
        float(first)
    except ValueError:
        return False
    return True
