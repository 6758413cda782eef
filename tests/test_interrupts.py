"""Ctrl-C, SIGTERM and kill -9: what the user sees, and what is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest

import runner
from runner.job.interrupts import held_back
from tests.conftest import ROOT, Program

SLOW = """
import time

class Slow:
    def forward(self, inputs):
        open('begun', 'w').close()
        time.sleep({seconds})
        return inputs

class Stubborn:
    def forward(self, inputs):
        open('begun', 'w').close()
        while True:
            try:
                time.sleep(60)
            except Exception:
                pass
"""

AT_STEP = """
import os, signal, sys
from runner.__main__ import main
from runner.store import commit

def step(name, sent=[]):
    if name.startswith({step!r}) and len(sent) < {signals}:
        sent.append(name)
        os.kill(os.getpid(), signal.SIGINT)

commit._step = step
sys.exit(main())
"""
"""The program, that gets signals at a step of its commit."""


@pytest.fixture
def slow(program: Program) -> Program:
    (program.folder / "slow.py").write_text(SLOW.format(seconds=60))
    return program


@contextmanager
def running(program: Program, *arguments: str, target: str = "slow.Slow") -> Iterator[Popen]:
    """A run that has come to its slow layer; nothing of it is left at the end."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "runner",
            f"+layers.s={{_target_: {target}}}",
            "trust=[slow]",
            *arguments,
        ],
        cwd=program.folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        until(lambda: (program.folder / "begun").exists() or process.poll() is not None)
        assert process.poll() is None, process.communicate()
        yield process
    finally:
        process.kill()
        process.communicate()


Popen = subprocess.Popen[str]


def until(holds: Callable[[], object]) -> None:
    for _ in range(3000):
        if holds():
            return
        time.sleep(0.01)
    raise AssertionError("it did not come to that within 30 s")


def only_run(program: Program) -> Path:
    [directory] = program.folder.glob("outputs/2*/*")
    return directory


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("more", [(), ("+hydra.job.env_set.A=b",)], ids=["usual", "by hydra"])
def test_interrupted(slow: Program, number: signal.Signals, more: tuple[str, ...]) -> None:
    with running(slow, *more) as process:
        sent = time.monotonic()
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
        assert time.monotonic() - sent < 2
    assert process.returncode == 128 + number
    assert (out, err) == (f"{only_run(slow)}\n", "runner: interrupted\n")
    run = runner.load(only_run(slow))
    assert run.metadata["status"] == "INTERRUPTED"
    assert run.metadata["error"] == f"interrupted by signal {int(number)}"
    assert not {".claim", ".staging"} & set(os.listdir(run.path))
    assert "Traceback" not in (run.path / "runner.log").read_text()
    assert slow.start("verify", "outputs").returncode == 0


def test_a_second_one_ends_it_at_once(slow: Program) -> None:
    with running(slow, target="slow.Stubborn") as process:
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=2)
        assert process.returncode in (130, -signal.SIGINT)


def test_a_layer_cannot_swallow_it(slow: Program) -> None:
    with running(slow, target="slow.Stubborn") as process:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=10)
        assert process.returncode == 143


def test_killed(slow: Program) -> None:
    with running(slow) as process:
        assert "RUNNING" in slow.start("ls").stdout
        refused = slow.start("rm", "--yes", str(only_run(slow)))
        assert (refused.returncode, "still running" in refused.stderr) == (2, True)
        kept = slow.start("ls", "--clean")
        assert "RUNNING" in kept.stdout
        process.kill()
        process.communicate()
    assert "DEAD" in slow.start("ls").stdout
    assert slow.start("show", str(only_run(slow))).returncode == 2
    swept = slow.start("ls", "--clean")
    assert (swept.returncode, swept.stdout) == (0, "")
    assert "swept up 1 dead run" in swept.stderr
    assert list(slow.folder.glob("outputs/2*/*")) == []


def at_step(program: Program, step: str, signals: int = 1) -> subprocess.CompletedProcess[str]:
    code = AT_STEP.format(step=step, signals=signals)
    return program.execute(code, "layers=one_dense")


@pytest.mark.parametrize("step", ["place layers", "place SHA256SUMS", "finish", "unclaim", "done"])
def test_during_the_commit_it_waits(program: Program, step: str) -> None:
    done = at_step(program, step)
    assert (done.returncode, done.stderr) == (130, "runner: interrupted\n")
    assert done.stdout == f"{only_run(program)}\n"
    run = runner.load(only_run(program))
    assert run.metadata["status"] == "FINISHED"
    assert not {".claim", ".staging"} & set(os.listdir(run.path))
    assert program.start("verify", "outputs").returncode == 0


@pytest.mark.parametrize("step", ["run", "sums", "sync layers"])
def test_before_anything_is_placed_it_does_not(program: Program, step: str) -> None:
    assert at_step(program, step).returncode == 130
    run = runner.load(only_run(program))
    assert run.metadata["status"] == "INTERRUPTED"
    assert program.start("verify", "outputs").returncode == 0


def test_a_second_one_during_the_commit_leaves_no_run(program: Program) -> None:
    assert at_step(program, "place", signals=2).returncode == -signal.SIGINT
    assert not (only_run(program) / "run.parquet").exists()
    assert "DEAD" in program.start("ls").stdout


def test_held_back() -> None:
    seen: list[int] = []

    def handler(number: int, frame: FrameType | None) -> None:
        seen.append(number)

    before = signal.signal(signal.SIGTERM, handler)
    try:
        with held_back():
            os.kill(os.getpid(), signal.SIGTERM)
            assert seen == []
        assert seen == [signal.SIGTERM]
        assert signal.getsignal(signal.SIGTERM) is handler
    finally:
        signal.signal(signal.SIGTERM, before)
