"""What the documents show works as shown: commands, Python, links, the verbs."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

TREE = Path(__file__).parents[1]
DOCUMENTS = sorted([*TREE.glob("*.md"), *TREE.glob("docs/**/*.md")])
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
# What sets up an environment is pasted into a fresh one by .ci/run, not here.
SETS_UP = "python3 -m venv"


def blocks(document: Path) -> list[tuple[str, str]]:
    """(language, text) of every fenced block."""
    return BLOCK.findall(document.read_text(encoding="utf-8"))


def start(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(TREE)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_readme_does_what_it_says(tmp_path: Path) -> None:
    """From top to bottom, in one folder, as somebody who pastes it would."""
    files = [text for language, text in blocks(TREE / "README.md") if text.startswith("# my_")]
    for text in files:
        (tmp_path / text.splitlines()[0].removeprefix("# ")).write_text(text)
    commands = 0
    for language, text in blocks(TREE / "README.md"):
        if language == "python" and text not in files:
            done = start([sys.executable, "-c", text], tmp_path)
            assert done.returncode == 0, f"{text}\n{done.stderr}"
            commands += 1
        if language != "bash" or text.startswith(SETS_UP):
            continue
        for line in text.splitlines():
            program, *arguments = shlex.split(line)
            assert program == "python"
            done = start([sys.executable, *arguments], tmp_path)
            assert done.returncode == 0, f"{line}\n{done.stderr}"
            commands += 1
    assert commands >= 10


def test_readme_has_two_set_up_commands() -> None:
    """.ci/run looks for exactly these: the first runs, the second tests."""
    shown = [text for _, text in blocks(TREE / "README.md") if text.startswith(SETS_UP)]
    assert len(shown) == 2
    assert "-m runner layers=two_dense data.samples=100" in shown[0]
    assert "-m pytest" in shown[1]


def test_readme_lists_the_verbs() -> None:
    from runner.cli import VERBS

    text = (TREE / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `python -m runner (\w+)", text, re.MULTILINE)) == set(VERBS)


def test_readme_lists_the_options() -> None:
    text = (TREE / "README.md").read_text(encoding="utf-8")
    for group in ("data", "layers", "seeds", "numerics", "save", "experiment"):
        [row] = [line for line in text.splitlines() if line.startswith(f"| `{group}` |")]
        options = {path.stem for path in (TREE / "conf" / group).glob("*.yaml")}
        assert set(re.findall(r"`(\w+)`", row)) == {group, *options}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(TREE)))
def test_links_lead_somewhere(document: Path) -> None:
    text = BLOCK.sub("", document.read_text(encoding="utf-8"))
    for target in LINK.findall(text):
        if not target.startswith(("https://", "#")):
            assert (document.parent / target.partition("#")[0]).exists(), target
