"""Inside each sweep, some jobs are composed by Hydra as well, and a difference changes all."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.store.sweeps import sweep_rows
from tests.conftest import Program

FORGETFUL = """
import sys
from runner.__main__ import main
from runner.sweep.compose.shape import Shape

leaf = Shape._leaf
first = {}

def forgetful(self, line):
    return first.setdefault((id(self), line.key), leaf(self, line))

if sys.argv[1] == "broken":
    Shape._leaf = forgetful
if sys.argv[1] == "unchecked":
    Shape._leaf = forgetful
    from runner.sweep.compose import Composer
    Composer.equals_hydras = lambda *job: True
sys.exit(main(["-m", *sys.argv[2:]]))
"""
"""The program, whose quick composition takes the first job's values for all of them."""


def _sweep(program: Program, how: str, *arguments: str) -> tuple[list[int], str]:
    done = program.execute(FORGETFUL, how, *arguments)
    assert done.returncode == 0, done.stderr
    rows = sweep_rows(Path(done.stdout.splitlines()[-1]))
    return [row["params.seeds.seed"] for row in rows], done.stderr


POINTS = ("layers=one_dense,two_dense", "seeds.seed=range(6)", "hydra.launcher.n_jobs=2")


def test_a_difference_leaves_the_sweep_to_hydra(program: Program) -> None:
    seeds, told = _sweep(program, "broken", *POINTS)
    assert seeds == list(range(6)) * 2
    [note] = [line for line in told.splitlines() if line.startswith("note: ")]
    assert "Hydra composes job" in note
    assert len(note) <= 200


def test_it_is_what_finds_it(program: Program) -> None:
    seeds, told = _sweep(program, "unchecked", *POINTS)
    assert seeds != list(range(6)) * 2
    assert "note" not in told


def test_where_all_is_well_nothing_is_said(program: Program) -> None:
    seeds, told = _sweep(program, "whole", *POINTS)
    assert seeds == list(range(6)) * 2
    assert "note" not in told


@pytest.mark.parametrize("launcher", ["local", "dask"])
def test_so_does_every_way_to_our_workers(program: Program, launcher: str) -> None:
    if launcher == "dask":
        pytest.importorskip("distributed")
    arguments = ("hydra/sweeper=basic", f"hydra/launcher={launcher}", "seeds.seed=0,1,2")
    seeds, told = _sweep(program, "broken", *arguments)
    assert seeds == [0, 1, 2]
    assert "Hydra composes job" in told
