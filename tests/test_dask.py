"""Sweeps on a dask cluster: a real scheduler, real nodes, and one of them killed."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from runner.errors import LostError
from runner.store.claim.owner import is_alive
from runner.store.sweeps import sweep_rows
from runner.store.verify import verify
from tests.conftest import ROOT, Program, alive_in

pytestmark = pytest.mark.skipif(find_spec("distributed") is None, reason="needs the extra dask")

MINE = """
import os
import signal
import time

import numpy as np


class Slow:
    def __init__(self, n_inputs, n_neurons, seconds, seed, deadly=-1):
        self.weights = 0.1 * np.random.randn(n_inputs, n_neurons)
        self.seconds, self.fatal = seconds, seed == deadly
        with open("begun", "a") as file:
            file.write(f"{seed} {os.getpid()}\\n")

    def forward(self, inputs):
        time.sleep(self.seconds)
        if self.fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        self.output = np.dot(inputs, self.weights)
"""


def _points(jobs: int, seconds: float, deadly: int = -1) -> tuple[str, ...]:
    layer = f"{{_target_:mine.Slow,n_neurons:2,seconds:{seconds},deadly:{deadly}"
    return (
        f"seeds.seed=range({jobs})",
        f"+layers.slow={layer},seed:${{seeds.seed}}}}",
        "trust=[mine]",
        "data.samples=10",
    )


@pytest.fixture
def mine(program: Program) -> Program:
    """The program, with a layer of the reader's."""
    (program.folder / "mine.py").write_text(MINE)
    return program


