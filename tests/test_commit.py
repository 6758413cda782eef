"""The commit, stopped between any two of its steps."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from runner.errors import WriteError
from runner.store import commit as committing
from runner.store import files, layout
from runner.store.claim import Claim, claim
from runner.store.commit import commit, commit_all, point_latest, seal
from runner.store.index import rows
from runner.store.read import load
from runner.store.verify import verify
from runner.store.write import RunWriter

ROOT = Path(__file__).resolve().parent.parent
START = datetime(2026, 11, 23, 22, 48, 1, 123456, tzinfo=UTC)
OUTPUTS = np.random.RandomState(0).randn(300, 3).astype("f4")


def record(status: str = layout.FINISHED, **changes: Any) -> dict[str, Any]:
    return {
        **dict.fromkeys(name for name, _ in layout.RUN_COLUMNS),
        "run_id": "f00d",
        "status": status,
        "tags": ["a", "b"],
        "start_time": START,
        "end_time": START + timedelta(seconds=1),
        "overrides": ["data.samples=100"],
        "config": "{}",
        "params": {},
        "metrics": {},
        "facts": {},
        **changes,
    }


def write_files(claimed: Claim) -> RunWriter:
    """Everything a run has before its commit."""
    (claimed.directory / ".hydra").mkdir()
    (claimed.directory / ".hydra" / "config.yaml").write_text("a: 1\n")
    (claimed.directory / "runner.log").write_text("begun\n")
    writer = RunWriter(claimed, "f00d")
    writer.inputs(OUTPUTS[:, :2], np.arange(300))
    writer.parameters([("dense1", "weights", OUTPUTS[:2])])
    layer = writer.layer(0, "dense1", "Dense", 2, 3, 300, OUTPUTS.dtype, 1)
    layer.write(OUTPUTS)
    stored = layer.close()
    digest = layout.OutputsDigest(OUTPUTS.dtype, (300, 3))
    digest.update(OUTPUTS)
    row: dict[str, Any] = dict.fromkeys((name for name, _ in layout.LAYER_COLUMNS), 0)
    row |= {"name": "dense1", "kind": "Dense", "dtype": "float32", "digest": digest.hexdigest()}
    row |= {"n_inputs": 2, "n_neurons": 3, "n_samples": 300}
    writer.layers([{**row, "path": stored.path, "bytes": stored.bytes}])
    return writer


def finished(claimed: Claim) -> dict[str, Any]:
    digest = layout.OutputsDigest(OUTPUTS.dtype, (300, 3))
    digest.update(OUTPUTS)
    return record(digest=layout.run_digest([digest.hexdigest()]))


def names(directory: Path) -> set[str]:
    return {p.relative_to(directory).as_posix() for p in directory.rglob("*") if p.is_file()}


WHOLE = {
    *(".hydra/config.yaml", "runner.log", "inputs.parquet", "parameters.parquet"),
    *("layers/00-dense1.parquet", "layers.parquet", "SHA256SUMS", "run.parquet"),
}


def test_a_committed_run_is_whole_and_passes_sha256sum(tmp_path: Path) -> None:
    claimed = claim(tmp_path / "run", stamped=True)
    commit(write_files(claimed), finished(claimed))
    assert names(claimed.directory) == WHOLE
    assert not (claimed.directory / ".staging").exists()
    done = subprocess.run(
        ["sha256sum", "--strict", "-c", "SHA256SUMS"],
        cwd=claimed.directory,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert {line.removesuffix(": OK") for line in done.stdout.splitlines()} == (
        WHOLE - {"SHA256SUMS"}
    )
    assert verify(claimed.directory) == []


def test_no_file_is_later_than_run_parquet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the times that the file system keeps, too; they may be coarse, so each step takes long."""
    monkeypatch.setattr(committing, "_step", lambda step: time.sleep(0.02))
    claimed = claim(tmp_path / "run", stamped=True)
    commit(write_files(claimed), finished(claimed))
    times = {name: (claimed.directory / name).stat().st_mtime_ns for name in WHOLE}
    assert max(times.values()) == times["run.parquet"], times


