"""How a call ends: where its output can't go, when a signal comes, where it can't be."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from runner import cli, console
from runner.errors import AccessError
from tests.conftest import ROOT, Program

AT_IMPORT = """
import builtins, os, signal, sys
imports = builtins.__import__

def sending(name, *more, **named):
    if name == {module!r}:
        builtins.__import__ = imports
        os.kill(os.getpid(), {number})
    return imports(name, *more, **named)

builtins.__import__ = sending
from runner.__main__ import main
sys.exit(main(["ls"]))
"""
"""The program, that gets a signal when it imports a module."""


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """A run in a folder whose name is not ASCII, and a device that is always full."""
    program = Program(tmp_path_factory.mktemp("ending") / "é")
    program.folder.mkdir()
    program.run("data.samples=5", "name=a")
    return program


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("devices") / "full"
    try:
        os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 7))
        open(path, "wb", buffering=0).close()
    except PermissionError:
        pytest.skip("no devices may be made, or opened, here")
    return path


def shell(stored: Program, call: str, **env: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["bash", "-c", call.replace("runner", f"{sys.executable} -W error -m runner", 1)],
        cwd=stored.folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )


CALLS = ("--help", "ls --help", "ls", "ls --csv", "show a", "--info", "-sc install=bash")


@pytest.mark.parametrize("call", [*CALLS, "data.samples=4"])
@pytest.mark.parametrize("buffered", ["", "1"])
def test_a_full_disk(stored: Program, full: Path, call: str, buffered: str) -> None:
    done = shell(stored, f"runner {call} >{full}", PYTHONUNBUFFERED=buffered)
    assert done.returncode == 3
    lines = done.stderr.decode().splitlines()
    assert lines[-1] == "runner: standard output: No space left on device"
    assert len(lines) == 1 or "=" in call
    if call in ("ls", "data.samples=4"):
        # Nobody is told, and all the rest is as it was.
        quiet = shell(stored, f"runner {call} 2>{full}", PYTHONUNBUFFERED=buffered)
        assert (quiet.returncode, quiet.stdout.count(b"outputs/")) == (
            0,
            quiet.stdout.count(b"\n") - (call == "ls"),
        )


@pytest.mark.parametrize("call", [*CALLS, "-m data.samples=4,6"])
def test_closed_streams_and_readers_who_leave(stored: Program, call: str) -> None:
    before = len(list(stored.folder.glob("outputs/**/run.parquet")))
    for how in (">&- 2>&- <&-", "| true; exit ${PIPESTATUS[0]}"):
        done = shell(stored, f"runner {call} {how}")
        assert done.returncode == 0, done
        assert b"Traceback" not in done.stderr
        assert b"=" in call.encode() or done.stderr == b""
    if "-m" in call:
        assert len(list(stored.folder.glob("outputs/**/run.parquet"))) == before + 4
        assert shell(stored, "runner verify outputs").returncode == 0


def test_an_exit_code_does_not_hang_on_who_reads(stored: Program) -> None:
    stored.run("data.samples=6", "name=b")
    assert shell(stored, "runner compare a b | true; exit ${PIPESTATUS[0]}").returncode == 1


def test_ascii(stored: Program) -> None:
    """What stdout has no character for is spelt out; JSON stays JSON."""
    for call in ("ls", "ls --csv", "show a", "verify outputs", "show a --json", "data.samples=3"):
        done = shell(stored, f"runner {call}", PYTHONIOENCODING="ascii", LC_ALL="C.UTF-8")
        assert done.returncode == 0, done.stderr
        if "--json" in call:
            assert "é" in json.loads(done.stdout)["path"]
    assert done.stdout.decode().strip().startswith(str(stored.folder))  # a path, to the byte
    odd = shell(stored, r"runner ls --where $'name = \'\xff\''")
    assert (odd.returncode, odd.stderr.count(b"\n")) == (2, 1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    "module", ["runner.errors", "argparse", "runner.store", "runner.store.index.query"]
)
def test_a_signal_while_it_loads(stored: Program, number: int, module: str) -> None:
    code = AT_IMPORT.format(module=module, number=int(number))
    done = stored.execute(code)
    assert done.returncode == 128 + number, done
    assert (done.stdout, done.stderr) in (("", ""), ("", "runner: interrupted\n"))


def test_a_folder_that_is_gone(tmp_path: Path) -> None:
    code = f"import os; os.mkdir('gone'); os.chdir('gone'); os.rmdir({str(tmp_path / 'gone')!r}); "
    code += "from runner.__main__ import main; print([main(c.split()) for c in {}])"
    calls = ["ls", "show a", "reproduce a", "data.samples=5", "-m data.samples=5,6", "--cfg job"]
    done = subprocess.run(
        [sys.executable, "-c", code.format(calls)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == f"{[2] * len(calls)}\n"
    lines = done.stderr.splitlines()
    assert len(lines) == len(calls)
    assert {line.partition("(")[0] for line in lines} == {"runner: the current folder is gone "}


def test_a_failure_is_told_once(monkeypatch: pytest.MonkeyPatch, full: Path) -> None:
    with open(full, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        with pytest.raises(AccessError, match="standard output"):
            console.give("x")
        console.give("x")  # leads nowhere from now on
        assert cli.main(["nothing"]) == 2
