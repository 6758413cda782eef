"""Deleting: what was named, once, and nothing else."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from runner import cli
from runner.errors import WriteError
from runner.store import rows
from runner.store.sweeps import sweep_rows, write_index
from runner.store.verify import verify
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


@pytest.mark.parametrize(
    ("answer", "code", "left"),
    [("y\n", 0, 3), ("yes\n" * 1000, 0, 3), ("n\n", 2, 4), ("\n", 2, 4), ("", 2, 4)],
)
def test_the_answer_may_come_through_a_pipe(there: Path, answer: str, code: int, left: int) -> None:
    call = [sys.executable, "-m", "runner", "rm", "outputs/a"]
    done = subprocess.run(call, input=answer, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (code, "")
    assert len(paths()) == left
    if answer:
        assert "delete 1 run? [y/N]" in done.stderr
    else:
        assert done.stderr == "runner: rm: delete 1 run? nobody to ask; say --yes\n"


def test_nobody_waits_for_an_answer_that_never_comes(there: Path) -> None:
    call = [sys.executable, "-m", "runner", "rm", "outputs/a"]
    with subprocess.Popen(call, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.wait(60) == 2
        assert child.stderr is not None
        assert "nobody to ask; say --yes" in child.stderr.read()
    assert len(paths()) == 4


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


@pytest.mark.parametrize(("module", "name"), [(os, "rename"), (shutil, "rmtree")])
def test_killed_it_leaves_the_run_or_none(
    there: Path, monkeypatch: pytest.MonkeyPatch, module: object, name: str
) -> None:
    """And in its sweep no index that tells of what is gone, also once the rest is swept up."""
    job = there / "outputs" / "s" / "1"
    child = os.fork()
    if child == 0:
        monkeypatch.setattr(module, name, lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
        cli.main(["rm", "--yes", str(job)])
        os._exit(70)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert job.exists() == (name == "rename")
    assert ("outputs/s/1" in paths()) == job.exists()
    assert verify("outputs") == []
    assert cli.main(["ls", "--clean"]) == 0
    assert verify("outputs") == []
    jobs = [row["directory"] for row in sweep_rows(there / "outputs" / "s")]
    assert jobs == (["0", "1"] if job.exists() else ["0"])


def test_the_index_that_the_disk_has_no_room_for_is_written_after(
    there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = there / "outputs" / "s" / "sweep.parquet"
    full = iter([True, False])

    def write(sweep: Path, rows: list[dict[str, Any]]) -> None:
        if next(full):
            raise WriteError(index, "No space left on device")
        write_index(sweep, rows)

    monkeypatch.setattr("runner.store.sweeps.write_index", write)
    assert cli.main(["rm", "--yes", "outputs/s/1"]) == 0
    assert list(pd.read_parquet(index)["number"]) == [0]


def test_what_cannot_be_deleted_stays_in_the_index(
    there: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "rename", refuse)
    assert cli.main(["rm", "--yes", "outputs/s/1"]) == 3
    assert "outputs/s/1: Permission denied" in capsys.readouterr().err
    assert list(pd.read_parquet(there / "outputs" / "s" / "sweep.parquet")["number"]) == [0, 1]