def _start(*arguments: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


class Cluster:
    """A scheduler and nodes, each a group of processes of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file = folder / "scheduler.json"
        self.nodes: list[subprocess.Popen[str]] = []
        self._scheduler = _start(
            "dask", "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
            "--dashboard-address", "127.0.0.1:0", "--scheduler-file", str(self._file),
            folder=folder,
        )  # fmt: skip

    @property
    def address(self) -> str:
        # It is there before all of it is written.
        until(lambda: self._file.exists() and self._file.read_text().rstrip().endswith("}"))
        return str(json.loads(self._file.read_text())["address"])

    def add_node(self) -> None:
        (self.folder / "elsewhere").mkdir(exist_ok=True)
        self.nodes.append(
            _start(
                "dask", "worker", self.address, "--host", "127.0.0.1", "--no-dashboard",
                "--nthreads", "1", folder=self.folder / "elsewhere",
            )
        )  # fmt: skip

    def lose_the_scheduler(self) -> None:
        kill(self._scheduler)

    def end(self) -> None:
        for process in (*self.nodes, self._scheduler):
            kill(process)


def kill(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A scheduler with two nodes."""
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        cluster.add_node()
        cluster.add_node()
        yield cluster
    finally:
        cluster.end()


def until(condition: object, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _sweep(program: Program, *arguments: str, code: int = 0) -> tuple[Path, str]:
    done = program.start("-m", *arguments)
    assert done.returncode == code, done.stderr
    return Path(done.stdout.splitlines()[-1]), done.stderr


def _finished(program: Program) -> dict[Path, int]:
    found = program.folder.glob("outputs/multirun/*/*/*/run.parquet")
    return {path.parent: path.stat().st_mtime_ns for path in found}


def _digests(sweep: Path) -> list[str]:
    return [row["digest"] for row in sweep_rows(sweep)]


def test_a_node_is_killed_in_mid_sweep(mine: Program, cluster: Cluster) -> None:
    points = _points(40, 0.05)
    local, _ = _sweep(mine, *points)
    (mine.folder / "begun").unlink()
    before = set(_finished(mine))
    process = _start(
        "runner", "-m", *points, "hydra/launcher=dask",
        f"hydra.launcher.scheduler={cluster.address}", folder=mine.folder,
    )  # fmt: skip
    until(lambda: len(set(_finished(mine)) - before) >= 8)
    early = {path: time for path, time in _finished(mine).items() if path not in before}
    kill(cluster.nodes.pop(0))
    stdout, stderr = process.communicate(timeout=60)
    cluster.add_node()
    assert process.returncode == 0, stderr
    sweep = Path(stdout.splitlines()[-1])
    assert "40 finished, 0 failed" in stderr
    rows = sweep_rows(sweep)
    assert [row["status"] for row in rows] == ["FINISHED"] * 40
    assert _digests(sweep) == _digests(local)
    assert verify(sweep) == []
    assert not list(sweep.glob("*/.claim"))
    after = _finished(mine)
    assert all(after[path] == written for path, written in early.items()), "done twice"
    begun = [line.split() for line in (mine.folder / "begun").read_text().splitlines()]
    pids = {pid for _, pid in begun}
    assert len(pids) == 2
    assert {int(seed) for seed, _ in begun} == set(range(40))
    for number in (0, 39):
        for name in ("config.yaml", "overrides.yaml"):
            texts = [(s / str(number) / ".hydra" / name).read_text() for s in (local, sweep)]
            assert texts[0] == texts[1]
    for column in rows[0]:
        assert column in sweep_rows(local)[0]


def test_a_killed_client_and_the_workers_it_left(mine: Program, cluster: Cluster) -> None:
    points = _points(24, 0.2)
    launcher = ("hydra/launcher=dask", f"hydra.launcher.scheduler={cluster.address}")
    process = _start("runner", "-m", *points, *launcher, folder=mine.folder)
    until(lambda: len(_finished(mine)) >= 3)
    kill(process)
    early = _finished(mine)
    sweep = next(iter(early)).parent
    again, _ = _sweep(mine, f"hydra.sweeper.resume={sweep}", "trust=[mine]", *launcher)
    assert again == sweep
    assert [row["status"] for row in sweep_rows(sweep)] == ["FINISHED"] * 24
    after = _finished(mine)
    assert all(after[path] == written for path, written in early.items()), "done twice"
    seeds = [line.split()[0] for line in (mine.folder / "begun").read_text().splitlines()]
    assert sorted(seeds, key=int) == [str(n) for n in range(24)], "a job was begun twice"
    assert verify(sweep) == []


def test_the_scheduler_is_lost_in_mid_sweep(mine: Program, tmp_path: Path) -> None:
    (tmp_path / "cluster").mkdir()
    cluster = Cluster(tmp_path / "cluster")
    try:
        cluster.add_node()
        process = _start(
            "runner", "-m", *_points(30, 0.1), "hydra/launcher=dask",
            f"hydra.launcher.scheduler={cluster.address}", folder=mine.folder,
        )  # fmt: skip
        until(lambda: len(_finished(mine)) >= 2)
        cluster.lose_the_scheduler()
        _, told = process.communicate(timeout=60)
    finally:
        cluster.end()
    assert process.returncode == 1, told
    *_, how, why = told.splitlines()
    assert "scheduler" in why
    assert "is gone" in why
    early = _finished(mine)
    assert early
    sweep, _ = _sweep(mine, *shlex.split(how)[4:])
    assert [row["status"] for row in sweep_rows(sweep)] == ["FINISHED"] * 30
    assert {path: time for path, time in _finished(mine).items() if path in early} == early


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_a_cluster_of_our_own(mine: Program, number: signal.Signals) -> None:
    process = _start(
        "runner", "-m", *_points(40, 0.3), "hydra/launcher=dask", "hydra.launcher.n_jobs=2",
        folder=mine.folder,
    )  # fmt: skip
    until(lambda: len(_finished(mine)) >= 2)
    sweep = next(iter(_finished(mine))).parent
    until(lambda: [path for path in sweep.glob("*/.claim") if int(path.parent.name) >= 2])
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal sends it: to everybody
    else:
        process.send_signal(number)
    begun = time.monotonic()
    _, told = process.communicate(timeout=20)
    assert time.monotonic() - begun < 5
    assert process.returncode == 128 + number, told
    assert "Traceback" not in told
    until(lambda: not alive_in(process.pid), 2)  # Python's own tracker goes after its parent
    statuses = {row["status"] for row in sweep_rows(sweep)}
    assert statuses == {"FINISHED", "INTERRUPTED"}
    assert not list(sweep.glob("*/.claim"))


def test_a_deadly_job_costs_no_other(mine: Program) -> None:
    points = (*_points(12, 0.01, deadly=7), "hydra/launcher=dask", "hydra.launcher.n_jobs=2")
    sweep, told = _sweep(mine, *points, code=1)
    statuses = [row["status"] for row in sweep_rows(sweep)]
    assert [n for n, status in enumerate(statuses) if status == "FAILED"] == [7]
    assert statuses.count("FINISHED") == 11
    assert "worker died" in sweep_rows(sweep)[7]["error"]
    assert "seeds.seed=7" in told
    assert verify(sweep) == []


def test_hydras_own_sweeper_on_our_cluster(program: Program) -> None:
    points = ("seeds.seed=0,1,2", "data.samples=10", "objective=dense1.std")
    sweep, _ = _sweep(
        program, *points, "hydra/sweeper=basic", "hydra/launcher=dask", "hydra.launcher.n_jobs=1"
    )
    local, _ = _sweep(program, *points, "hydra/launcher=local")
    assert _digests(sweep) == _digests(local)
    assert (sweep / "sweep.parquet").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("scheduler=tcp://127.0.0.1:1",), ("hydra.launcher.scheduler", "127.0.0.1:1")),
        (("scheduler=http://127.0.0.1:1",), ("hydra.launcher.scheduler", "scheme")),
        (("scheduler='not an address'",), ("hydra.launcher.scheduler", "not an address")),
        (("scheduler=tcp://127.0.0.1:1", "n_jobs=2"), ("hydra.launcher.n_jobs",)),
        (("batch_size=0",), ("hydra.launcher.batch_size",)),
    ],
)
def test_refused(program: Program, options: tuple[str, ...], words: tuple[str, ...]) -> None:
    given = [f"hydra.launcher.{option}" for option in options]
    begun = time.monotonic()
    done = program.start("-m", "seeds.seed=1,2", "hydra/launcher=dask", *given)
    assert time.monotonic() - begun < 10
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert all(word in line for word in words), line
    assert program.outputs == []


