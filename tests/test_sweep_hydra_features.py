"""What Hydra does around a job, in our own workers: as often, and with the same files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import runner
from runner.store.sweeps import sweep_rows
from runner.store.verify import verify
from tests.conftest import Program
from tests.warm import Warm

CALLS = """
import json
import os
import sys

from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback


class Calls(Callback):
    def __init__(self, path):
        self.path = path

    def _note(self, what, **facts):
        with open(self.path, "a") as file:
            file.write(json.dumps({"what": what, "pid": os.getpid(), **facts}) + "\\n")

    def on_multirun_start(self, config, **kwargs):
        self._note("multirun start")

    def on_job_start(self, config, *, task_function, **kwargs):
        self._note("start", number=HydraConfig.get().job.num, here=os.getcwd())

    def on_job_end(self, config, job_return, **kwargs):
        status = job_return.status.name
        value = job_return.return_value if status == "COMPLETED" else None
        self._note("end", number=config.hydra.job.num, status=status, value=value)

    def on_multirun_end(self, config, **kwargs):
        self._note("multirun end")


class Curious:
    def __init__(self, n_inputs, n_neurons, seed):
        self.seed = seed

    def forward(self, inputs):
        import logging
        logging.getLogger("mine").info("a word of mine")
        logging.getLogger("mine").debug("whispered")
        if os.environ.get("MARK") == "fail" or self.seed == -1:
            raise ZeroDivisionError("as asked")
        with open("seen.txt", "a") as file:
            file.write(os.environ.get("MARK", "no mark"))
        with open("path.txt", "w") as file:
            file.write("\\n".join(sys.path))
        self.output = inputs
"""
LAYER = "+layers.last={_target_:mine.Curious,n_neurons:3,seed:${seeds.seed}}"


@pytest.fixture
def calls(program: Program) -> Program:
    """The program, with a callback and a layer of the reader's."""
    (program.folder / "mine.py").write_text(CALLS)
    return program


def _sweep(program: Program, *arguments: str, code: int = 0) -> Path:
    done = program.start("-m", "data.samples=20", *arguments)
    assert done.returncode == code, done.stderr
    return Path(done.stdout.splitlines()[-1])


def _statuses(sweep: Path) -> list[str]:
    return [row["status"] for row in sweep_rows(sweep)]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_callback_is_called_once_a_job(calls: Program, workers: int) -> None:
    points = ("seeds.seed=0,1,-1", LAYER, "trust=[mine]", "objective=dense2.std")
    path = calls.folder / "calls"
    plain = _sweep(calls, *points, code=1)
    watched = _sweep(
        calls, *points, f"hydra.launcher.n_jobs={workers}",
        f"+hydra.callbacks.mine={{_target_:mine.Calls,path:'{path}'}}", code=1,
    )  # fmt: skip
    noted = [json.loads(line) for line in path.read_text().splitlines()]
    assert [n["what"] for n in (noted[0], noted[-1])] == ["multirun start", "multirun end"]
    starts = [n for n in noted if n["what"] == "start"]
    ends = {n["number"]: n for n in noted if n["what"] == "end"}
    assert sorted(n["number"] for n in starts) == [0, 1, 2]
    assert len(noted) == 2 + 3 + 3
    assert [ends[n]["status"] for n in range(3)] == ["COMPLETED", "COMPLETED", "FAILED"]
    in_parent = {n["pid"] for n in starts} == {noted[0]["pid"]}
    assert in_parent == (workers == 1)
    assert _statuses(watched) == _statuses(plain) == ["FINISHED", "FINISHED", "FAILED"]
    for one, other in zip(sweep_rows(plain), sweep_rows(watched), strict=True):
        assert one.keys() == other.keys()
        assert (one["digest"], one["error"]) == (other["digest"], other["error"])
        if one["status"] == "FINISHED":
            assert ends[one["number"]]["value"] == other["layers.dense2.std"]
    assert verify(watched) == []
    for number in range(3):
        assert {p.name for p in (plain / str(number)).rglob("*")} == {
            p.name for p in (watched / str(number)).rglob("*")
        }


