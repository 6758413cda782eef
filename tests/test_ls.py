"""The table of runs: what stands in it whatever is the matter with some of them."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import runner
from runner import cli
from runner.cli import ls
from runner.report.sweep import page_of_sweep
from runner.store.verify import verify
from tests.conftest import Program


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = Program(tmp_path_factory.mktemp("ls"))
    program.run("data.samples=5", "name=a", "hydra.run.dir=outputs/a")
    program.run("-m", "data.samples=5", "seeds.seed=1,2", "hydra.sweep.dir=outputs/s")
    return program.folder


def close(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Lets nobody look into a folder: root could, whatever its mode."""
    scan = os.scandir

    def refusing(path: Any) -> Any:
        if Path(path).resolve() == folder.resolve():
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refusing)


@pytest.mark.parametrize("closed", ["closed", "s", "a"])
def test_a_folder_that_cannot_be_looked_into_hides_no_other(
    there: Path, closed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (there / "outputs" / "closed").mkdir()
    close(monkeypatch, there / "outputs" / closed)
    assert cli.main(["ls", "--json"]) == 0
    out, err = capsys.readouterr()
    rows = {row["path"]: row["status"] for row in json.loads(out)}
    assert rows.pop(f"outputs/{closed}") == "UNREADABLE"
    assert set(rows.values()) == {"FINISHED"}
    assert len(rows) == {"closed": 3, "s": 1, "a": 2}[closed]
    assert err == f"note: cannot look into outputs/{closed}: Permission denied\n"
    found = verify("outputs")
    assert [finding.path for finding in found] == [Path("outputs") / closed]
    assert cli.main(["ls", f"outputs/{closed}"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "Permission denied" in line


OF_ONE_KIND_ONLY = [
    *("env.numpy", "git.dirty", "inputs.digest", "config"),
    *("layers.dense1.std", "layers.dense2.digest", "layers.dense1.nonfinite_count"),
]
"""Columns that run.parquet has and sweep.parquet has not, or the other way round."""


def test_what_the_index_of_a_sweep_lacks_is_read_from_its_runs(
    there: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def listed(*arguments: str) -> Any:
        assert cli.main(["ls", "--json", *arguments]) == 0
        return json.loads(capsys.readouterr().out)

    for row in listed("--columns", ",".join(["path", *OF_ONE_KIND_ONLY])):
        run = runner.load(row["path"])
        assert row["config"] == run.config
        for key in ("env.numpy", "git.dirty", "inputs.digest"):
            assert row[key] == run.metadata[key]
        assert row["layers.dense1.std"] == run.layers["dense1"].statistics["std"]
        assert row["layers.dense2.digest"] == run.layers["dense2"].digest
        assert row["layers.dense1.nonfinite_count"] == 0
    here = runner.load("outputs/a").metadata["env.numpy"]
    for condition in (
        f"env.numpy = '{here}'",
        f"\"env.numpy\" = '{here}'",
        "layers.dense1.std > 0",
        "config LIKE '%spiral%'",
    ):
        assert len(listed("--where", condition)) == 3
        assert len(listed("outputs/s", "--where", condition)) == 2
    spread = [row["layers.dense1.std"] for row in listed("--sort", "layers.dense1.std")]
    assert spread == sorted(spread)


def test_a_damaged_run_that_is_read_for_a_column_is_said(
    there: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for file in ("outputs/s/0/run.parquet", "outputs/a/layers.parquet"):
        Path(file).write_bytes(Path(file).read_bytes()[:-1] + b"x")
    columns = "path,status,env.numpy,layers.dense1.std"
    assert cli.main(["ls", "--json", "--columns", columns]) == 0
    out, err = capsys.readouterr()
    rows = {row["path"]: row for row in json.loads(out)}
    assert {path: row["status"] for path, row in rows.items()} == {
        "outputs/a": "UNREADABLE",
        "outputs/s/0": "UNREADABLE",
        "outputs/s/1": "FINISHED",
    }
    assert rows["outputs/s/1"]["layers.dense1.std"] > 0
    assert len(err.splitlines()) == 2
    assert "run.parquet" in err
    assert "layers.parquet" in err


def test_what_a_run_that_died_was_to_be(there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Hydra's file is there before the first layer; a stranger's is words at the most."""
    job = there / "outputs" / "s" / "1"
    kill(job)
    typed = job / ".hydra" / "overrides.yaml"

    def shown() -> Any:
        assert cli.main(["ls", "--json", "outputs/s"]) == 0
        [row] = [row for row in json.loads(capsys.readouterr().out) if row["status"] == "DEAD"]
        return row["overrides"]

    assert shown() == ["data.samples=5", "seeds.seed=2"]
    assert "seeds.seed=2" in page_of_sweep(there / "outputs" / "s", there)
    for content in (
        b"",
        b"\xff",
        b"- [",
        b"{" * 2000,
        b"- !!python/name:os.system\n",
        b"- a\n" * 20000,
    ):
        typed.write_bytes(content)
        assert shown() in ([], [""])
    typed.unlink()
    assert shown() == []


def kill(run: Path) -> None:
    """Leaves of a run what a kill before its commit does, as far as a reader looks."""
    for name in ("run.parquet", "SHA256SUMS"):
        (run / name).unlink()
    claimed = run / ".claim"
    claimed.touch()
    os.utime(claimed, (0, 0))


def test_without_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "outputs").mkdir()
    monkeypatch.chdir(tmp_path)
    head = "run_id,status,name,start_time,overrides,metrics.loss,path\n"
    for arguments, printed in (
        ("--json", "[]\n"),
        ("--csv", head),
        ("--csv --columns seeds.seed,loss", "seeds.seed,loss\n"),
        ("--sort -metrics.loss --where data.samples<5", ""),
    ):
        assert cli.main(["ls", *arguments.split()]) == 0
        assert capsys.readouterr() == (printed, "")
    for arguments in ("--columns seed", "--sort nothing", "--where seed=5"):
        assert cli.main(["ls", *arguments.split()]) == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_the_columns_of_csv_are_always_the_same(
    there: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    heads = set()
    for path in ("outputs", "outputs/s", "outputs/a"):
        assert cli.main(["ls", path, "--csv"]) == 0
        heads.add(capsys.readouterr().out.splitlines()[0])
    assert len(heads) == 1


def test_order() -> None:
    begun = datetime(2026, 11, 25, tzinfo=UTC)
    times = [begun + timedelta(microseconds=us) for us in (2, 1, 3)]
    rows = [
        {"start_time": time, "metrics.loss": loss}
        for time, loss in zip([*times, None], (2.0, float("nan"), 1.0, 3.0), strict=True)
    ]
    by_time = [row["start_time"] for row in ls._sorted(rows, "start_time")]
    assert by_time == [*sorted(times), None]
    by_loss = [row["metrics.loss"] for row in ls._sorted(rows, "-loss")]
    assert by_loss[:3] == [3.0, 2.0, 1.0]


@pytest.mark.parametrize("verb", ["ls", "show", "verify", "report", "compare x", "rm --yes"])
def test_what_can_be_no_path(there: Path, verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    (there / "loop").symlink_to("loop")
    (there / "file").touch()
    names = ("a" * 300, "a/" * 3000, f"latest/{'a' * 300}", "x\0y", "x\udcffy", "loop/x", "file/x")
    for name in names:
        assert cli.main([*verb.split(), name]) == 2
        [line] = capsys.readouterr().err.splitlines()
        assert len(line) <= 200


def test_a_path_that_may_not_be_looked_at(
    there: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stat = os.stat

    def refusing(path: Any, **more: Any) -> Any:
        if str(path) == "closed/x":
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, **more)

    monkeypatch.setattr(os, "stat", refusing)
    for verb in ("ls", "show", "verify"):
        assert cli.main([verb, "closed/x"]) == 2
        assert capsys.readouterr().err == "runner: cannot look at closed/x: Permission denied\n"