def test_run_parquet_has_the_columns_and_types_of_the_contract(tmp_path: Path) -> None:
    claimed = claim(tmp_path / "run", stamped=True)
    changes: dict[str, Any] = {
        "name": "my run",
        "params": {
            "seeds.seed": (2**32 - 1, int),
            "layers.dense1.n_inputs": (None, int),
            "layers.dense1.gain": (1, float),
            "layers.dense1.weights": ([[0.5, 1]], list),
            "data.samples": ("${oc.env:N}", str),
            "flag": (True, bool),
            "large": (2**70, int),
        },
        "metrics": {"loss": 1.5},
        "facts": {"git.commit": None, "git.dirty": None, "env.threads": 2, "env.numpy": "2.4.6"},
    }
    commit(claimed, record(**changes))
    schema = pq.ParquetFile(claimed.directory / "run.parquet").schema_arrow
    columns = {field.name: str(field.type) for field in schema}
    assert list(columns)[:11] == [name for name, _ in layout.RUN_COLUMNS]
    assert {name: kind for name, kind in columns.items() if "." in name} == {
        "params.seeds.seed": "int64",
        "params.layers.dense1.n_inputs": "int64",
        "params.layers.dense1.gain": "double",
        "params.layers.dense1.weights": "string",
        "params.data.samples": "string",
        "params.flag": "bool",
        "params.large": "string",
        "metrics.loss": "double",
        "metrics.accuracy": "double",
        "git.commit": "string",
        "git.dirty": "bool",
        "env.threads": "int64",
        "env.numpy": "string",
    }
    assert columns["start_time"] == "timestamp[us, tz=UTC]"
    assert columns["tags"].startswith("list<")
    row = load(claimed.directory).metadata
    assert row["start_time"] == START
    assert row["tags"] == ["a", "b"]
    assert row["params.layers.dense1.weights"] == "[[0.5, 1]]"
    assert row["params.seeds.seed"] == 2**32 - 1
    assert row["git.dirty"] is None


def test_text_that_is_no_text_stops_no_commit(tmp_path: Path) -> None:
    claimed = claim(tmp_path / "run", stamped=True)
    commit(claimed, record(name="a\udcffb\0"))
    assert load(claimed.directory).metadata["name"] == "a\\udcffb\0"


@pytest.mark.parametrize("status", [layout.FAILED, layout.INTERRUPTED])
def test_a_run_that_did_not_finish_is_committed_without_layers(tmp_path: Path, status: str) -> None:
    claimed = claim(tmp_path / "run", stamped=True)
    writer = write_files(claimed)
    writer.complete = False  # as if one more layer had been under way
    layer = writer.layer(1, "dense2", "Dense", 3, 3, 300, OUTPUTS.dtype, 2)
    layer.write(OUTPUTS[:100])
    writer.sums.pop("layers.parquet")
    commit(writer, record(status, error="it broke"))
    assert names(claimed.directory) == WHOLE - {"layers/00-dense1.parquet", "layers.parquet"}
    run = load(claimed.directory)
    assert (run.status, run.metadata["error"], dict(run.layers)) == (status, "it broke", {})
    assert verify(claimed.directory) == []


def test_a_run_that_fails_after_its_layers_keeps_them(tmp_path: Path) -> None:
    claimed = claim(tmp_path / "run", stamped=True)
    commit(write_files(claimed), record(layout.FAILED))
    assert names(claimed.directory) == WHOLE


