"""What killed processes leave behind, and who sweeps it up."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from runner.__main__ import main
from runner.errors import ConfigError
from runner.store.claim import claim
from runner.store.claim.owner import is_alive
from runner.store.claim.remains import remove, sweep_up, sweep_up_below
from runner.store.claim.sweep import claim_sweep, release_sweep, retake_sweep
from runner.store.index import rows
from runner.store.sweeps import rebuild, sweep_rows
from runner.store.sweeps.spec import spec_text
from tests.conftest import ROOT, Program
from tests.test_read import store_run

KILLED = """
import os, signal, sys
from pathlib import Path
from runner.store.claim import owner, remains, sweep as sweep_claim

def end(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

where = Path(sys.argv[2])
if sys.argv[1] == "claiming":
    sweep_claim.sync_file = end
    sweep_claim.claim_sweep(where, files={".sweep.json": "{}"})
else:
    remains.shutil.rmtree = end
    remains.remove(where)
"""
"""Ends itself in the middle of claiming a sweep, or of deleting a directory."""


def _killed(doing: str, directory: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, doing, str(directory)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.returncode == -signal.SIGKILL


def test_the_next_sweep_clears_away_a_claim_that_was_killed(tmp_path: Path) -> None:
    _killed("claiming", tmp_path / "sweep")
    [left] = os.listdir(tmp_path)
    assert left.startswith(".sweep-")
    claim_sweep(tmp_path / "sweep")
    assert os.listdir(tmp_path) == ["sweep"]


def test_what_lives_or_is_not_ours_stays(tmp_path: Path) -> None:
    mine = tmp_path / ".cache-0123456789abcdef"
    mine.mkdir()
    (mine / "note").write_text("mine")
    (tmp_path / ".empty-0123456789abcdef").mkdir()  # may be a claim of this moment
    claimed = claim_sweep(tmp_path / "sweep")
    os.rename(claimed, tmp_path / ".other-0123456789abcdef")
    assert sweep_up(tmp_path) == 0
    assert len(os.listdir(tmp_path)) == 3
    os.utime(tmp_path / ".empty-0123456789abcdef", (0, 0))
    assert sweep_up(tmp_path) == 1


def test_what_a_deletion_left_goes_from_every_folder(tmp_path: Path) -> None:
    for name in ("a", "b/c"):
        (tmp_path / name / "x").mkdir(parents=True)
        (tmp_path / name / "x" / "file").write_text("")
        _killed("deleting", tmp_path / name / "x")
        assert len(os.listdir(tmp_path / name)) == 1
    assert sweep_up_below(tmp_path) == 2
    assert [os.listdir(tmp_path / name) for name in ("a", "b/c")] == [[], []]


def test_links_and_files_that_were_to_replace_others(tmp_path: Path) -> None:
    link = tmp_path / ".latest-0123456789abcdef"
    link.symlink_to(tmp_path)
    rows = tmp_path / ".runs.json-01234567"
    rows.write_text("")
    assert sweep_up(tmp_path) == 0
    for path in (link, rows):
        os.utime(path, (0, 0), follow_symlinks=False)
    assert sweep_up(tmp_path) == 2


def test_deleting_goes_on_where_somebody_else_sweeps_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run" / "layers").mkdir(parents=True)
    rename = os.rename

    def and_swept(source: Path, target: Path) -> None:
        rename(source, target)
        sweep_up(tmp_path)

    monkeypatch.setattr(os, "rename", and_swept)
    remove(tmp_path / "run")
    assert os.listdir(tmp_path) == []


def test_a_run_that_was_killed_after_its_commit_is_tidied_up(program: Program) -> None:
    run = program.run()
    (run / ".staging").mkdir()
    (run / ".claim").write_text(json.dumps({"host": os.uname().nodename, "boot": "before"}))
    assert not is_alive(run)
    swept = program.start("ls", "--clean")
    assert "swept up 0 dead runs and 2 other leftovers" in swept.stderr
    assert run.name in swept.stdout
    assert not {".staging", ".claim"} & set(os.listdir(run))
    assert program.start("verify", str(run)).returncode == 0


def test_a_claim_without_a_run_is_left_to_those_who_ask(tmp_path: Path) -> None:
    taken = claim(tmp_path / "run", stamped=True)
    taken.release()
    assert sweep_up_below(tmp_path) == 0
    assert (taken.directory / ".claim").exists()


def test_a_job_that_was_deleted_leaves_the_index(program: Program) -> None:
    done = program.start("-m", "seeds.seed=range(4)")
    sweep = Path(done.stdout.splitlines()[-1])
    deleted = program.start("rm", "--yes", str(sweep / "1"), str(sweep / "2"))
    assert deleted.returncode == 0, deleted.stderr
    assert list(pd.read_parquet(sweep / "sweep.parquet")["number"]) == [0, 3]
    again = program.start("-m", f"hydra.sweeper.resume={sweep}")
    assert again.returncode == 0, again.stderr
    assert "2 before" in again.stderr
    assert list(pd.read_parquet(sweep / "sweep.parquet")["number"]) == [0, 1, 2, 3]


def test_jobs_in_folders_of_folders_are_found(tmp_path: Path) -> None:
    sweep = claim_sweep(tmp_path / "sweep", files={".sweep.json": spec_text({"layout_version": 1})})
    release_sweep(sweep)
    for number in (0, 2, 10):
        store_run(sweep / "a" / str(number), f"id-{number}", kept=0)
    (sweep / "mine" / "notes").mkdir(parents=True)
    store_run(sweep / ".1.deleted-0123456789abcdef", "half", kept=0)
    found = [(0, "a/0"), (2, "a/2"), (10, "a/10")]
    assert [(row["number"], row["directory"]) for row in sweep_rows(sweep)] == found
    assert sorted(row["run_id"] for row in rows(sweep)) == ["id-0", "id-10", "id-2"]
    assert [(row["number"], row["directory"]) for row in rebuild(sweep)] == found
    assert main(["rm", "--yes", str(sweep / "a" / "2")]) == 0
    assert list(pd.read_parquet(sweep / "sweep.parquet")["directory"]) == ["a/0", "a/10"]
    assert [row["directory"] for row in rows(sweep)] == ["a/10", "a/0"]


def test_a_job_whose_directory_was_emptied_is_none(tmp_path: Path) -> None:
    sweep = claim_sweep(tmp_path / "sweep", files={".sweep.json": spec_text({"layout_version": 1})})
    for number in (0, 1):
        store_run(sweep / str(number), f"id-{number}", kept=0)
    rebuild(sweep)
    shutil.rmtree(sweep / "1")
    (sweep / "1").mkdir()
    assert [row["number"] for row in sweep_rows(sweep)] == [0]
    assert [row["number"] for row in rows(sweep)] == [0]


def test_a_damaged_index_keeps_no_run_from_being_deleted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = claim_sweep(tmp_path / "sweep", files={".sweep.json": spec_text({"layout_version": 1})})
    release_sweep(sweep)
    for number in (0, 1):
        store_run(sweep / str(number), f"id-{number}", kept=0)
    rebuild(sweep)
    damaged = (sweep / "sweep.parquet").read_bytes()[:-9]
    (sweep / "sweep.parquet").write_bytes(damaged)
    assert main(["rm", "--yes", str(sweep / "0")]) == 0
    told = capsys.readouterr().err.splitlines()[-1]
    assert told.startswith("note: the index was left as it is: ")
    assert "sweep.parquet" in told
    assert (sweep / "sweep.parquet").read_bytes() == damaged
    assert main(["rm", "--yes", str(sweep)]) == 0
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "damaged", ["sweep.parquet", ".sweep.json", "0/run.parquet", "1/run.parquet"]
)
def test_nothing_is_computed_without_what_is_damaged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], damaged: str
) -> None:
    sweep = claim_sweep(tmp_path / "sweep", files={".sweep.json": spec_text({"layout_version": 1})})
    release_sweep(sweep)
    for number in (0, 1):
        params = {"seeds.seed": (number, int)}
        store_run(sweep / str(number), f"id-{number}", kept=0, params=params)
    if damaged != "0/run.parquet":  # otherwise the index knows all there is to know
        rebuild(sweep)
    if damaged == "1/run.parquet":
        (sweep / damaged).unlink()
    else:
        (sweep / damaged).write_bytes((sweep / damaged).read_bytes()[:-9])
    page = tmp_path / "page.html"
    calls = [["compare", str(sweep), "--by", "seeds.seed", "--statistics", "all"]]
    calls += [["report", str(sweep), "--runs", "--out", str(page)]]
    for call in calls:
        assert main(call) == 2
        out, err = capsys.readouterr()
        assert (out, err.count("\n"), damaged in err) == ("", 1, True), err
        assert not page.exists()


def test_what_may_run_in_another_container_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = claim_sweep(tmp_path / "sweep", files={".sweep.json": spec_text({"layout_version": 1})})
    store_run(sweep / "0", kept=0)
    owner = json.loads((sweep / ".claim").read_text())
    (sweep / ".claim").write_text(json.dumps({**owner, "pid": 2**22 + 1, "namespace": 1}))
    assert main(["rm", "--yes", str(sweep)]) == 2
    with pytest.raises(ConfigError, match="in a container; if it is not, delete"):
        retake_sweep(sweep)
    assert "in a container; if it is not, delete its .claim" in capsys.readouterr().err
    (sweep / ".claim").unlink()
    assert main(["rm", "--yes", str(sweep)]) == 0


def test_only_a_latest_that_led_to_what_is_deleted_is_mended(tmp_path: Path) -> None:
    outputs = tmp_path / "outputs"
    for name in ("one", "two"):
        store_run(outputs / name, f"id-{name}", kept=0)
    links = {tmp_path / "latest": "/nowhere/of/mine", outputs / "latest": "one"}
    for link, target in links.items():
        link.symlink_to(target)
    assert main(["rm", "--yes", str(outputs / "two")]) == 0
    assert {link: os.readlink(link) for link in links} == links
    (tmp_path / "latest").unlink()
    (tmp_path / "latest").symlink_to("outputs/one/layers")
    store_run(outputs / "three", "id-three", kept=0)
    assert main(["rm", "--yes", str(outputs / "one")]) == 0
    assert os.readlink(tmp_path / "latest") == "outputs/three"
    assert os.readlink(outputs / "latest") == "three"


def test_a_reused_run_that_was_deleted_is_done_again(program: Program) -> None:
    run = program.run("seeds.seed=1")
    done = program.start("-m", "seeds.seed=1,2", "hydra.sweeper.skip_existing=true")
    sweep = Path(done.stdout.splitlines()[-1])
    assert "1 reused" in done.stderr
    assert program.start("rm", "--yes", str(run)).returncode == 0
    again = program.start("-m", f"hydra.sweeper.resume={sweep}")
    assert "1 before" in again.stderr
    assert (sweep / "0" / "run.parquet").exists()


def test_folders_of_ours_that_nobody_has_filled_are_swept_up(tmp_path: Path) -> None:
    for name in ("2026-11-23/22-48-01-123456", "2026-11-24/1", "multirun/2026-11-23", "mine"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "2026-11-24").mkdir(exist_ok=True)
    for path in (path for path in tmp_path.rglob("*") if path.name != "1"):
        os.utime(path, (0, 0))
    sweep_up_below(tmp_path)
    left = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*"))
    assert left == ["2026-11-24", "2026-11-24/1", "mine"]  # `1` may be about to be claimed


def test_staging_and_an_index_that_was_not_put_in_place_are_swept_up(tmp_path: Path) -> None:
    (tmp_path / "run" / ".staging").mkdir(parents=True)
    (tmp_path / "run" / "run.parquet").write_text("")
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / ".sweep.parquet").write_text("")
    assert sweep_up_below(tmp_path) == 2
    assert os.listdir(tmp_path / "run") == ["run.parquet"]
    assert os.listdir(tmp_path / "sweep") == []


def test_what_the_power_left_of_a_run_is_nobodys(tmp_path: Path) -> None:
    day = "2026-11-24"
    for name, inside in (("0", ".staging"), ("1", ".hydra"), ("2", "notes"), ("3", "SHA256SUMS")):
        (tmp_path / day / name / inside).mkdir(parents=True)
        os.utime(tmp_path / day / name, (0, 0))
    assert sweep_up_below(tmp_path) == 1
    # Not what may be somebody's, nor a run that has lost its run.parquet: that is damage.
    assert sorted(os.listdir(tmp_path / day)) == ["1", "2", "3"]


def test_what_only_looks_like_ours_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = {"torn": "{", "foreign": "lock of mine", "given-up": "", "empty": ""}
    for name, text in texts.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / ".claim").write_text(text)
        os.utime(tmp_path / name / ".claim", (0, 0) if name == "given-up" else (1, 1))
    for name in ("foreign", "given-up", "empty"):
        (tmp_path / name / "thesis.tex").write_text("mine")
    mine = [".x-0123456789abcdef", "photos/2024", "models/7/layers", "photos/2024-01"]
    for name in mine:
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / mine[0] / ".claim").write_text("")
    (tmp_path / mine[0] / "mine").write_text("")
    for path in (*tmp_path.rglob("*"), *tmp_path.rglob(".claim")):
        os.utime(path, (path.name == ".claim" and path.stat().st_mtime,) * 2)
    assert main(["ls", str(tmp_path), "--clean"]) == 0
    out, err = capsys.readouterr()
    kept = ["foreign", "empty"]
    assert sorted(os.listdir(tmp_path)) == sorted([*kept, mine[0], "models", "photos"])
    assert all((tmp_path / name).is_dir() for name in mine)
    assert err.count("is left: its .claim is none of ours") == out.count("DEAD") == len(kept)
    assert "swept up 2 dead runs\n" in err
