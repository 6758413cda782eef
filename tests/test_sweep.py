"""Sweeps as they are started: the real program, real workers, real kills."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

import runner
from runner.store.sweeps import rebuild, sweep_rows
from runner.store.verify import verify
from tests.conftest import Program, alive_in

SLOW = """
import time
import numpy as np


class Slow:
    def __init__(self, n_inputs, n_neurons, seconds=0.2, fail="", at=-1, seed=0):
        self.weights = 0.1 * np.random.randn(n_inputs, n_neurons)
        self.seconds, self.fail, self.at, self.seed = seconds, fail, at, seed

    def forward(self, inputs):
        time.sleep(self.seconds)
        if self.seed == self.at:
            if self.fail == "kill":
                import os, signal
                os.kill(os.getpid(), signal.SIGKILL)
            if self.fail == "exit":
                raise SystemExit(3)
            if self.fail == "quit":
                import os
                os._exit(0)
            raise ZeroDivisionError("as asked")
        self.output = np.dot(inputs, self.weights)
"""

DEAF = """

def _deaf(seed):
    if seed >= 3:  # C code that keeps every other thread from its turn, and Python from signals
        import ctypes
        ctypes.PyDLL(None).sleep(60)
"""


def _slow(seconds: float = 0.2, fail: str = "", at: int = -1) -> tuple[str, ...]:
    entry = (
        f"+layers.slow={{_target_:mine.Slow,n_neurons:2,seconds:{seconds},"
        f"fail:'{fail}',at:{at},seed:${{seeds.seed}}}}"
    )
    return entry, "trust=[mine]"


@pytest.fixture
def slow(program: Program) -> Program:
    """The program, with a layer of the reader's that takes its time and can fail."""
    (program.folder / "mine.py").write_text(SLOW)
    return program


def _sweep(
    program: Program, *arguments: str, code: int = 0, env: dict[str, str] | None = None
) -> tuple[Path, str]:
    done = program.start("-m", *arguments, env=env)
    assert done.returncode == code, done.stderr
    return Path(done.stdout.splitlines()[-1]), done.stderr


def test_every_point_is_a_whole_run(program: Program) -> None:
    sweep, told = _sweep(program, "seeds.seed=range(3)", "layers=one_dense,two_dense", "tags=[a]")
    assert sweep.parent.parent == program.folder / "outputs" / "multirun"
    assert verify(sweep) == []
    rows = sweep_rows(sweep)
    assert [row["number"] for row in rows] == list(range(6))
    assert [row["overrides"] for row in rows][:2] == [
        ["seeds.seed=0", "layers=one_dense", "tags=[a]"],
        ["seeds.seed=0", "layers=two_dense", "tags=[a]"],
    ]
    assert "6 finished, 0 failed" in told
    for row in rows:
        run = runner.load(sweep / str(row["number"]))
        assert (run.id, run.metadata["overrides"]) == (row["run_id"], row["overrides"])
        for name, layer in run.layers.items():
            assert row[f"layers.{name}.digest"] == layer.digest
            assert row[f"layers.{name}.mean"] == layer.statistics["mean"]
    assert (program.folder / "outputs" / "latest").resolve() == sweep.resolve()
    assert not (sweep / ".claim").exists()


def test_a_job_equals_a_single_run_and_the_number_of_workers_changes_nothing(
    program: Program,
) -> None:
    one, _ = _sweep(program, "seeds.seed=range(6)", "hydra.launcher.n_jobs=1")
    two, _ = _sweep(program, "seeds.seed=range(6)", "hydra.launcher.n_jobs=3")
    single = runner.load(program.run("seeds.seed=4"))
    digests = [[row["digest"] for row in sweep_rows(sweep)] for sweep in (one, two)]
    assert digests[0] == digests[1]
    assert digests[0][4] == single.metadata["digest"]
    assert len(set(digests[0])) == 6


def test_hydras_own_launcher_leaves_the_same_files(program: Program) -> None:
    points = (
        "layers.dense1.n_neurons=2,3",
        "layers=one_dense,two_dense",
        "name='run ${seeds.seed}'",
    )
    ours, _ = _sweep(program, *points, "hydra.launcher.n_jobs=1")
    theirs, _ = _sweep(program, *points, "hydra/launcher=basic", "hydra.launcher={}")
    assert [r["digest"] for r in sweep_rows(ours)] == [r["digest"] for r in sweep_rows(theirs)]
    for number in range(4):
        for name in ("config.yaml", "overrides.yaml"):
            texts = [(s / str(number) / ".hydra" / name).read_text() for s in (ours, theirs)]
            assert texts[0] == texts[1]