def test_a_commit_that_failed_can_be_followed_by_the_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claimed = claim(tmp_path / "run", stamped=True)
    writer = write_files(claimed)

    def fail(step: str) -> None:
        if step == "sums":
            raise WriteError(claimed.directory, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(committing, "_step", fail)
        with pytest.raises(WriteError):
            commit(writer, finished(claimed))
    commit(writer, record(layout.FAILED, error="no space"))
    assert load(claimed.directory).status == layout.FAILED
    assert verify(claimed.directory) == []


def test_a_run_is_committed_once(tmp_path: Path) -> None:
    claimed = claim(tmp_path / "run", stamped=True)
    commit(write_files(claimed), finished(claimed))
    with pytest.raises(WriteError, match="committed already"):
        commit(claimed, record(layout.FAILED))
    assert verify(claimed.directory) == []
    assert load(claimed.directory).status == layout.FINISHED


def test_every_file_is_on_disk_before_run_parquet_is_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[tuple[str, str]] = []
    sync, rename = files._sync, os.rename

    def note_sync(path: Path, flags: int) -> None:
        sync(path, flags)
        done.append(("sync", str(path.relative_to(tmp_path))))

    def note_rename(source: Path | str, target: Path | str) -> None:
        rename(source, target)
        done.append(("rename", str(Path(target).relative_to(tmp_path))))

    claimed = claim(tmp_path / "day" / "run", stamped=True)
    writer = write_files(claimed)
    monkeypatch.setattr(files, "_sync", note_sync)
    monkeypatch.setattr(os, "rename", note_rename)
    commit(writer, finished(claimed))
    last = done.index(("rename", "day/run/run.parquet"))
    first = next(i for i, (what, _) in enumerate(done) if what == "rename")
    before = {path for what, path in done[:first] if what == "sync"}
    for name in WHOLE:
        place = "day/run" if name.startswith((".hydra", "runner.log")) else "day/run/.staging"
        assert f"{place}/{name}" in before
    between = {path for what, path in done[first:last] if what == "sync"}
    assert between >= {".", "day", "day/run", "day/run/layers", "day/run/.hydra"}
    assert done[last + 1 :] == [("sync", "day/run")]


def test_runs_that_are_committed_together_share_the_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims = [claim(tmp_path / "run", stamped=True) for _ in range(3)]
    sealed = [seal(write_files(claimed), finished(claimed)) for claimed in claims]
    steps: list[str] = []
    monkeypatch.setattr(committing, "_step", steps.append)
    commit_all(sealed)
    assert steps.count("finish") == 3
    assert steps.index("finish") > max(i for i, s in enumerate(steps) if s.startswith("place"))
    assert verify(tmp_path) == []
    assert len(rows(tmp_path)) == 3


def test_a_kill_between_any_two_steps_leaves_a_whole_run_or_none(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, __file__, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    steps: list[str] = json.loads(done.stdout)
    assert steps[-1] == "done"
    assert len(steps) > 20
    landed = steps.index("sync end")  # the first step after run.parquet is in place
    for number, _ in enumerate(steps):
        (row,) = rows(tmp_path / str(number))
        directory = tmp_path / str(number) / "run"
        if number < landed:
            assert row["status"] == layout.DEAD
            assert not (directory / "run.parquet").exists()
        else:
            assert row["status"] == layout.FINISHED
            assert verify(directory) == []
            assert np.array_equal(load(directory).layers["dense1"].outputs, OUTPUTS)


def test_latest_points_at_the_last_and_is_relative(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / "outputs" / name).mkdir(parents=True)
        point_latest(tmp_path / "outputs", tmp_path / "outputs" / name)
    assert os.readlink(tmp_path / "outputs" / "latest") == "two"
    assert sorted(os.listdir(tmp_path / "outputs")) == ["latest", "one", "two"]


def test_a_link_that_cannot_be_made_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "latest").mkdir()
    assert not point_latest(tmp_path, tmp_path / "run")
    assert point_latest(tmp_path / "nowhere", tmp_path / "run")
    assert os.listdir(tmp_path) == ["latest"]


def test_a_file_called_latest_stays(tmp_path: Path) -> None:
    (tmp_path / "latest").write_text("mine")
    assert not point_latest(tmp_path, tmp_path / "run")
    assert (tmp_path / "latest").read_text() == "mine"


def _run_killed_at(number: int, root: Path, notes: int) -> None:
    """A run whose process kills itself before a step, and first notes which."""
    left = number

    def step(name: str) -> None:
        nonlocal left
        if not left:
            os.write(notes, name.encode())
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1

    committing._step = step
    claimed = claim(root / str(number) / "run", stamped=True)
    commit(write_files(claimed), finished(claimed))


def _kill_at_every_step(root: Path) -> list[str]:
    steps: list[str] = []
    while not steps or steps[-1] != "done":
        reader, notes = os.pipe()
        child = os.fork()
        if not child:
            try:
                _run_killed_at(len(steps), root, notes)
            finally:
                os._exit(1)
        os.close(notes)
        steps.append(os.read(reader, 1000).decode())
        os.close(reader)
        if os.waitpid(child, 0)[1] != signal.SIGKILL:
            raise SystemExit(f"not killed at step {len(steps)}")
    return steps


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_kill_at_every_step(Path(sys.argv[1]))))
