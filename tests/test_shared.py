"""The jobs of a sweep that have the same inputs have one file of them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import runner
from runner.store.claim import claim
from runner.store.shared import SharedInputs
from runner.store.verify import verify
from runner.store.write import RunWriter
from tests.conftest import Program

INPUTS = np.arange(12, dtype=np.float32).reshape(6, 2)


def _file(sweep: Path, job: int) -> tuple[int, int]:
    found = (sweep / str(job) / "inputs.parquet").stat()
    return found.st_dev, found.st_ino


def _writer(folder: Path, name: str) -> RunWriter:
    return RunWriter(claim(folder / name, stamped=False), "f00d")


@pytest.mark.parametrize("samples", [100, 3000])  # held in memory, and streamed
def test_a_sweep_over_weights_has_one_file(program: Program, samples: int) -> None:
    scales = "layers.dense1.weight_scale=0.1,0.2,0.3"
    sweep = program.run("-m", scales, f"data.samples={samples}", "hydra.launcher.n_jobs=1")
    assert len({_file(sweep, job) for job in range(3)}) == 1
    alone = program.run("layers.dense1.weight_scale=0.2", f"data.samples={samples}")
    theirs, ours = runner.load(alone), runner.load(sweep / "1")
    assert theirs.metadata["digest"] == ours.metadata["digest"]
    assert theirs.inputs.tobytes() == ours.inputs.tobytes()
    shutil.copytree(sweep / "0", copy := program.folder / "copy")
    shutil.rmtree(sweep / "0")
    for run in (copy, sweep / "1", sweep / "2"):
        assert verify(run) == []
        assert runner.load(run).targets is not None


def test_other_inputs_have_their_own(program: Program) -> None:
    points = ("layers.dense1.weight_scale=0.1,0.2", "seeds.seed=1,2")
    sweep = program.run("-m", *points, "data.samples=9", "hydra.launcher.n_jobs=1")
    files = [_file(sweep, job) for job in range(4)]
    assert files[0] == files[2] != files[1] == files[3]


def test_a_run_whose_forerunner_is_gone_writes_its_own(tmp_path: Path) -> None:
    shared, first = SharedInputs(), _writer(tmp_path, "first")
    first.inputs(INPUTS, None)
    shared.note("digest", first)
    second = _writer(tmp_path, "second")
    assert shared.take("digest", second)
    assert second.sums == first.sums
    for writer in (first, second):
        (writer.staging / "inputs.parquet").write_bytes(b"cut short")
    third = _writer(tmp_path, "third")
    assert not shared.take("digest", third)
    shutil.rmtree(first.claim.directory)
    assert not shared.take("digest", third)
    assert not shared.take("another", third)
    assert [*third.staging.iterdir()] == []
    assert third.sums == {}
