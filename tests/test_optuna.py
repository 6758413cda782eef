"""Hydra's Optuna sweeper on our launchers, through the objective that a run gives back."""

from __future__ import annotations

import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from runner.store.sweeps import sweep_rows
from runner.store.verify import verify
from tests.conftest import Program

needs_optuna = pytest.mark.skipif(find_spec("optuna") is None, reason="needs the extra optuna")
OPTUNA = (
    "hydra/sweeper=optuna", "hydra.sweeper.sampler.seed=1", "hydra.sweeper.n_jobs=2",
    "data.samples=20", "layers.dense1.weight_scale=interval(0.01,1)",
)  # fmt: skip


def _start(program: Program, *arguments: str) -> subprocess.CompletedProcess[str]:
    """As ``Program.start``, but for the warnings: optuna 2.10 calls what SQLAlchemy deprecates."""
    return program.start("-m", *OPTUNA, *arguments, strict=False)


@needs_optuna
@pytest.mark.parametrize("launcher", ["local", "basic"])
def test_the_best_point_is_found(program: Program, launcher: str) -> None:
    trials = ("hydra.sweeper.n_trials=6", "objective=dense2.std", f"hydra/launcher={launcher}")
    done = _start(program, *trials)
    assert done.returncode == 0, done.stderr
    sweep = Path(done.stdout.splitlines()[-1])
    assert (program.folder / "outputs" / "latest").resolve() == sweep.resolve()
    rows = sweep_rows(sweep)
    assert [row["number"] for row in rows] == list(range(6))
    assert [row["status"] for row in rows] == ["FINISHED"] * 6
    assert (sweep / "sweep.parquet").exists()
    assert verify(sweep) == []
    best = min(rows, key=lambda row: float(row["layers.dense2.std"]))
    told = yaml.safe_load((sweep / "optimization_results.yaml").read_text())
    assert told["best_value"] == best["layers.dense2.std"]
    assert told["best_params"] == {
        "layers.dense1.weight_scale": best["params.layers.dense1.weight_scale"]
    }
    assert "layer 0" not in done.stderr  # what a job logs goes to its own log


@needs_optuna
def test_a_metric_is_an_objective(program: Program) -> None:
    done = _start(
        program, "hydra.sweeper.n_trials=2", "layers=book_chapter_4", "objective=accuracy",
        "hydra.sweeper.direction=maximize",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    sweep = Path(done.stdout.splitlines()[-1])
    told = yaml.safe_load((sweep / "optimization_results.yaml").read_text())
    assert told["best_value"] == max(row["metrics.accuracy"] for row in sweep_rows(sweep))


@needs_optuna
def test_a_trial_that_fails(program: Program) -> None:
    done = _start(program, "hydra.sweeper.n_trials=4", "batch_size=0", "objective=dense2.std")
    assert done.returncode == 1, done.stderr
    sweep = Path(done.stdout.splitlines()[-1])
    assert [row["status"] for row in sweep_rows(sweep)] == ["FAILED"] * 2
    assert "batch_size=0" in done.stderr
    assert "Traceback" not in done.stderr


@needs_optuna
@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), 2, ("objective=null", "dense2.std")),
        (("objective=dense9.std",), 1, ("dense9.std", "dense1")),  # known once a job has run
    ],
)
def test_without_an_objective_that_is_there(
    program: Program, arguments: tuple[str, ...], code: int, words: tuple[str, ...]
) -> None:
    done = _start(program, "hydra.sweeper.n_trials=2", *arguments)
    assert done.returncode == code
    told = [line for line in done.stderr.splitlines() if all(word in line for word in words)]
    assert told, done.stderr
    assert (program.outputs == []) == (arguments == ())


@pytest.mark.skipif(find_spec("optuna") is not None, reason="it is installed")
def test_without_the_library(program: Program) -> None:
    done = _start(program, "objective=dense2.std")
    assert done.returncode == 2
    assert done.stderr == (
        "runner: hydra/sweeper=optuna needs hydra-optuna-sweeper: pip install 'runner[optuna]'\n"
    )
