"""CONTRIBUTING adds a layer; done here as it says, in a copy of the tree."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.pages import ROOT, cold, play

COPIED = ("runner", "conf", "tests", "pyproject.toml")


def test_a_layer_is_added_as_the_page_says(tmp_path: Path) -> None:
    for name in COPIED:
        source, target = ROOT / name, tmp_path / name
        target.parent.mkdir(exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)

    played = list(play(ROOT / "CONTRIBUTING.md", tmp_path, cold, tmp_path))
    assert played
    for one in played:
        assert one.right, str(one)
    assert (tmp_path / "runner" / "layers" / "elu.py").exists()
