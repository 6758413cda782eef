"""What the documents show works as shown: commands, Python, links, the verbs."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest

from runner import __version__
from tests.pages import FENCE, ROOT, SETS_UP, blocks, matches, play
from tests.warm import Warm

DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
# The newcomer's page is about the tree, and played in a copy of it: test_contributing.py.
PLAYED = [page for page in DOCUMENTS if page.name not in ("CONTRIBUTING.md", "CHANGELOG.md")]
NEEDS = re.compile(r"^<!-- needs (\w+) -->$", re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PLAYED, ids=name_of)
def test_page_does_what_it_says(page: Path, tmp_path: Path, warm: Warm) -> None:
    """From top to bottom, in one folder, as somebody who pastes it would."""

    def start(
        arguments: Sequence[str], folder: Path, environment: dict[str, str]
    ) -> tuple[int, str]:
        done = warm(arguments, folder, env=environment)
        return done.code, done.stderr + done.stdout

    for extra in NEEDS.findall(page.read_text(encoding="utf-8")):
        pytest.importorskip(extra)
    for played in play(page, tmp_path, start):
        assert played.right, f"{name_of(page)}, {played!s}"


def test_readme_has_two_set_up_commands() -> None:
    """.ci/run looks for exactly these: the first runs, the second tests."""
    shown = [b.text for b in blocks(ROOT / "README.md") if b.text.startswith(SETS_UP)]
    assert len(shown) == 2
    assert "-m runner layers=two_dense data.samples=100" in shown[0]
    assert "-m pytest" in shown[1]


def test_every_extra_is_on_the_page_about_installing() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    text = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
    found = re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
    assert sorted(found) == sorted(project["optional-dependencies"])


def test_the_site_leads_to_every_page() -> None:
    listed = {
        page.parent / f"{entry}.md"
        for page in DOCUMENTS
        for block in blocks(page)
        if block.language == "{toctree}"
        for entry in re.findall(r"^[\w/]+$", block.text, re.MULTILINE)
    }
    docs = ROOT / "docs"
    assert listed | {docs / "index.md"} == {page for page in DOCUMENTS if docs in page.parents}


def test_readme_lists_the_verbs() -> None:
    from runner.cli import VERBS

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `python -m runner (\w+)", text, re.MULTILINE)) == set(VERBS)


def test_readme_lists_the_options() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for group in ("data", "layers", "seeds", "numerics", "save", "experiment"):
        [row] = [line for line in text.splitlines() if line.startswith(f"| `{group}` |")]
        options = {path.stem for path in (ROOT / "conf" / group).glob("*.yaml")}
        assert set(re.findall(r"`(\w+)`", row)) == {group, *options}


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_links_lead_somewhere(document: Path) -> None:
    text = FENCE.sub("", document.read_text(encoding="utf-8"))
    for target in LINK.findall(text):
        if not target.startswith(("https://", "#")):
            there = document.parent / target.partition("#")[0]
            # The site copies the files that a page links to; a folder it cannot copy.
            assert there.is_file() if "docs" in document.parts else there.exists(), target


def test_the_tutorial_shows_what_the_book_prints() -> None:
    """Chapter 3's last program, whose weights are 0.01 times what is drawn."""
    text = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    assert "[-1.0475188e-04  1.1395361e-04 -4.7983500e-05]" in text
    assert "[-5.7707680e-04  7.1401405e-04 -8.9430439e-05]" in text


def test_pictures_are_small() -> None:
    pictures = [path for path in ROOT.glob("docs/**/*.*") if path.suffix in (".svg", ".png")]
    assert len(pictures) >= 6
    for path in pictures:
        # That of a report is a screen's; tests/picture.py draws it.
        most = 150_000 if path.name == "report.png" else 60_000
        assert path.stat().st_size < most, path.name


def test_what_is_shown_is_compared() -> None:
    assert matches("a … c\n…\nz\n", "a b c\nx\ny\nz\n")
    assert matches("n  m\n", "n      m\n")
    assert not matches("a … c\n", "a b d\n")
    assert not matches("a\n", "a\nb\n")


def test_the_changelog_begins_with_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## (.*)$", text, re.MULTILINE)
    numbers = [tuple(map(int, version.split("."))) for version in versions]
    assert versions[0] == __version__
    assert numbers == sorted(set(numbers), reverse=True)
    subjects = re.findall(r"^### (.*)$", text.partition("\n## ")[2], re.MULTILINE)
    assert len(subjects) == len(set(subjects)) > 1