@pytest.mark.parametrize("sweeper", ["basic", "runner"])
def test_hydras_sweeper_and_launcher_work(program: Program, sweeper: str) -> None:
    sweep, _ = _sweep(program, "seeds.seed=1,2", f"hydra/sweeper={sweeper}", "hydra/launcher=basic")
    rows = sweep_rows(sweep)
    assert [row["status"] for row in rows] == ["FINISHED"] * 2
    assert (sweep / "sweep.parquet").exists()
    assert verify(sweep) == []


@pytest.mark.parametrize("fail", ["raise", "exit", "kill", "quit"])
def test_a_job_that_fails_stops_no_other(slow: Program, fail: str) -> None:
    sweep, told = _sweep(
        slow, "seeds.seed=range(6)", *_slow(0.01, fail, 2), "hydra.launcher.n_jobs=2", code=1
    )
    rows = {row["number"]: row for row in sweep_rows(sweep)}
    assert {n for n, row in rows.items() if row["status"] == "FINISHED"} == {0, 1, 3, 4, 5}
    assert rows[2]["status"] == "FAILED"
    reason = {
        "raise": "ZeroDivisionError: as asked",
        "exit": "SystemExit: 3",
        "kill": "killed by SIGKILL",
        "quit": "ended with exit code 0",
    }[fail]
    assert reason in rows[2]["error"]
    (line,) = [line for line in told.splitlines() if "seeds.seed=2" in line]
    assert reason in line
    run = runner.load(sweep / "2")
    assert (run.status, reason in run.metadata["error"]) == ("FAILED", True)
    assert verify(sweep) == []


def test_with_one_process_a_deadly_job_does_not_end_the_sweep(slow: Program) -> None:
    entry, trust = _slow(0.01, "kill", 2)
    sweep, _ = _sweep(
        slow, entry.replace("={", "={_target_:runner.layers.ReLU},{"), "seeds.seed=1,2", trust,
        "hydra.launcher.n_jobs=1", code=1,
    )  # fmt: skip
    assert [row["status"] for row in sweep_rows(sweep)] == ["FINISHED"] * 3 + ["FAILED"]


def test_fail_fast_leaves_the_rest(slow: Program) -> None:
    sweep, told = _sweep(
        slow, "seeds.seed=range(40)", *_slow(0.02, "raise", 0), "hydra.launcher.n_jobs=1",
        "hydra.sweeper.fail_fast=true", code=1,
    )  # fmt: skip
    assert len(sweep_rows(sweep)) < 40
    assert "not done" in told


