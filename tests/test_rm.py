"""Deleting: what was named, once, and nothing else."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from runner import cli
from runner.store import rows
from runner.store.sweeps import sweep_rows
from tests.conftest import Program


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs, and a sweep of two jobs."""
    program = Program(tmp_path_factory.mktemp("rm"))
    program.run("data.samples=5", "name=a", "hydra.run.dir=outputs/a")
    program.run("data.samples=5", "name=b", "hydra.run.dir=outputs/b")
    program.run("-m", "data.samples=5", "seeds.seed=1,2", "hydra.sweep.dir=outputs/s")
    return program.folder


def paths() -> list[str]:
    return sorted(str(row["path"]) for row in rows("outputs"))


@pytest.mark.parametrize(
    ("named", "left"),
    [
        (["a", "a", "outputs/a", "./outputs/a/"], ["outputs/b", "outputs/s/0", "outputs/s/1"]),
        (["outputs/s/0", "outputs/s/../s/0"], ["outputs/a", "outputs/b", "outputs/s/1"]),
        (["outputs/s/1", "outputs/s", "outputs/s/0"], ["outputs/a", "outputs/b"]),
        (["outputs/b/layers/.."], ["outputs/a", "outputs/s/0", "outputs/s/1"]),
    ],
)
def test_once(there: Path, named: list[str], left: list[str]) -> None:
    assert cli.main(["rm", "--yes", *named]) == 0
    assert paths() == left
    assert not list(there.glob("outputs/**/.*deleted*"))
    if "outputs/s/1" in left:
        jobs = [row["directory"] for row in sweep_rows(there / "outputs" / "s")]
        assert jobs == [path[-1] for path in left if "/s/" in path]


def test_refused(there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = paths()
    os.symlink("outputs/a", "link")
    os.symlink("outputs/s", "sweep")
    shutil.copytree("outputs/b", "outputs/a/mine/b")
    for folder, named, words in (
        ("", "link", "is a link; name what it leads to: "),
        ("", "sweep/", "is a link; name what it leads to: "),
        ("", "outputs/latest", "is a link; name what it leads to: "),
        ("", "outputs", "it is a folder"),
        ("", "outputs/a", "another run lies in it"),
        ("outputs/b", ".", "you are in it"),
        ("outputs/b/layers", "..", "you are in it"),
        ("outputs/s/0", "../../s", "you are in it"),
    ):
        os.chdir(there / folder)
        assert cli.main(["rm", "--yes", named]) == 2
        [line] = capsys.readouterr().err.splitlines()
        assert words in line
        assert len(line) <= 200
        os.chdir(there)
    assert paths() == before
    assert {"link", "sweep"} <= set(os.listdir())
