"""Damage of every kind is found, and the file named."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runner.errors import NotFoundError
from runner.store import layout, sums
from runner.store.claim import claim
from runner.store.claim.owner import SWEEP, write_claim
from runner.store.commit import commit
from runner.store.index import rows
from runner.store.verify import verify
from runner.store.write import RunWriter
from tests.conftest import Program
from tests.warm import Warm

OUTPUTS = np.random.RandomState(0).randn(300, 3).astype("f4")


def store_run(directory: Path, *, digest: str | None = None, run_digest: str | None = None) -> Path:
    """A run of one layer; the digests are the true ones, or those given."""
    writer = RunWriter(claim(directory, stamped=True), "f00d")
    (directory / ".hydra").mkdir()
    (directory / ".hydra" / "config.yaml").write_text("a: 1\n")
    (directory / "it's \\ a\nname").write_text("of the reader's")
    writer.inputs(OUTPUTS[:, :2], None)
    layer = writer.layer(0, "dense1", "Dense", 2, 3, 300, OUTPUTS.dtype, 1)
    layer.write(OUTPUTS)
    stored = layer.close()
    true = layout.OutputsDigest(OUTPUTS.dtype, (300, 3))
    true.update(OUTPUTS)
    digest = digest or true.hexdigest()
    row: dict[str, Any] = dict.fromkeys((name for name, _ in layout.LAYER_COLUMNS), 0)
    row |= {"name": "dense1", "kind": "Dense", "dtype": "float32", "digest": digest}
    row |= {"n_neurons": 3, "n_samples": 300, "path": stored.path, "bytes": stored.bytes}
    writer.layers([row])
    record: dict[str, Any] = {
        **dict.fromkeys(name for name, _ in layout.RUN_COLUMNS),
        "run_id": "f00d",
        "status": layout.FINISHED,
        "tags": [],
        "overrides": [],
        "start_time": datetime.now(UTC),
        "end_time": datetime.now(UTC),
        "config": "{}",
        "digest": run_digest or layout.run_digest([digest]),
        "params": {},
        "metrics": {},
        "facts": {},
    }
    commit(writer, record)
    return directory


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return store_run(tmp_path_factory.mktemp("stored") / "run")


@pytest.fixture
def run(stored: Path, tmp_path: Path) -> Path:
    """A run that may be damaged."""
    shutil.copytree(stored, tmp_path / "outputs" / "day" / "run")
    return tmp_path / "outputs" / "day" / "run"


def files(run: Path) -> list[Path]:
    return sorted(path for path in run.rglob("*") if path.is_file())


def test_a_whole_run_has_no_findings(run: Path) -> None:
    assert verify(run) == []
    assert verify(run.parent.parent) == []


def flip(path: Path, dice: random.Random) -> None:
    data = bytearray(path.read_bytes())
    data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    path.write_bytes(data)


def cut(path: Path, dice: random.Random) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: dice.randrange(len(data))])


def lengthen(path: Path, dice: random.Random) -> None:
    path.write_bytes(path.read_bytes() + b"\0" * dice.randrange(1, 9))


def remove(path: Path, dice: random.Random) -> None:
    path.unlink()


@pytest.mark.parametrize("damage", [flip, cut, lengthen, remove])
def test_any_damage_to_any_file_is_found_and_named(
    run: Path, damage: Callable[[Path, random.Random], None]
) -> None:
    dice = random.Random(0)
    for path in files(run):
        before = path.read_bytes()
        for _ in range(40 if damage is flip else 5):
            damage(path, dice)
            findings = verify(run.parent.parent)
            # A flip in the sums themselves shows at the file whose line it hit.
            named = any(str(path) == str(finding.path) for finding in findings)
            assert named or (findings and path.name == layout.SUMS_FILE), (path, damage)
            path.write_bytes(before)
    assert verify(run) == []


def test_files_that_change_places_are_found(run: Path) -> None:
    one, two = run / "inputs.parquet", run / "layers.parquet"
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)
    assert {finding.path for finding in verify(run)} == {one, two}


def test_a_file_too_many_is_found(run: Path) -> None:
    (run / "layers" / "01-more.parquet").write_text("")
    (finding,) = verify(run)
    assert finding.path == run / "layers" / "01-more.parquet"
    assert "is not in SHA256SUMS" in str(finding)


def test_a_line_taken_out_of_the_sums_is_found(run: Path) -> None:
    lines = (run / "SHA256SUMS").read_text().splitlines(keepends=True)
    for gone in range(len(lines)):
        (run / "SHA256SUMS").write_text("".join(lines[:gone] + lines[gone + 1 :]))
        assert len(verify(run)) == 1


def test_outputs_that_are_not_those_of_their_digest_are_found(tmp_path: Path) -> None:
    (finding,) = verify(store_run(tmp_path / "run", digest="0" * 64))
    assert finding.path == tmp_path / "run" / "layers" / "00-dense1.parquet"


def test_a_runs_digest_that_is_not_of_its_layers_is_found(tmp_path: Path) -> None:
    (finding,) = verify(store_run(tmp_path / "run", run_digest="0" * 64))
    assert finding.path == tmp_path / "run" / "run.parquet"


def test_runs_under_way_are_passed_over_and_no_run_at_all_is_said(run: Path) -> None:
    claim(run.parent / "other", stamped=True)
    assert verify(run.parent.parent) == []
    with pytest.raises(NotFoundError, match="no committed run"):
        verify(run.parent / "other")
    with pytest.raises(NotFoundError, match="no directory"):
        verify(run.parent / "nowhere")


def test_sums_of_any_file_name_come_back(tmp_path: Path) -> None:
    expected = {
        name: hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()
        for name in ("a b", "\\n", "\n", "x\\\r", "é", "\udcff", "layers/00-a.parquet")
    }
    (tmp_path / "SHA256SUMS").write_bytes(sums.dump(expected))
    assert sums.read(tmp_path) == expected


def test_a_sweep_without_its_index_is_found(program: Program) -> None:
    sweep = program.run("-m", "data.samples=3", "seeds.seed=0,1")
    assert verify(sweep) == []
    index = sweep / "sweep.parquet"
    index.unlink()
    [finding] = verify(sweep)
    assert (finding.path, finding.problem[:10]) == (index, "is missing")
    program.run("-m", f"hydra.sweeper.resume={sweep}")
    assert verify(sweep) == []
    copied = program.folder / "paper" / index.name
    copied.parent.mkdir()
    shutil.copy(index, copied)
    assert verify(program.folder) == []  # a copy of the table is no sweep
    assert {row["path"] for row in rows(program.folder)} == {str(sweep / n) for n in "01"}
    # A kill may come before the first line of the journal; the claim tells of it.
    index.unlink()
    write_claim(sweep, SWEEP)
    assert verify(sweep) == []


def test_a_job_that_is_gone_is_found(program: Program) -> None:
    sweep = program.run("-m", "data.samples=3", "seeds.seed=0,1")
    (sweep / "1").rename(sweep / ".1.deleted-0123456789abcdef")
    assert verify(sweep) == []  # somebody is about to delete it
    (sweep / ".1.deleted-0123456789abcdef").rename(program.folder / "taken")
    [finding] = verify(sweep)
    assert finding.path == sweep / "1"
    shutil.rmtree(sweep / "0")
    assert len(verify(sweep)) == 2
    program.run("-m", f"hydra.sweeper.resume={sweep}")
    assert verify(sweep) == []
    assert program.start("rm", "--yes", f"{sweep}/0").returncode == 0
    assert verify(sweep) == []


def test_a_large_run_is_verified_in_little_memory(program: Program, warm: Warm) -> None:
    """Several of its files at once, and told of in their order."""
    done = warm(
        ["data=normal", "data.samples=40000", "data.features=2", "layers=two_dense",
         "layers.dense1.n_neurons=1000", "layers.dense2.n_neurons=100", "hydra.run.dir=large"],
        program.folder,
    )  # fmt: skip
    assert done.code == 0, done.stderr
    usual = warm(["ls"], program.folder).peak
    done = warm(["verify", "large"], program.folder)
    assert (done.code, done.stderr) == (0, "")
    assert done.peak - usual < 160_000_000  # the outputs of the first layer
    layers = sorted((program.folder / "large" / "layers").iterdir())
    for path in layers:
        with path.open("r+b") as file:
            file.seek(path.stat().st_size // 2)
            byte = file.read(1)[0]
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte ^ 1]))
    assert [finding.path for finding in verify(program.folder / "large")] == layers
