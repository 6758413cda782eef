"""Sweeps that are taken up again: whichever directories, points and launcher they have."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from runner.store.sweeps import rebuild, sweep_rows
from tests.conftest import Program
from tests.warm import Warm

SUBDIRS = ("${seeds.seed}", "s/${seeds.seed}", "${hydra.job.override_dirname}")


def _sweep(warm: Warm, program: Program, *arguments: str, code: int = 0) -> tuple[Path, str]:
    done = warm(["-m", *arguments], program.folder)
    assert done.code == code, done.stderr
    return Path(done.stdout.splitlines()[-1]) if done.stdout else Path(), done.stderr


def _refusal(warm: Warm, program: Program, *arguments: str) -> str:
    _, told = _sweep(warm, program, *arguments, code=2)
    [line] = [line for line in told.splitlines() if not line.startswith("taking up ")]
    assert len(line) <= 200
    return line


def _killed(sweep: Path, *lost: int) -> dict[int, str]:
    """Leaves of a sweep what a kill would: no index, no journal, and some jobs not done."""
    rows = sweep_rows(sweep)
    (sweep / "sweep.parquet").unlink()
    for number in lost:
        shutil.rmtree(sweep / rows[number]["directory"])
    return {row["number"]: row["run_id"] for row in rows if row["number"] not in lost}


def test_latest_is_the_sweep_that_was_begun_last(program: Program, warm: Warm) -> None:
    assert "there is no sweep" in _refusal(warm, program, "hydra.sweeper.resume=latest")
    first, _ = _sweep(warm, program, "seeds.seed=0,1")
    second, _ = _sweep(warm, program, "seeds.seed=2,3")
    _killed(second, 0, 1)
    latest = program.folder / "outputs" / "latest"
    latest.unlink()
    latest.symlink_to(first)
    took, told = _sweep(warm, program, "hydra.sweeper.resume=latest")
    assert took == second
    assert f"taking up {second}\n" in told
    assert [row["params.seeds.seed"] for row in sweep_rows(second)] == [2, 3]


@pytest.mark.parametrize("launcher", ["local", "basic"])
def test_jobs_in_directories_of_any_name(program: Program, warm: Warm, launcher: str) -> None:
    options = ("data=book_sample", "layers=one_dense", f"hydra/launcher={launcher}")
    for subdir in SUBDIRS[1:]:
        sweep, _ = _sweep(
            warm, program, "seeds.seed=2,0,1", f"hydra.sweep.subdir={subdir}", *options
        )
        kept = _killed(sweep, 1)
        _sweep(warm, program, f"hydra.sweeper.resume={sweep}", options[-1])
        rows = sweep_rows(sweep)
        assert [row["params.seeds.seed"] for row in rows] == [2, 0, 1]
        assert {n: row["run_id"] for n, row in enumerate(rows) if n in kept} == kept
        assert {row["status"] for row in rows} == {"FINISHED"}


def test_the_index_of_hydras_sweeper_has_hydras_numbers(program: Program, warm: Warm) -> None:
    for subdir in SUBDIRS:
        sweep, _ = _sweep(
            warm, program, "seeds.seed=2,0,1", f"hydra.sweep.subdir={subdir}", "layers=one_dense",
            "data=book_sample", "hydra/sweeper=basic",
        )  # fmt: skip
        told = [(row["number"], row["params.seeds.seed"]) for row in sweep_rows(sweep)]
        assert told == [(0, 2), (1, 0), (2, 1)]
        assert [row["run_id"] for row in rebuild(sweep)] == [r["run_id"] for r in sweep_rows(sweep)]


def test_hydras_launcher_does_again_what_failed(program: Program, warm: Warm) -> None:
    """And leaves alone what is finished, also where it is not in its place."""
    table = program.folder / "table.csv"
    table.write_text("a,b\n1,2\n")
    options = ("data=table", "data.path=table.csv", "layers=one_dense", "hydra/launcher=basic")
    sweep, _ = _sweep(warm, program, "data.features=[a],[c]", *options, code=1)
    [kept, failed] = sweep_rows(sweep)
    table.write_text("a,c\n1,2\n")
    _sweep(warm, program, f"hydra.sweeper.resume={sweep}", "hydra/launcher=basic")
    rows = sweep_rows(sweep)
    assert [row["status"] for row in rows] == ["FINISHED", "FINISHED"]
    assert rows[0]["run_id"] == kept["run_id"]
    assert rows[1]["run_id"] != failed["run_id"]


def test_points_that_are_drawn_or_looked_for_stay_what_they_were(
    program: Program, warm: Warm
) -> None:
    mine = program.folder / "mine"
    (mine / "layers").mkdir(parents=True)
    text = "defaults:\n  - /schema/layers@dense1: dense\n  - _self_\ndense1:\n  n_neurons: 3\n"
    for name in ("xa", "xb"):
        (mine / "layers" / f"{name}.yaml").write_text(text)
    points = ("seeds.seed=shuffle(range(20))", "layers=glob(x*)", "data=book_sample")
    sweep, _ = _sweep(warm, program, *points, "-cd", "mine")
    was = [row["overrides"] for row in sweep_rows(sweep)]
    assert len(was) == 40
    kept = _killed(sweep, 3, 17)
    (mine / "layers" / "x0.yaml").write_text(text)
    again = f"hydra.sweeper.resume={sweep}"
    assert "--config-dir" in _refusal(warm, program, again)
    assert "--config-dir" in _refusal(warm, program, "-cd", str(mine / "layers"), again)
    _sweep(warm, program, "-cd", "mine", again)
    rows = sweep_rows(sweep)
    assert [row["overrides"] for row in rows] == was
    assert {n: row["run_id"] for n, row in enumerate(rows) if n in kept} == kept


def test_other_points_than_before_are_refused(program: Program, warm: Warm) -> None:
    mine = program.folder / "mine"
    mine.mkdir()
    (mine / "more.yaml").write_text("defaults: [config, _self_]\nbatch_size: 1\n")
    given = ("-cd", "mine", "-cn", "more", "data=book_sample", "seeds.seed=0,1,2")
    sweep, _ = _sweep(warm, program, *given, "hydra.sweeper.filter='batch_size + seeds.seed < 3'")
    _killed(sweep, 1)
    (mine / "more.yaml").write_text("defaults: [config, _self_]\nbatch_size: 2\n")
    line = _refusal(warm, program, "-cd", "mine", f"hydra.sweeper.resume={sweep}")
    assert "its 2 jobs come out as 1 others" in line


def test_relative_paths_are_of_the_folder_where_it_was_begun(program: Program, warm: Warm) -> None:
    (program.folder / "table.csv").write_text("a,b\n1,2\n")
    table = ("data=table", "data.path=table.csv", "layers=one_dense", "seeds.seed=0,1")
    plain, _ = _sweep(warm, program, "data=book_sample", "seeds.seed=0,1")
    sweep, _ = _sweep(warm, program, *table)
    elsewhere = Program(program.folder / "elsewhere")
    elsewhere.folder.mkdir()
    for each in (plain, sweep):
        _killed(each, 1)
    line = _refusal(warm, elsewhere, f"hydra.sweeper.resume={sweep}")
    assert f"was begun in {program.folder}: go there" in line
    assert list(elsewhere.folder.iterdir()) == []
    _sweep(warm, elsewhere, f"hydra.sweeper.resume={plain}")
    # By another name for the same place nothing changes.
    link = program.folder / "link"
    link.symlink_to(sweep)
    took, _ = _sweep(warm, program, f"hydra.sweeper.resume={link}")
    assert took == sweep
    assert len(sweep_rows(sweep)) == 2


def test_a_damaged_index_says_how_to_make_it_anew(program: Program, warm: Warm) -> None:
    sweep, _ = _sweep(warm, program, "data=book_sample", "seeds.seed=0,1")
    index = sweep / "sweep.parquet"
    data = index.read_bytes()
    index.write_bytes(data[:-40] + b"x" + data[-39:])
    assert "delete it" in _refusal(warm, program, f"hydra.sweeper.resume={sweep}")
    os.unlink(index)
    _, told = _sweep(warm, program, f"hydra.sweeper.resume={sweep}")
    assert "2 before" in told
