"""Runs that start at the same moment: each has a directory of its own, whole and unmixed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import runner
from runner.store.verify import verify
from tests.conftest import ROOT

RUNS = 32

FROZEN = """
import datetime as module

class Frozen(module.datetime):
    @classmethod
    def now(cls, tz=None):
        fixed = cls(2026, 11, 23, 22, 48, 1, 123456, module.timezone.utc)
        return fixed.astimezone(tz) if tz else fixed.replace(tzinfo=None)

module.datetime = Frozen
"""
"""A ``sitecustomize``: the clock stands, in every process that finds it."""


def start(folder: Path, number: int, *more: str, path: str = str(ROOT)) -> subprocess.Popen[str]:
    """One of the runs, told apart by its seed and its number of samples."""
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "runner",
            f"seeds.seed={number}",
            f"data.samples={number + 1}",
            *more,
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("clock", ["runs", "stands"])
def test_all_at_once(tmp_path: Path, clock: str) -> None:
    path = str(ROOT)
    if clock == "stands":
        (tmp_path / "site").mkdir()
        (tmp_path / "site" / "sitecustomize.py").write_text(FROZEN)
        path = f"{tmp_path / 'site'}{os.pathsep}{ROOT}"
    processes = [start(tmp_path, number, path=path) for number in range(RUNS)]
    said = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0] * RUNS, said[0]
    directories = [Path(out.splitlines()[-1]) for out, _ in said]
    assert len(set(directories)) == RUNS
    there = [d for d in (tmp_path / "outputs").glob("2*/*") if d.is_dir()]
    assert set(directories) == set(there)
    if clock == "stands":
        names = {"22-48-01-123456", *(f"22-48-01-123456-{n}" for n in range(1, RUNS))}
        assert {directory.name for directory in directories} == names

    runs = [runner.load(directory) for directory in directories]
    assert len({run.id for run in runs}) == RUNS
    for number, run in enumerate(runs):
        assert run.metadata["status"] == "FINISHED"
        assert run.metadata["params.seeds.seed"] == number
        assert run.inputs.shape == (3 * (number + 1), 2)
        assert [layer.outputs.shape[0] for layer in run.layers.values()] == [3 * (number + 1)] * 2
        assert not (run.path / ".claim").exists()
        assert run.id in (run.path / "runner.log").read_text()
        assert f"data.samples={number + 1}\n" in (run.path / ".hydra/overrides.yaml").read_text()
        assert str(run.path) in (run.path / ".hydra/hydra.yaml").read_text()
    assert verify(tmp_path / "outputs") == []
    assert len(runner.runs(tmp_path / "outputs")) == RUNS
    assert (tmp_path / "outputs" / "latest").resolve() in directories


def test_one_directory_for_all(tmp_path: Path) -> None:
    """A directory that the user names goes to one; the others are told so."""
    processes = [start(tmp_path, number, "hydra.run.dir=mine") for number in range(4)]
    said = [process.communicate(timeout=120) for process in processes]
    assert sorted(process.returncode for process in processes) == [0, 2, 2, 2]
    for process, (out, err) in zip(processes, said, strict=True):
        if process.returncode:
            assert out == ""
            assert len(err.splitlines()) == 1
            assert "hydra.run.dir=" in err
            assert "not empty" in err
    assert runner.load(tmp_path / "mine").metadata["status"] == "FINISHED"
    assert verify(tmp_path / "mine") == []