def test_variables_and_the_folder_of_the_job(calls: Program) -> None:
    sweep = _sweep(
        calls, "seeds.seed=0,1,2", LAYER, "trust=[mine]", "hydra.job.chdir=true",
        "+hydra.job.env_set.MARK='job ${hydra.job.num}'", "hydra.launcher.n_jobs=2",
    )  # fmt: skip
    for number in range(3):
        assert (sweep / str(number) / "seen.txt").read_text() == f"job {number}"
        # Modules are looked for where the reader stands, not where Hydra does.
        assert str(sweep) not in (sweep / str(number) / "path.txt").read_text()
    assert not (calls.folder / "seen.txt").exists()
    assert _statuses(sweep) == ["FINISHED"] * 3
    assert verify(sweep) == []


@pytest.mark.parametrize("mode", [(), ("-m", "seeds.seed=0,1")])
@pytest.mark.parametrize("lookup", ["hydra:runtime.output_dir", "hydra.runtime.output_dir"])
def test_a_log_is_named_by_a_lookup(
    calls: Program, warm: Warm, mode: tuple[str, ...], lookup: str
) -> None:
    name = f"hydra.job_logging.handlers.file.filename=${{{lookup}}}/other.log"
    done = warm([*mode, name], calls.folder)
    assert done.code == 0, done.stderr
    directory = Path(done.stdout.splitlines()[-1])
    assert "layer 0 dense1" in (directory / ("1" if mode else "") / "other.log").read_text()


@pytest.mark.parametrize("others", [(), ("hydra/launcher=basic", "hydra/sweeper=basic")])
def test_a_table_is_where_one_stands(calls: Program, warm: Warm, others: tuple[str, ...]) -> None:
    (calls.folder / "t.csv").write_text("x,y\n1,2\n3,4\n")
    table = ("data=table", "data.path=t.csv", "hydra.job.chdir=true")
    done = warm(["-m", *table, "seeds.seed=0,1", *others], calls.folder)
    assert done.code == 0, done.stderr
    assert _statuses(Path(done.stdout.splitlines()[-1])) == ["FINISHED"] * 2


@pytest.mark.parametrize(
    ("override", "name", "words"),
    [
        ("hydra.verbose=true", "runner.log", ("a word of mine", "whispered")),
        ("hydra.job.name=other", "other.log", ("a word of mine", "layer 0 dense1")),
        (
            "hydra.job_logging.formatters.simple.format='MINE %(message)s'",
            "runner.log",
            ("MINE a word of mine", "MINE run "),
        ),
        ("hydra/job_logging=none", None, ()),
    ],
)
def test_logging_of_the_users_own(
    calls: Program, override: str, name: str | None, words: tuple[str, ...]
) -> None:
    sweep = _sweep(calls, "seeds.seed=0,1", LAYER, "trust=[mine]", override)
    assert _statuses(sweep) == ["FINISHED"] * 2
    for number in range(2):
        logs = list((sweep / str(number)).glob("*.log"))
        assert [log.name for log in logs] == ([name] if name else [])
        for log in logs:
            text = log.read_text()
            assert all(word in text for word in words), text
            assert text.count("a word of mine") == 1
    assert verify(sweep) == []


def test_the_same_files_as_hydras_launcher(calls: Program) -> None:
    points = (
        "seeds.seed=0,1", "layers=one_dense,two_dense", "hydra.output_subdir=records",
        "+hydra.job.env_set.MARK=${hydra.job.num}",
    )  # fmt: skip
    ours = _sweep(calls, *points)
    theirs = _sweep(calls, *points, "hydra/launcher=basic", "hydra.launcher={}")
    assert [r["digest"] for r in sweep_rows(ours)] == [r["digest"] for r in sweep_rows(theirs)]
    for number in range(4):
        names = [{p.name for p in (s / str(number)).rglob("*")} for s in (ours, theirs)]
        assert names[0] == names[1]
        for name in ("config.yaml", "overrides.yaml"):
            texts = [(s / str(number) / "records" / name).read_text() for s in (ours, theirs)]
            assert texts[0] == texts[1]
        assert runner.load(ours / str(number)).status == "FINISHED"


def test_what_hydra_cannot_set_up_is_recorded(calls: Program) -> None:
    sweep = _sweep(calls, "seeds.seed=0,1", "hydra.job_logging.root.level=LOUD", code=1)
    for row in sweep_rows(sweep):
        assert row["status"] == "FAILED"
        assert "LOUD" in runner.load(sweep / row["directory"]).metadata["error"] or row["error"]
    assert verify(sweep) == []
