"""Documents that are played: each command and block of Python runs, what it prints is compared.

In a page, in this order, the fenced blocks of

- ``bash`` are commands, a line each: ``python -m runner …`` is the program; a last comment
  ``# exit code 1`` says with what it ends, if not with 0;
- ``python`` and ``yaml`` that begin with a comment of a file's name (``# my_layers.py``) are
  written to it, other ``python`` blocks share their names, as the cells of a notebook do;
- ``diff`` are applied to the files there;
- ``output`` are what the block before printed, stderr first. There ``…`` stands for anything
  within a line, and alone on a line for any lines; times, ids and paths are told so. How wide
  the columns of a table are is not compared, as it depends on them.

``python -m tests.pages FILE.md`` plays a page and writes what came out into it.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FENCE = re.compile(r"^```([^\n`]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# What sets up an environment is pasted into a fresh one by .ci/run, not here.
SETS_UP = "python3 -m venv"
PROGRAM = ["python", "-m", "runner"]
SHELL = {"|", ">", "2>", "&&"}
"""Words that need a shell."""
WIDTH = "100"

_FILE = re.compile(r"(?:# @package \w+\n)?# ([\w/.-]+\.(?:py|yaml|csv))\n")
_EXIT = re.compile(r"\s+# exit code (\d+)$")
_VARYING = (
    (r"\d{4}-\d\d-\d\d[/ ]\d\d[-:]\d\d[-:]\d\d(?:[-.]\d{6})?(?:-\d+)?(?:\+00:00)?", "…"),
    (r"\b[\d.e-]+ (?:ms|s)\b", "…"),
    (r"\brun [0-9a-f]{16}", "run …"),
    (r"\b[0-9a-f]{32}\b", "…"),
)

Start = Callable[[Sequence[str], Path, dict[str, str]], tuple[int, str]]
"""``python -m runner ARGUMENTS`` in a folder with an environment -> (exit code, its output)."""


@dataclass
class Block:
    """A fenced block: its language, its text, its first line in the page."""

    language: str
    text: str
    line: int
    span: tuple[int, int]

    @property
    def file(self) -> str | None:
        """The name of the file it is, if it is one."""
        found = _FILE.match(self.text)
        return found.group(1) if found else None


@dataclass
class Played:
    """A command or a block that ran: what it printed, and what the page shows, if it does."""

    source: Block
    code: int
    printed: str
    expected_code: int = 0
    shown: Block | None = None

    def __str__(self) -> str:
        """For a test that failed."""
        head = f"line {self.source.line}: exit code {self.code}, not {self.expected_code}"
        shown = f"\n--- the page shows\n{self.shown.text}" if self.shown else ""
        return f"{head}\n{self.source.text}--- printed\n{self.printed}{shown}"

    @property
    def right(self) -> bool:
        """Whether it did what the page says."""
        same = self.shown is None or matches(self.shown.text, self.printed)
        return same and self.code == self.expected_code


def blocks(page: Path) -> list[Block]:
    """Every fenced block, in order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(found[1].strip(), found[2], text.count("\n", 0, found.start()) + 2, found.span(2))
        for found in FENCE.finditer(text)
    ]


def matches(shown: str, printed: str) -> bool:
    """Whether a page shows what was printed; ``…`` as the module says."""
    pattern = ""
    for line in _lines(shown):
        parts = map(re.escape, line.split("…"))
        pattern += r"(?:.*\n)*" if line.strip() == "…" else r"[^\n]*".join(parts) + r"\n"
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in _lines(printed))) is not None


def _lines(text: str) -> list[str]:
    return [re.sub(" {2,}", "  ", line.rstrip()) for line in text.strip("\n").splitlines()]


