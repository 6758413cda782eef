"""Sweeps killed at random moments and taken up again.

``RUNNER_KILLS=100 pytest --log-cli-level=INFO tests/test_sweep_kills.py`` for the long form, which
says how many met jobs at work; a few kills otherwise.
"""

from __future__ import annotations

import logging
import os
import random
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from runner.store.layout import FINISHED
from runner.store.sweeps import sweep_rows
from runner.store.sweeps.journal import JOURNAL_FILE
from runner.store.verify import verify
from tests.conftest import Program, alive_in

log = logging.getLogger("tests")

KILLS = int(os.environ.get("RUNNER_KILLS", "4"))
JOBS = 60 if KILLS < 20 else 200


def _stamps(sweep: Path) -> dict[str, int]:
    """Job -> when its run was put in place, of those that exist."""
    return {p.parent.name: p.stat().st_mtime_ns for p in sweep.glob("*/run.parquet")}


def _wait_a_random_time(chance: random.Random, process: subprocess.Popen[str], sweep: Path) -> None:
    """From the start to a little after the end; every other time while jobs are done."""
    if chance.random() < 0.5:
        time.sleep(chance.uniform(0, 2.5))
        return
    while not (sweep / JOURNAL_FILE).exists() and process.poll() is None:
        time.sleep(0.005)
    time.sleep(chance.uniform(0, JOBS * 0.003))


def test_nothing_is_lost_or_done_twice(program: Program) -> None:
    chance = random.Random(0)
    whole = program.begin_sweep(f"seeds.seed=range({JOBS})", "hydra.sweep.dir=whole")
    told = whole.communicate()[1]
    assert whole.returncode == 0, told
    expected = [row["digest"] for row in sweep_rows(program.folder / "whole")]
    kills = sweeps = among = 0
    while kills < KILLS:
        sweeps += 1
        sweep = program.folder / f"sweep{sweeps}"
        arguments = [f"seeds.seed=range({JOBS})", f"hydra.sweep.dir={sweep}"]
        while True:
            process = program.begin_sweep(*arguments)
            _wait_a_random_time(chance, process, sweep)
            ended = process.poll() is not None
            if not ended:
                os.killpg(process.pid, signal.SIGKILL)
                kills += 1
            _, told = process.communicate()
            deadline = time.monotonic() + 2
            while alive_in(process.pid) and time.monotonic() < deadline:
                time.sleep(0.01)
            assert not alive_in(process.pid), "a worker outlived the sweep"
            if not sweep.exists():
                continue
            stamps = _stamps(sweep)
            among += not ended and 0 < len(stamps) < JOBS
            if stamps:
                assert verify(sweep) == []
            rows = {str(row["number"]): row for row in sweep_rows(sweep)}
            for number, row in rows.items():
                assert row["status"] == FINISHED
                assert number in stamps, "a job that was told of is not there"
            assert set(stamps) <= set(rows), "a finished job is missing from the rows"
            if sweep_is_over := ended and process.returncode == 0:
                break
            assert not ended, told
            before = stamps
            half_made = [p for p in sweep.parent.glob(f".{sweep.name}-*") if os.listdir(p)]
            assert not half_made, "a claim that was killed was not swept up"
            arguments = [f"hydra.sweeper.resume={sweep}"]
            process = program.begin_sweep(*arguments)
            if chance.random() < 0.5:
                told = process.communicate()[1]
                assert process.returncode == 0, told
                after = _stamps(sweep)
                assert {n: after[n] for n in before} == before, "a finished job was done again"
                sweep_is_over = True
                break
            _wait_a_random_time(chance, process, sweep)
            kills += process.poll() is None
            # Right after the start it may have no group yet, and at the end none any more.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.kill()
            process.communicate()
            after = _stamps(sweep)
            assert {n: after[n] for n in before} == before, "a finished job was done again"
        assert sweep_is_over
        assert [row["digest"] for row in sweep_rows(sweep)] == expected
        assert not list(sweep.glob(".*-*")), "something was left behind"
    log.info("%d kills of %d sweeps, %d of them among the jobs", kills, sweeps, among)
    assert among >= KILLS // 8