def test_a_job_of_meaningless_size_is_recorded(program: Program) -> None:
    sweep, _ = _sweep(program, "data.samples=0,5", code=1)
    bad, good = sweep_rows(sweep)
    assert (bad["status"], good["status"]) == ("FAILED", "FINISHED")
    assert "data.samples=0" in bad["error"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("seeds.seed=1,1",), ("seeds.seed", "1,1", "doubled")),
        (("seeds.seed=1", "seeds.seed=2"), ("seeds.seed", "given twice")),
        (("seeds.seed=range(0)",), ("seeds.seed", "no value")),
        (("seeds.seed=range(20)", "hydra.sweeper.max_jobs=10"), ("max_jobs=10", "20 values")),
        (("data.samples=abc,2",), ("data.samples", "abc")),
        (("data.clases=1,2",), ("data.clases", "did you mean classes")),
        (("layers=two_dens,one_dense",), ("layers", "two_dens")),
        (("seeds.seed=1,2", "hydra.launcher.n_jobs=0"), ("hydra.launcher.n_jobs", "0")),
        (("seeds.seed=1,2", "hydra.sweeper.zip=[data.samples]"), ("zip", "data.samples")),
        (("seeds.seed=1,2", "hydra.sweeper.filter='seeds.sed>1'"), ("filter", "did you mean")),
        (("seeds.seed=1,2", "hydra.sweeper.filter='seeds.seed>5'"), ("filter", "drops all 2")),
        (("seeds.seed=interval(0,1)",), ("seeds.seed", "optimising")),
        (("seeds.seed=1,2", "hydra.sweeper.resume=nowhere"), ("nowhere",)),
        (("seeds.seed=1,2", "hydra.sweeper.resme=x"), ("resme", "did you mean resume")),
    ],
)  # fmt: skip
def test_refused_before_the_first_job(
    program: Program, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    done = program.start("-m", *arguments)
    assert done.returncode == 2, (done.stdout, done.stderr)
    (line,) = done.stderr.splitlines()
    assert len(line) <= 200
    assert all(word in line for word in words), line
    assert program.outputs == []


def test_keys_in_step_and_a_filter(program: Program) -> None:
    sweep, _ = _sweep(
        program,
        "data.samples=10,20,30",
        "layers.dense1.n_neurons=2,3,4",
        "seeds.seed=0,1",
        "hydra.sweeper.zip=[data.samples,layers.dense1.n_neurons]",
        "hydra.sweeper.filter='data.samples < 30 or seeds.seed = 1'",
    )
    seen = [
        (r["params.data.samples"], r["params.layers.dense1.n_neurons"], r["params.seeds.seed"])
        for r in sweep_rows(sweep)
    ]
    assert seen == [(10, 2, 0), (10, 2, 1), (20, 3, 0), (20, 3, 1), (30, 4, 1)]


def _wait_for(program: Program, finished: int) -> Path:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        found = list(program.folder.glob("outputs/multirun/*/*/*/run.parquet"))
        if len(found) >= finished:
            return found[0].parent.parent
        time.sleep(0.01)
    raise AssertionError("no job has finished")


@pytest.mark.parametrize("finished", [0, 3])
def test_a_killed_sweep_is_taken_up_again(slow: Program, finished: int) -> None:
    points = ("seeds.seed=range(12)", *_slow(0.1))
    process = slow.begin_sweep(*points, "hydra.launcher.n_jobs=2")
    if finished:
        sweep = _wait_for(slow, finished)
    else:
        # Not the hidden name that it has while its first files are written.
        while not (found := list(slow.folder.glob("outputs/multirun/*/[0-9]*/.sweep.json"))):
            time.sleep(0.002)
        sweep = found[0].parent
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    before = {n: p.stat().st_mtime_ns for n, p in _runs(sweep).items()}
    again, told = _sweep(slow, f"hydra.sweeper.resume={sweep}", "trust=[mine]")
    assert again == sweep
    after = _runs(sweep)
    assert set(after) == set(range(12))
    for number, time_ns in before.items():
        assert after[number].stat().st_mtime_ns == time_ns, "a finished job was run again"
    assert f"{len(before)} before" in told or not before
    assert verify(sweep) == []
    whole, _ = _sweep(slow, *points, "hydra.launcher.n_jobs=2")
    assert [r["digest"] for r in sweep_rows(sweep)] == [r["digest"] for r in sweep_rows(whole)]
    for number in (0, 11):
        one, other = (
            (s / str(number) / ".hydra" / "hydra.yaml").read_text().replace(str(s), "SWEEP")
            for s in (sweep, whole)
        )
        assert "resume: null" in one
        assert one == other


def _runs(sweep: Path) -> dict[int, Path]:
    return {int(p.parent.name): p for p in sweep.glob("*/run.parquet")}


def test_resume_refuses_another_sweep(program: Program) -> None:
    sweep, _ = _sweep(program, "seeds.seed=0,1")
    done = program.start("-m", "seeds.seed=0,2", f"hydra.sweeper.resume={sweep}")
    assert done.returncode == 2
    assert "seeds.seed=0,1" in done.stderr
    done = program.start("-m", "seeds.seed=0,1", "hydra.sweeper.resume=latest")
    assert done.returncode == 0, done.stderr
    assert "2 before" in done.stderr


def test_resume_keeps_the_points(program: Program) -> None:
    points = (
        "data.samples=10,20,30", "layers.dense1.n_neurons=2,3,4",
        "hydra.sweeper.zip=[data.samples,layers.dense1.n_neurons]",
        "hydra.sweeper.filter='data.samples > 10'",
    )  # fmt: skip
    sweep, _ = _sweep(program, *points)
    assert program.start("rm", "--yes", str(sweep / "0")).returncode == 0
    _sweep(program, f"hydra.sweeper.resume={sweep}")
    _sweep(program, *points, f"hydra.sweeper.resume={sweep}")
    assert [row["params.data.samples"] for row in sweep_rows(sweep)] == [20, 30]
    done = program.start(
        "-m", f"hydra.sweeper.resume={sweep}", "hydra.sweeper.filter='data.samples > 20'"
    )
    assert (done.returncode, "cannot change" in done.stderr) == (2, True)


def test_resume_repeats_what_failed(slow: Program) -> None:
    sweep, _ = _sweep(slow, "seeds.seed=range(4)", *_slow(0.01, "raise", 2), code=1)
    (slow.folder / "mine.py").write_text(SLOW.replace("self.seed == self.at", "False"))
    _sweep(slow, f"hydra.sweeper.resume={sweep}", "trust=[mine]")
    assert [row["status"] for row in sweep_rows(sweep)] == ["FINISHED"] * 4
    assert verify(sweep) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("workers", [1, 2])
def test_interrupted(slow: Program, number: signal.Signals, code: int, workers: int) -> None:
    process = slow.begin_sweep(
        "seeds.seed=range(40)", *_slow(0.3), f"hydra.launcher.n_jobs={workers}"
    )
    sweep = _wait_for(slow, 1)
    # Into the next job: the first ones keep their claim until they are committed.
    while not [path for path in sweep.glob("*/.claim") if int(path.parent.name) >= workers]:
        time.sleep(0.01)
    begun = time.monotonic()
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal sends it: to everybody
    else:
        process.send_signal(number)
    given, told = process.communicate(timeout=10)
    assert time.monotonic() - begun < 2.5
    assert process.returncode == code, told
    assert given == f"{sweep}\n"
    assert "Traceback" not in told
    assert alive_in(process.pid) == []
    rows = sweep_rows(sweep)
    statuses = [row["status"] for row in rows]
    assert "INTERRUPTED" in statuses
    assert set(statuses) <= {"FINISHED", "INTERRUPTED"}
    assert not list(sweep.glob("*/.claim"))
    assert (sweep / "sweep.parquet").exists()


def test_interrupted_under_hydras_sweeper(slow: Program) -> None:
    process = slow.begin_sweep("seeds.seed=range(40)", *_slow(0.3), "hydra/sweeper=basic")
    sweep = _wait_for(slow, 1)
    os.killpg(process.pid, signal.SIGINT)
    given, told = process.communicate(timeout=10)
    assert (process.returncode, given) == (130, f"{sweep}\n"), told
    assert "Traceback" not in told


def test_workers_that_hear_no_signal_are_ended_and_their_jobs_recorded(slow: Program) -> None:
    deaf = SLOW.replace("time.sleep(self.seconds)", "_deaf(self.seed)") + DEAF
    (slow.folder / "mine.py").write_text(deaf)
    process = slow.begin_sweep("seeds.seed=range(9)", *_slow(), "hydra.launcher.n_jobs=2")
    sweep = _wait_for(slow, 3)
    while len([p for p in sweep.glob("*/.claim") if int(p.parent.name) >= 3]) < 2:
        time.sleep(0.01)
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=10)
    assert time.monotonic() - begun < 2.5
    assert process.returncode == 130, told
    assert alive_in(process.pid) == []
    statuses = [row["status"] for row in sweep_rows(sweep)]
    assert statuses.count("INTERRUPTED") == 2
    assert not list(sweep.glob("*/.claim"))
    assert f"hydra.sweeper.resume={sweep} 'trust=[mine]'" in told


