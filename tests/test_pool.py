"""Real processes, really killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from runner.errors import InterruptedRunError
from runner.sweep.pool import Died, Pool

if sys.platform != "linux":
    pytest.skip("workers are forked on Linux alone", allow_module_level=True)


def _square(numbers: Sequence[int]) -> Iterator[int]:
    for number in numbers:
        if number < 0:
            os.kill(os.getpid(), -number)
            time.sleep(10)
        yield number * number


def _own_pid(items: Sequence[int]) -> Iterator[int]:
    for _ in items:
        time.sleep(0.01)
        yield os.getpid()


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


def test_every_item_is_answered_once() -> None:
    answers = list(Pool(_square, 3).run(range(1000)))
    assert sorted(answers) == [(n, n * n) for n in range(1000)]


def test_a_killed_worker_costs_one_item() -> None:
    items = [1, 2, -signal.SIGKILL, 3, 4, -signal.SIGKILL, 5, *range(6, 60)]
    answers = list(Pool(_square, 2).run(items))
    assert len(answers) == len(items)
    died = [answer for item, answer in answers if item < 0]
    assert died == [Died(-signal.SIGKILL)] * 2
    assert "SIGKILL" in str(died[0])
    assert all(answer == item * item for item, answer in answers if item > 0)


def test_nothing_to_do() -> None:
    assert list(Pool(_square, 2).run([])) == []


def test_no_worker_is_left_when_it_is_left_early() -> None:
    pids = set()
    for _, pid in Pool(_own_pid, 2).run(range(1000)):
        assert isinstance(pid, int)
        pids.add(pid)
        if len(pids) == 2:
            break
    assert pids
    _wait_until_dead(pids)


def test_a_job_in_flight_hears_of_the_end(tmp_path: Path) -> None:
    def work(items: Sequence[int]) -> Iterator[int]:
        for item in items:
            if item == 0:
                yield 0
                continue
            try:
                time.sleep(20)
            except InterruptedRunError:
                (tmp_path / str(item)).write_text("interrupted")
                raise
            yield item

    begun = time.monotonic()
    for item, _ in Pool(work, 2).run([0, 1, 2, 3]):
        assert item == 0
        time.sleep(0.2)
        break
    assert time.monotonic() - begun < 2.5
    assert any(tmp_path.iterdir())


def test_a_worker_that_is_ended_as_it_begins_ends_in_silence() -> None:
    program = (
        "import os, signal\n"
        "from runner.ending import interruptible\n"
        "from runner.sweep.pool import Pool\n"
        "def work(items):\n"
        "    yield from items\n"
        "def end_it():\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "os.register_at_fork(after_in_child=end_it)\n"
        "with interruptible():\n"
        "    print(list(Pool(work, 1).run([5])))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.stdout, done.stderr) == (f"{[(5, Died(143))]}\n", "")


def test_workers_die_with_a_killed_parent() -> None:
    program = (
        "import os, time\n"
        "from runner.sweep.pool import Pool\n"
        "def work(items):\n"
        "    os.write(1, b'%d\\n' % os.getpid())\n"  # a line whole, whoever else writes
        "    time.sleep(60)\n"
        "    yield from items\n"
        "list(Pool(work, 2).run(range(4)))\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pids = {int(parent.stdout.readline()) for _ in range(2)}
    parent.kill()
    parent.wait()
    parent.stdout.close()
    _wait_until_dead(pids)


def _wait_until_dead(pids: set[int]) -> None:
    deadline = time.monotonic() + 2
    while any(map(_alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not [pid for pid in pids if _alive(pid)]