def play(page: Path, folder: Path, start: Start, tree: Path = ROOT) -> Iterator[Played]:
    """Does what a page says, from top to bottom, in a folder; stops where it went wrong.

    Other programs than ``python -m runner`` find the modules of the tree.
    """
    all_blocks = blocks(page)
    names: dict[str, Any] = {"__name__": "__page__"}
    for index, block in enumerate(all_blocks):
        if block.file is not None:
            path = folder / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
            continue
        if block.language == "diff":
            subprocess.run(
                ["git", "apply", "-"], cwd=folder, input=block.text, text=True, check=True
            )
            continue
        if block.language == "python":
            played = _python(block, names, folder)
        elif block.language == "bash" and not block.text.startswith(SETS_UP):
            played = _commands(block, folder, start, tree)
        else:
            continue
        after = all_blocks[index + 1 : index + 2]
        if after and after[0].language == "output":
            [played.shown] = after
        yield played
        if played.code != played.expected_code:
            return


def _python(block: Block, names: dict[str, Any], folder: Path) -> Played:
    code = compile("\n" * (block.line - 1) + block.text, "page", "exec", dont_inherit=True)
    printed = io.StringIO()
    before = set(sys.modules)
    with contextlib.chdir(folder), contextlib.redirect_stdout(printed):
        sys.path.insert(0, str(folder))
        try:
            exec(code, names)
        finally:
            sys.path.remove(str(folder))
            for name in set(sys.modules) - before:
                if str(getattr(sys.modules[name], "__file__", "")).startswith(str(folder)):
                    del sys.modules[name]
    return Played(block, 0, printed.getvalue())


def _commands(block: Block, folder: Path, start: Start, tree: Path) -> Played:
    played = Played(block, 0, "")
    for line in block.text.replace("\\\n", "").splitlines():
        if not line.strip():
            continue
        found = _EXIT.search(line)
        played.expected_code = int(found[1]) if found else 0
        played.code, printed = _command(line, folder, start, tree)
        played.printed += printed
        if played.code != played.expected_code:
            break
    return played


def _command(line: str, folder: Path, start: Start, tree: Path) -> tuple[int, str]:
    words = shlex.split(line, comments=True)
    environment = {"COLUMNS": WIDTH, "PYTHONPATH": str(tree)}
    while "=" in words[0]:
        name, _, value = words.pop(0).partition("=")
        environment[name] = value
    if words[:3] == PROGRAM and not set(words) & SHELL:
        return start(words[3:], folder, environment)
    # Anything else a shell can do, with this Python and the tree's own modules.
    environment["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return run(["bash", "-c", line], folder, environment)


def run(command: Sequence[str], folder: Path, environment: dict[str, str]) -> tuple[int, str]:
    """A process to its end: (exit code, stderr and after it stdout)."""
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr + done.stdout


def cold(arguments: Sequence[str], folder: Path, environment: dict[str, str]) -> tuple[int, str]:
    """The program in a process of its own."""
    return run([sys.executable, "-m", "runner", *arguments], folder, environment)


def rewrite(page: Path, folder: Path) -> None:
    """Writes what the page's blocks print into its ``output`` blocks, where it is not that."""
    text = page.read_text(encoding="utf-8")
    moved = 0
    for played in play(page, folder, cold):
        if played.code != played.expected_code:
            raise SystemExit(f"{page}: {played}")
        if played.shown is not None and not played.right:
            first, last = (place + moved for place in played.shown.span)
            new = _without_what_varies(played.printed, folder)
            text = text[:first] + new + text[last:]
            moved += len(new) - (last - first)
    page.write_text(text, encoding="utf-8")


def _without_what_varies(printed: str, folder: Path) -> str:
    text = printed.replace(str(folder), "…")
    for pattern, instead in _VARYING:
        text = re.sub(pattern, instead, text)
    return "".join(f"{line.rstrip()}\n" for line in text.strip("\n").splitlines())


if __name__ == "__main__":
    import tempfile

    for name in sys.argv[1:]:
        with tempfile.TemporaryDirectory() as place:
            rewrite(Path(name), Path(place).resolve())