def test_a_second_interrupt_ends_it_at_once(slow: Program) -> None:
    (slow.folder / "mine.py").write_text(
        SLOW.replace("time.sleep(self.seconds)", "_deaf(self.seed)") + DEAF
    )
    process = slow.begin_sweep("seeds.seed=range(9)", *_slow(), "hydra.launcher.n_jobs=2")
    sweep = _wait_for(slow, 3)
    while len([p for p in sweep.glob("*/.claim") if int(p.parent.name) >= 3]) < 2:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    time.sleep(0.2)
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert time.monotonic() - begun < 0.7
    assert process.returncode in (130, -signal.SIGINT)
    deadline = time.monotonic() + 2
    while alive_in(process.pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert alive_in(process.pid) == []


def test_the_index_can_be_made_anew(program: Program) -> None:
    sweep, _ = _sweep(program, "seeds.seed=0,1,2")
    before = sweep_rows(sweep)
    (sweep / "sweep.parquet").unlink()
    assert [r["run_id"] for r in sweep_rows(sweep)] == [r["run_id"] for r in before]
    rebuilt = rebuild(sweep)
    for one, other in zip(before, sweep_rows(sweep), strict=True):
        for key, value in one.items():
            if key != "seconds":
                assert other[key] == value, key
    assert len(rebuilt) == 3


def test_runs_of_a_sweep_come_from_the_index(program: Program) -> None:
    sweep, _ = _sweep(program, "seeds.seed=0,1,2")
    frame = runner.runs(sweep)
    assert len(frame) == 3
    assert sorted(frame["params.seeds.seed"]) == [0, 1, 2]
    assert "layers.dense1.std" in frame


def test_finished_runs_are_not_done_again(program: Program) -> None:
    first, _ = _sweep(program, "seeds.seed=0,1", "data.samples=20")
    single = program.run("seeds.seed=2", "data.samples=20")
    points = ("seeds.seed=range(4)", "data.samples=20", "hydra.sweeper.skip_existing=true")
    second, told = _sweep(program, *points)
    rows = sweep_rows(second)
    assert [row["reused"] for row in rows] == [True, True, True, False]
    assert "3 reused" in told
    assert (second / rows[2]["directory"]).resolve() == single.resolve()
    assert rows[0]["digest"] == sweep_rows(first)[0]["digest"]


def test_changed_inputs_are_done_again(program: Program) -> None:
    table = program.folder / "t.csv"
    table.write_text("a,b\n1,2\n3,4\n")
    points = ("data=table", "data.path=t.csv", "seeds.seed=0,1", "hydra.sweeper.skip_existing=true")
    _sweep(program, *points)
    again, _ = _sweep(program, *points)
    assert [row["reused"] for row in sweep_rows(again)] == [True, True]
    table.write_text("a,b\n1,2\n3,5\n")
    changed, _ = _sweep(program, *points)
    assert [row["reused"] for row in sweep_rows(changed)] == [False, False]


def test_what_the_environment_gives_is_done_again(program: Program) -> None:
    points = ("seeds.seed=0,1", "data.samples=5", "hydra.sweeper.skip_existing=true")
    hashed = "layers.dense1.weight_scale=${oc.env:SCALE}"
    _sweep(program, *points, hashed, env={"SCALE": "1"})
    again, _ = _sweep(program, *points, hashed, env={"SCALE": "2"})
    assert [row["reused"] for row in sweep_rows(again)] == [False, False]
    _sweep(program, *points)
    named, _ = _sweep(program, *points, "name=${oc.env:SCALE}", env={"SCALE": "3"})
    assert [row["reused"] for row in sweep_rows(named)] == [True, True]


def test_changed_code_is_done_again(slow: Program) -> None:
    points = ("seeds.seed=0,1", *_slow(0.0), "hydra.sweeper.skip_existing=true")
    _sweep(slow, *points)
    again, _ = _sweep(slow, *points)
    assert [row["reused"] for row in sweep_rows(again)] == [True, True]
    (slow.folder / "mine.py").write_text(SLOW.replace("0.1 *", "0.2 *"))
    changed, _ = _sweep(slow, *points)
    assert [row["reused"] for row in sweep_rows(changed)] == [False, False]


def test_hydra_features_around_a_job_work_in_our_workers(program: Program) -> None:
    sweep, _ = _sweep(
        program,
        "seeds.seed=0,1,2",
        "hydra.job.chdir=true",
        "+hydra.job.env_set.MARK=here",
        "name=${oc.env:MARK}",
        "hydra.launcher.n_jobs=2",
    )
    assert [row["status"] for row in sweep_rows(sweep)] == ["FINISHED"] * 3
    assert verify(sweep) == []


def test_a_taken_timestamp_makes_way(program: Program) -> None:
    pattern = "hydra.sweep.dir=outputs/multirun/${now:%Y}"
    first, _ = _sweep(program, "seeds.seed=0,1", pattern)
    second, _ = _sweep(program, "seeds.seed=0,1", pattern)
    assert second.name == f"{first.name}-1"
    assert verify(first) == verify(second) == []
    done = program.start("-m", "seeds.seed=0,1", f"hydra.sweep.dir={first}")
    assert done.returncode == 2
    assert "hydra.sweep.dir" in done.stderr
