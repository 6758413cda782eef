"""Sweeps that are taken up again: whichever directories, points and launcher they have."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runner.app.folders import config_directory
from runner.store.claim.owner import RUN, write_claim
from runner.store.sweeps import rebuild, sweep_rows
from runner.store.sweeps.spec import read_spec, spec_text
from runner.sweep.compose.by_hydra import JobConfig
from runner.sweep.places import Places
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


@pytest.mark.parametrize("launcher", ["local", "basic"])
def test_a_job_that_lost_its_run_file_is_done_again(
    program: Program, warm: Warm, launcher: str
) -> None:
    """Where all else in its directory is of that run; what may be somebody's is left alone."""
    small = ("data=book_sample", "layers=one_dense", f"hydra/launcher={launcher}")
    sweep, _ = _sweep(warm, program, "seeds.seed=range(4)", *small)
    was = {row["number"]: row["run_id"] for row in sweep_rows(sweep)}
    for number in (1, 2, 3):
        (sweep / str(number) / "run.parquet").unlink()
    (sweep / "2" / "layers.parquet").unlink()
    (sweep / "3" / "layers" / "mine.txt").write_text("mine")
    again = (f"hydra.sweeper.resume={sweep}", f"hydra/launcher={launcher}")
    _, told = _sweep(warm, program, *again, code=1)
    assert "/3/run.parquet: is missing\n" in told
    assert (sweep / "3" / "layers" / "mine.txt").read_text() == "mine"
    rows = {row["number"]: row for row in sweep_rows(sweep)}
    finished = [number for number, row in rows.items() if row["status"] == "FINISHED"]
    assert finished == [0, 1, 2]
    assert [rows[number]["run_id"] == was[number] for number in finished] == [True, False, False]
    shutil.rmtree(sweep / "3")
    shutil.copytree(sweep / "0", sweep / "3")
    (sweep / "3" / "run.parquet").unlink()  # what is left is of another job
    _sweep(warm, program, *again, code=1)
    assert (sweep / "3" / "SHA256SUMS").exists()


def test_points_that_are_drawn_or_looked_for_stay_what_they_were(
    program: Program, warm: Warm
) -> None:
    mine = program.folder / "mine"
    (mine / "layers").mkdir(parents=True)
    text = "defaults:\n  - /schema/layers@dense1: dense\n  - _self_\ndense1:\n  n_neurons: 3\n"
    for name in ("xa", "xb"):
        (mine / "layers" / f"{name}.yaml").write_text(text)
    tags = f"tags=shuffle({[*range(100, 120)]})".replace(" ", "")
    points = ("seeds.seed=shuffle(range(20))", "layers=glob(x*)", "data=book_sample", tags)
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


def test_what_a_sweep_brings_trusts_nobody(program: Program, warm: Warm) -> None:
    (program.folder / "evil.py").write_text("open('imported', 'w').close()\n")
    sweep, _ = _sweep(warm, program, "data=book_sample", "layers=one_dense", "seeds.seed=0,1")
    _killed(sweep, 0, 1)
    spec = read_spec(sweep)
    theirs = ["trust=[evil]", "+layers.x={_target_: evil.X}"]
    conf = program.folder / "conf"
    conf.mkdir()
    searchpath = f"hydra.searchpath=[file://{conf}]"
    for key, value, words in (
        ("task", theirs, "trust=[evil]: was said"),
        ("settled", theirs, "trust=[evil]: was said"),
        ("hydra", [searchpath], "hydra.searchpath"),
        ("config_path", str(conf), "--config-path"),
        ("config_dir", str(conf), "--config-dir"),
    ):
        forged = value if isinstance(value, str) else [*spec[key], *value]
        (sweep / ".sweep.json").write_text(spec_text({**spec, key: forged}))
        assert words in _refusal(warm, program, f"hydra.sweeper.resume={sweep}")
    assert not (program.folder / "imported").exists()
    (sweep / ".sweep.json").write_text(spec_text({**spec, "hydra": [*spec["hydra"], searchpath]}))
    _sweep(warm, program, searchpath, f"hydra.sweeper.resume={sweep}")


def test_a_sweep_of_an_earlier_program_is_taken_up(program: Program, warm: Warm) -> None:
    sweep, _ = _sweep(warm, program, "data=book_sample", "layers=one_dense", "seeds.seed=0,1")
    _killed(sweep, 1)
    spec = {**read_spec(sweep), "config_path": str(config_directory())}
    for key in ("folder", "points", "settled"):
        del spec[key]
    (sweep / ".sweep.json").write_text(spec_text(spec))
    _, told = _sweep(warm, program, f"hydra.sweeper.resume={sweep}")
    assert "1 before" in told


def test_a_directory_that_goes_away_is_one_line(program: Program, warm: Warm) -> None:
    (program.folder / "mine.py").write_text(
        "import shutil\n\n\nclass Gone:\n    def __init__(self, n_inputs):\n        pass\n\n"
        "    def forward(self, inputs):\n        shutil.rmtree('s')\n        return inputs\n"
    )
    layer = ("+layers.x={_target_: mine.Gone}", "trust=[mine]")
    given = ("data=book_sample", "seeds.seed=0,1", "hydra.sweep.dir=s", *layer)
    _, told = _sweep(warm, program, *given, code=3)
    assert told.splitlines()[-1].startswith("runner: cannot write ")
    assert "Traceback" not in told


@pytest.mark.parametrize("launcher", ["local", "basic"])
def test_a_job_that_somebody_is_at_is_left_alone(
    program: Program, warm: Warm, launcher: str
) -> None:
    """Also where Hydra has something to do around it."""
    given = ("data=book_sample", "layers=one_dense", "seeds.seed=0,1", "hydra.job.chdir=true")
    sweep, _ = _sweep(warm, program, *given)
    _killed(sweep)
    (sweep / "0" / "run.parquet").unlink()
    write_claim(sweep / "0", RUN)
    was = sorted((sweep / "0").rglob("*"))
    again = (f"hydra.sweeper.resume={sweep}", f"hydra/launcher={launcher}")
    _, told = _sweep(warm, program, *again, code=1)
    assert "job 0 is still running\n" in told
    assert sorted((sweep / "0").rglob("*")) == was
    # In another container nobody can tell.
    owner = json.loads((sweep / "0" / ".claim").read_text())
    (sweep / "0" / ".claim").write_text(json.dumps({**owner, "namespace": -1}))
    _, told = _sweep(warm, program, *again, code=1)
    assert "in a container; if it is not, delete its .claim\n" in told


def test_a_run_that_cannot_be_read_is_left_alone(program: Program, warm: Warm) -> None:
    sweep, _ = _sweep(warm, program, "data=book_sample", "layers=one_dense", "seeds.seed=0")
    [row] = sweep_rows(sweep)
    for name in ("layers.parquet", "run.parquet"):
        (sweep / "0" / name).write_bytes((sweep / "0" / name).read_bytes()[:-1])
        was = sorted((sweep / "0").rglob("*"))
        job = JobConfig(0, tuple(row["overrides"]), {}, {}, str(sweep / "0"), {}, by_hydra=False)
        composer: Any = SimpleNamespace(compose=lambda number, overrides, job=job: job)
        places = Places(composer, [job.overrides], 0, sweep)
        for told in (places.make_way(0), places.bury(0, "gone")):
            assert told is not None
            assert (told["status"], name in told["error"]) == ("FAILED", True)
        assert sorted((sweep / "0").rglob("*")) == was
