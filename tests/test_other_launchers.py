"""Hydra's joblib launcher, under our sweeper and under Hydra's own."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from runner.store.sweeps import sweep_rows
from runner.store.verify import verify
from tests.conftest import Program

# Not `joblib`, which comes with scikit-learn as well.
pytestmark = pytest.mark.skipif(
    find_spec("hydra_plugins.hydra_joblib_launcher") is None, reason="needs hydra-joblib-launcher"
)


def _sweep(program: Program, *arguments: str, code: int = 0) -> tuple[Path, str]:
    done = program.start("-m", "data.samples=20", *arguments, strict=False)
    assert done.returncode == code, done.stderr
    return Path(done.stdout.splitlines()[-1]), done.stderr


@pytest.mark.parametrize("sweeper", ["runner", "basic"])
def test_joblib(program: Program, sweeper: str) -> None:
    points = ("seeds.seed=0,1,2", "layers=one_dense,two_dense")
    ours, _ = _sweep(program, *points)
    theirs, _ = _sweep(
        program, *points, f"hydra/sweeper={sweeper}", "hydra/launcher=joblib",
        "hydra.launcher.n_jobs=2",
    )  # fmt: skip
    rows = sweep_rows(theirs)
    assert [row["status"] for row in rows] == ["FINISHED"] * 6
    assert [row["digest"] for row in rows] == [row["digest"] for row in sweep_rows(ours)]
    assert (theirs / "sweep.parquet").exists()
    assert verify(theirs) == []
    assert (program.folder / "outputs" / "latest").resolve() == theirs.resolve()
    for number in range(6):
        for name in ("config.yaml", "overrides.yaml"):
            texts = [(s / str(number) / ".hydra" / name).read_text() for s in (ours, theirs)]
            assert texts[0] == texts[1]


def test_a_job_that_fails_under_joblib(program: Program) -> None:
    sweep, told = _sweep(
        program, "seeds.seed=0,1", "batch_size=1,0", "hydra/launcher=joblib", code=1
    )
    assert [row["status"] for row in sweep_rows(sweep)] == ["FINISHED", "FAILED"] * 2
    assert "2 failed" in told
    assert "batch_size=0" in told
