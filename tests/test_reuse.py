"""Finished runs that a sweep takes over: only what is whole, and of the same code."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.store.sweeps import sweep_rows
from tests.conftest import Program
from tests.warm import Warm

SMALL = ("data=book_sample", "layers=one_dense", "hydra.sweeper.skip_existing=true")


def _sweep(warm: Warm, program: Program, *arguments: str) -> tuple[Path, list[bool]]:
    done = warm(["-m", *SMALL, *arguments], program.folder)
    assert done.code == 0, done.stderr
    sweep = Path(done.stdout.splitlines()[-1])
    return sweep, [row["reused"] for row in sweep_rows(sweep)]


def test_a_changed_base_class_is_done_again(program: Program, warm: Warm) -> None:
    base = "class Base:\n    def forward(self, inputs):\n        self.output = inputs * 2.0\n"
    (program.folder / "below.py").write_text(base)
    (program.folder / "mine.py").write_text(
        "from below import Base\n\n\nclass Mine(Base):\n    pass\n"
    )
    points = ("+layers.mine={_target_: mine.Mine}", "trust=[mine]", "seeds.seed=0,1")
    assert [_sweep(warm, program, *points)[1] for _ in range(2)] == [[False] * 2, [True] * 2]
    (program.folder / "below.py").write_text(base.replace("2.0", "3.0"))
    assert _sweep(warm, program, *points)[1] == [False, False]


@pytest.mark.parametrize(
    "name", ["layers/00-dense1.parquet", "inputs.parquet", "parameters.parquet", "runner.log"]
)
def test_a_run_that_is_not_whole_is_done_again(program: Program, warm: Warm, name: str) -> None:
    first, _ = _sweep(warm, program, "seeds.seed=0,1")
    (first / "0" / name).unlink()
    short = first / "1" / name
    data = short.read_bytes()
    short.unlink()
    short.write_bytes(data[:-1])
    _, reused = _sweep(warm, program, "seeds.seed=0,1")
    assert reused == [False, name == "runner.log"]


def test_the_row_is_of_the_job(program: Program, warm: Warm) -> None:
    first, _ = _sweep(warm, program, "seeds.seed=0,1", "name=first", "tags=[a]", "batch_size=5")
    second, reused = _sweep(warm, program, "name=second", "tags=[b,c]", "seeds.seed=1,0")
    assert reused == [True, True]
    [row, _] = sweep_rows(second)
    assert (row["name"], row["tags"], row["params.batch_size"]) == ("second", ["b", "c"], 65536)
    assert row["overrides"][-3:] == ["name=second", "tags=[b,c]", "seeds.seed=1"]
    assert row["run_id"] == sweep_rows(first)[1]["run_id"]
    # And so they are known when it is taken up again.
    done = warm(["-m", f"hydra.sweeper.resume={second}"], program.folder)
    assert "2 before" in done.stderr