def test_a_server_that_is_no_scheduler(program: Program) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        begun = time.monotonic()
        given = ("hydra/launcher=dask", f"hydra.launcher.scheduler={address}")
        done = program.start("-m", "seeds.seed=1,2", *given)
    assert time.monotonic() - begun < 15
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.endswith("no scheduler answers: what listens there is no dask scheduler")
    assert program.outputs == []


def test_a_scheduler_that_is_gone_when_it_is_asked() -> None:
    from runner.sweep.cluster.crew import Crew

    class Gone:
        def nthreads(self) -> None:
            raise RuntimeError("IOLoop is closed")

    crew = Crew(Gone(), None, address="tcp://there:1", batch_size=10)
    with pytest.raises(LostError, match="tcp://there:1 is gone"):
        _ = crew.slots


def test_without_the_library(program: Program) -> None:
    (program.folder / "distributed.py").write_text("raise ImportError('not here')\n")
    done = program.start("-m", "seeds.seed=1,2", "hydra/launcher=dask")
    assert done.returncode == 2
    assert done.stderr == (
        "runner: hydra/launcher=dask needs dask.distributed: pip install 'runner[dask]'\n"
    )
    assert program.outputs == []


def test_a_claim_of_another_machine_is_given_up_with_its_worker(tmp_path: Path) -> None:
    from runner.sweep.cluster.node import _lives_beside_us

    claim = {"kind": "run", "pid": 1, "started": None, "boot": "other", "host": "elsewhere"}
    (tmp_path / ".claim").write_text(json.dumps(claim))
    assert is_alive(tmp_path)
    assert not _lives_beside_us(tmp_path)
