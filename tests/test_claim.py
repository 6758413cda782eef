"""Claims of directories, by real processes at once."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from runner.errors import ConfigError, WriteError
from runner.store.claim import adopt, claim
from runner.store.claim.owner import claimed_at, is_alive, read_claim
from runner.store.claim.sweep import claim_sweep

ROOT = Path(__file__).resolve().parent.parent
AT_ONCE = 32
CLAIMANT = """
import sys
from pathlib import Path
from runner.errors import RunnerError
from runner.store.claim import claim

def say(line):
    print(line, flush=True)

how, directory = sys.argv[1:]
say("ready")
sys.stdin.readline()
try:
    say(claim(Path(directory), stamped=how == "stamped").directory)
except RunnerError:
    say("refused")
sys.stdin.read()  # lives on until everybody has tried: nobody's claim is dead meanwhile
"""


def _start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CLAIMANT, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _race(directory: Path, how: str, processes: int) -> list[str]:
    """What each of the processes got, all of them let go at the same moment."""
    started = [_start(how, str(directory)) for _ in range(processes)]
    for process in started:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    return [process.communicate(timeout=60)[0].strip() for process in started]


def test_processes_that_claim_one_timestamp_get_a_directory_each(tmp_path: Path) -> None:
    directory = tmp_path / "outputs" / "2026-11-23" / "22-48-01-123456"
    got = _race(directory, "stamped", AT_ONCE)
    names = ["22-48-01-123456", *(f"22-48-01-123456-{i}" for i in range(1, AT_ONCE))]
    assert sorted(got) == sorted(str(directory.parent / name) for name in names)
    assert {path.name for path in directory.parent.iterdir()} == set(names)


@pytest.mark.parametrize("there", [True, False])
def test_of_processes_that_want_one_named_directory_one_gets_it(
    tmp_path: Path, there: bool
) -> None:
    directory = tmp_path / "mine"
    if there:
        directory.mkdir()
    got = _race(directory, "named", 8)
    assert sorted(got) == [str(directory), *["refused"] * 7]
    assert os.listdir(directory) == [".claim"]


def test_a_directory_with_something_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"^hydra\.run\.dir=.*: is not empty: name a new"):
        claim(tmp_path, stamped=False)
    with pytest.raises(ConfigError, match=r"hydra\.run\.dir=.*: is a file"):
        claim(tmp_path / "notes.txt", stamped=False)
    assert os.listdir(tmp_path) == ["notes.txt"]


@pytest.mark.parametrize("name", ["a\0b", "x" * 300, "notes.txt/run"])
def test_a_name_that_no_directory_can_have_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError) as refusal:
        claim(tmp_path / "new" / ".." / name, stamped=False)
    assert refusal.value.key == "hydra.run.dir"
    assert os.listdir(tmp_path) == ["notes.txt"]


@pytest.mark.skipif(sys.platform != "linux", reason="/sys takes no directories, even of root")
@pytest.mark.parametrize("stamped", [True, False])
def test_a_read_only_tree_is_a_write_error(stamped: bool) -> None:
    with pytest.raises(WriteError) as failure:
        claim(Path("/sys/outputs/day/time"), stamped=stamped)
    assert failure.value.exit_code == 3
    assert failure.value.line().startswith("runner: cannot write /sys/outputs")


def test_a_file_where_outputs_should_be_is_a_write_error(tmp_path: Path) -> None:
    (tmp_path / "outputs").write_text("")
    with pytest.raises(WriteError, match="Not a directory"):
        claim(tmp_path / "outputs" / "day" / "time", stamped=True)


def test_the_owner_is_alive_and_said_with_its_start(tmp_path: Path) -> None:
    taken = claim(tmp_path / "run", stamped=True)
    owner = read_claim(taken.directory)
    assert owner is not None
    assert owner["pid"] == os.getpid()
    assert is_alive(taken.directory)
    when = claimed_at(taken.directory)
    assert when is not None
    assert abs(when.timestamp() - time.time()) < 60


@pytest.mark.parametrize(
    ("change", "alive"),
    [
        ({}, True),
        ({"started": 1}, False),  # the number is another process's by now
        ({"boot": "before"}, False),
        ({"boot": "other", "host": "other"}, True),  # can't be asked
        ({"pid": 2**22 + 1}, False),
        ({"pid": 2**22 + 1, "namespace": 1}, True),  # another container's
        ({"pid": 2**22 + 1, "namespace": None}, False),
        ({"pid": "x"}, False),
        ({"started": None}, True),  # where the system doesn't tell
    ],
)
@pytest.mark.skipif(sys.platform != "linux", reason="start times and boots are Linux's")
def test_living_and_dead_owners(tmp_path: Path, change: dict[str, object], alive: bool) -> None:
    directory = claim(tmp_path / "run", stamped=True).directory
    owner = json.loads((directory / ".claim").read_text())
    (directory / ".claim").write_text(json.dumps({**owner, **change}))
    assert is_alive(directory) is alive


def test_a_killed_owner_is_dead_even_before_it_is_reaped(tmp_path: Path) -> None:
    process = _start("stamped", str(tmp_path / "run"))
    assert process.stdin
    assert process.stdout
    process.stdin.write("go\n")
    process.stdin.flush()
    assert [process.stdout.readline() for _ in range(2)][1].strip() == str(tmp_path / "run")
    assert is_alive(tmp_path / "run")
    process.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while is_alive(tmp_path / "run") and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_alive(tmp_path / "run")
    process.communicate()


def test_a_claim_in_the_middle_of_being_written_is_alive_for_a_while(tmp_path: Path) -> None:
    (tmp_path / ".claim").write_bytes(b'{"kind": "r')
    assert is_alive(tmp_path)
    os.utime(tmp_path / ".claim", (0, 0))
    assert not is_alive(tmp_path)
    (tmp_path / ".claim").unlink()
    assert not is_alive(tmp_path)


def test_a_system_without_nameless_files_has_claims_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    taken = claim(tmp_path / "run", stamped=False)
    assert is_alive(taken.directory)
    with pytest.raises(ConfigError, match="is not empty"):
        claim(tmp_path / "run", stamped=False)


def test_what_is_abandoned_leaves_nothing(tmp_path: Path) -> None:
    taken = claim(tmp_path / "outputs" / "day" / "time", stamped=True)
    (taken.directory / ".hydra").mkdir()
    (taken.directory / ".hydra" / "config.yaml").write_text("")
    taken.abandon()
    assert os.listdir(tmp_path) == []


def test_abandoning_takes_away_only_what_the_claim_made(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    named = claim(tmp_path / "mine", stamped=False)
    first, second = (claim(tmp_path / "day" / "time", stamped=True) for _ in range(2))
    named.abandon()
    first.abandon()
    assert os.listdir(tmp_path / "mine") == []
    assert os.listdir(tmp_path / "day") == [second.directory.name]


def test_a_committed_run_is_not_abandoned(tmp_path: Path) -> None:
    taken = claim(tmp_path / "run", stamped=True)
    (taken.directory / "run.parquet").write_text("")
    taken.abandon()
    assert (taken.directory / "run.parquet").exists()


def test_what_is_released_reads_as_dead(tmp_path: Path) -> None:
    taken = claim(tmp_path / "run", stamped=True)
    taken.release()
    assert not is_alive(taken.directory)
    assert (taken.directory / ".claim").exists()


def test_a_directory_of_hydras_is_adopted_once(tmp_path: Path) -> None:
    (tmp_path / ".hydra").mkdir()
    assert adopt(tmp_path).directory == tmp_path
    with pytest.raises(ConfigError):
        adopt(tmp_path)


def test_a_sweeps_claim_says_that_it_is_one(tmp_path: Path) -> None:
    directories = [claim_sweep(tmp_path / "sweep") for _ in range(2)]
    assert [path.name for path in directories] == ["sweep", "sweep-1"]
    assert (read_claim(directories[0]) or {})["kind"] == "sweep"
    with pytest.raises(ConfigError, match=r"hydra\.sweep\.dir"):
        claim_sweep(tmp_path / "sweep", stamped=False)


def test_a_claim_that_is_refused_is_a_write_error_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "/proc/self/fd/3")

    monkeypatch.setattr(os, "link", refuse)
    for take in (claim_sweep, lambda directory: claim(directory, stamped=True)):
        with pytest.raises(WriteError) as refusal:
            take(tmp_path / "outputs" / "it")
        assert str(refusal.value) == f"cannot write {tmp_path}/outputs/it: Permission denied"
        assert not (tmp_path / "outputs").exists()
