"""What a sweep is asked for: points, options, and who heeds them."""

from __future__ import annotations

import re
import sys
import threading
from pathlib import Path

import pytest

from runner.app.summary import Summary
from runner.store.sweeps import sweep_rows
from tests.conftest import Program
from tests.test_tables import seen
from tests.warm import Done, Warm

SMALL = ("data=book_sample", "layers=one_dense")


def _start(warm: Warm, program: Program, *arguments: str, code: int = 0) -> Done:
    done = warm(["-m", *arguments], program.folder)
    assert done.code == code, done.stderr
    return done


def _sweep(warm: Warm, program: Program, *arguments: str) -> Path:
    return Path(_start(warm, program, *arguments).stdout.splitlines()[-1])


REFUSED = [
    (("seeds.seed=range(0,nan)",), "nan is no number"),
    (("seeds.seed=range(0,3,nan)",), "nan is no number"),
    (("layers.dense1.weight_scale=1,2,1.0",), "1 and 1.0 mean the same: a doubled"),
    (("layers=one_dense,'one_dense'",), "one_dense and 'one_dense' mean the same"),
    (("seeds.seed=1,'1'", "data.samples=3,4"), "1 and '1' mean the same"),
    (
        ("seeds.seed=0,0,1", "data.samples=3,3,4", "hydra.sweeper.zip=[seeds.seed,data.samples]"),
        "seeds.seed,data.samples=0,0,1: 0,3 comes 2 times",
    ),
    (("seeds.seed=0,1", "hydra.sweeper.zip=[seeds.seed,seeds.seed]"), "seeds.seed comes 2 times"),
    (("seeds.seed=0,1", "hydra.sweeper.zip=[[seeds.seed],[]]"), "needs keys"),
    (("+hydra.sweeper.resum=x", "seeds.seed=0,1"), "hydra.sweeper.resum=…: did you mean resume"),
    (("+hydra.launcher.jobs=2", "seeds.seed=0,1"), "hydra.launcher.jobs=…: did you mean n_jobs"),
    (("+hydra.launcher.x=2", "seeds.seed=0,1", "hydra/launcher=basic"), "keyword argument 'x'"),
    (("+hydra.sweeper.x=2", "seeds.seed=0,1", "hydra/sweeper=basic"), "keyword argument 'x'"),
]


def test_refused_in_one_line(program: Program, warm: Warm) -> None:
    for arguments, words in REFUSED:
        done = _start(warm, program, *arguments, code=2)
        [line] = done.stderr.splitlines()
        assert words in line, arguments
        assert len(line) <= 200
    done = warm(["hydra.sweeper.resume=latest"], program.folder)
    assert (done.code, "add -m" in done.stderr) == (2, True)
    assert program.outputs == []


def test_in_step_a_value_may_come_again(program: Program, warm: Warm) -> None:
    zipped = ("seeds.seed=0,0,1", "batch_size=3,4,4", "hydra.sweeper.zip=[seeds.seed,batch_size]")
    rows = sweep_rows(_sweep(warm, program, *SMALL, *zipped))
    points = [(row["params.seeds.seed"], row["params.batch_size"]) for row in rows]
    assert points == [(0, 3), (0, 4), (1, 4)]
    # Of a key that takes anything, these are two values.
    (program.folder / "mine.py").write_text(
        "class Mine:\n    def __init__(self, n_inputs, a):\n        self.a = a\n\n"
        "    def forward(self, inputs):\n        return inputs\n"
    )
    layer = ("+layers.x={_target_: mine.Mine}", "trust=[mine]", "+layers.x.a=1,1.0,'1'")
    assert len(sweep_rows(_sweep(warm, program, *SMALL, *layer))) == 3


