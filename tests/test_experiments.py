"""Every experiment in conf/ runs, by the command in its first comment."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import pytest

import runner
from runner.store import Run
from tests.conftest import ROOT, Program

EXPERIMENTS = sorted((ROOT / "conf" / "experiment").glob("*.yaml"))


def command(experiment: Path) -> list[str]:
    """The arguments of the command in the first comment; the line before it is Hydra's."""
    package, first, *_ = experiment.read_text().splitlines()
    assert package == "# @package _global_"
    hash_, python, *arguments = shlex.split(first, comments=False)
    assert [hash_, python, *arguments[:2]] == ["#", "python", "-m", "runner"]
    return arguments[2:]


def run(program: Program, name: str) -> Run:
    [experiment] = [path for path in EXPERIMENTS if path.stem == name]
    return runner.load(program.run(*command(experiment)))


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda path: path.stem)
def test_its_command_works(program: Program, experiment: Path) -> None:
    arguments = command(experiment)
    assert f"experiment={experiment.stem}" in arguments
    if arguments[0] == "-m":
        # A study: its page sweeps with the same command, and test_docs plays it. Here, one job.
        page = (ROOT / "docs" / "studies" / f"{experiment.stem}.md").read_text()
        assert experiment.read_text().splitlines()[1].removeprefix("# ") in page
        arguments = [f"experiment={experiment.stem}"]
    loaded = runner.load(program.run(*arguments))
    assert loaded.metadata["status"] == "FINISHED"
    assert loaded.metadata["name"] == experiment.stem
    assert f"experiment={experiment.stem}" in loaded.metadata["overrides"]


def test_chapter_3(program: Program) -> None:
    last = run(program, "book_chapter_3").layers["dense2"].outputs
    np.testing.assert_allclose(last[0], [0.5031, -1.04185, -2.03875], atol=2e-6)


def test_chapter_4(program: Program) -> None:
    loaded = run(program, "book_chapter_4")
    np.testing.assert_allclose(loaded.layers["activation2"].outputs, 1 / 3, atol=2e-4)
    assert loaded.metadata["metrics.loss"] == pytest.approx(1.0986, abs=1e-4)


def test_deep_tanh(program: Program) -> None:
    loaded = run(program, "deep_tanh")
    assert len(loaded.layers) == 40
    weak = runner.load(program.run("experiment=deep_tanh", "layers.mlp.gain=0.5"))
    spreads = [r.layers["mlp_tanh20"].statistics["std"] for r in (weak, loaded)]
    assert spreads[0] < 1e-4 < 0.5 < spreads[1]


def test_what_is_typed_wins(program: Program) -> None:
    loaded = runner.load(program.run("experiment=book_chapter_4", "name=mine", "data.samples=4"))
    assert loaded.metadata["name"] == "mine"
    assert len(loaded.inputs) == 12