@pytest.mark.parametrize("name", ["launcher", "sweeper"])
@pytest.mark.parametrize("choice", ["experiment=e", "+other=e"])
def test_an_experiment_chooses_too_late(
    program: Program, warm: Warm, choice: str, name: str
) -> None:
    folder = program.folder / "mine" / choice.strip("+").partition("=")[0]
    folder.mkdir(parents=True)
    text = f"# @package _global_\ndefaults:\n  - override /hydra/{name}: basic\n"
    (folder / "e.yaml").write_text(text)
    given = ("-cd", "mine", *SMALL, choice, "seeds.seed=0,1")
    done = _start(warm, program, *given, code=2)
    assert f"choose hydra/{name} and hydra.{name} on the command line" in done.stderr
    assert not (program.folder / "outputs").exists()


def test_points_in_a_configuration(program: Program, warm: Warm) -> None:
    (program.folder / "mine").mkdir()
    (program.folder / "mine" / "more.yaml").write_text(
        "defaults: [config, _self_]\n"
        "hydra: {sweeper: {params: {seeds.seed: '0,1', data.samples: 'range(3,6)'}}}\n"
    )
    given = ("-cd", "mine", "-cn", "more", "layers=one_dense", "seeds.seed=7")
    rows = sweep_rows(sweep := _sweep(warm, program, *given))
    points = [(row["params.seeds.seed"], row["params.data.samples"]) for row in rows]
    assert points == [(7, 3), (7, 4), (7, 5)]
    for again in (given, given[:4]):
        done = _start(warm, program, *again, f"hydra.sweeper.resume={sweep}")
        assert "3 before" in done.stderr


def test_failures_are_told_under_hydras_sweeper(program: Program, warm: Warm) -> None:
    points = ("layers=one_dense", "data.samples=3,0", "hydra/sweeper=basic")
    done = _start(warm, program, *points, code=1)
    assert "1 of 2 jobs failed:" in done.stderr
    assert "1  data.samples=0  data.samples=0: needs a whole number from 1" in done.stderr


def test_a_deleted_key_is_stored_as_hydra_does(program: Program, warm: Warm) -> None:
    texts = []
    for sweeper in ("runner", "basic"):
        points = (
            "data=book_sample",
            "~layers.dense2",
            "seeds.seed=0,1",
            f"hydra/sweeper={sweeper}",
        )
        sweep = _sweep(warm, program, *points)
        texts.append((sweep / "1" / ".hydra" / "overrides.yaml").read_text())
    assert texts[0] == texts[1]


def test_a_job_that_goes_elsewhere_takes_no_other_along(program: Program, warm: Warm) -> None:
    (program.folder / "table.csv").write_text("a,b\n1,2\n")
    (program.folder / "mine.py").write_text(
        "import os\n\n\nclass Mine:\n    def forward(self, inputs):\n"
        "        os.chdir('/')\n        return inputs\n"
    )
    given = ("+layers.x={_target_: mine.Mine}", "trust=[mine]", "data=table", "data.path=table.csv")
    for workers in (1, 2):
        points = ("seeds.seed=range(4)", f"hydra.launcher.n_jobs={workers}")
        assert len(sweep_rows(_sweep(warm, program, *given, "layers=one_dense", *points))) == 4


def test_the_bar_is_there_before_a_job_has_ended(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    threads = threading.active_count()
    with Summary(7, 2):
        assert "0 done, 0 failed, 5 left" in capsys.readouterr().err
        # Workers are forked now.
        assert threading.active_count() == threads


def test_what_workers_print_goes_above_the_one_bar(program: Program) -> None:
    """Theirs would tell for ever of no job that is done, which the parent's alone counts."""
    (program.folder / "mine.py").write_text(
        "import time\n\n\nclass Mine:\n    def forward(self, inputs):\n"
        "        print('one', 'line', flush=True)\n        time.sleep(0.3)\n        return inputs\n"
    )
    text = seen(
        program, 100, "-m", "seeds.seed=range(8)", "data=book_sample", "hydra.launcher.n_jobs=2",
        "+layers.x={_target_: mine.Mine}", "trust=[mine]",
    )  # fmt: skip
    assert text.count("\x1b[2Kone line\n") == 8
    counted = [int(done) for done in re.findall(r"(\d+) done, 0 failed", text)]
    assert counted == sorted(counted)
    assert counted[-1] > 0
