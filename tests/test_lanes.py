from __future__ import annotations

import threading
import time

import pytest

from runner.job.lanes import Lanes, spread


def test_each_lane_keeps_its_order_and_has_its_thread() -> None:
    done: list[tuple[int, int, str]] = []
    with Lanes([1, 3]) as lanes:
        for number in range(50):
            lanes.put(
                number % 2,
                lambda n=number: done.append((n % 2, n, threading.current_thread().name)),  # type: ignore[misc]
            )
    for lane in (0, 1):
        assert [n for at, n, _ in done if at == lane] == list(range(lane, 50, 2))
        assert len({name for at, _, name in done if at == lane}) == 1
    assert len(done) == 50


def test_without_lanes_no_thread_is_started() -> None:
    found = []
    with Lanes([]) as lanes:
        lanes.put(7, lambda: found.append(threading.current_thread()))
    assert found == [threading.main_thread()]


def test_a_failure_comes_out_where_tasks_go_in() -> None:
    def fail() -> None:
        raise OSError("full")

    done: list[int] = []

    def give(room: int, after: int) -> None:
        with Lanes([room]) as lanes:
            lanes.put(0, fail)
            for number in range(after):
                lanes.put(0, lambda n=number: done.append(n))  # type: ignore[misc]

    for room, after in ((1, 1000), (9, 0)):
        with pytest.raises(OSError, match="full"):
            give(room, after)
    assert not done


def test_an_exception_drops_what_waits_and_nobody_works_afterwards() -> None:
    begun, done = threading.Event(), []

    def slow() -> None:
        begun.set()
        time.sleep(0.05)
        done.append(0)

    def give() -> None:
        with Lanes([9]) as lanes:
            lanes.put(0, slow)
            lanes.put(0, lambda: done.append(1))
            begun.wait()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        give()
    assert done == [0]
    assert not [t for t in threading.enumerate() if t.name.startswith("lane_")]


def test_who_gives_too_much_waits() -> None:
    free, given = threading.Event(), list[int]()

    def wait() -> None:
        free.wait()

    with Lanes([2]) as lanes:

        def give() -> None:
            for number in range(9):
                lanes.put(0, wait)
                given.append(number)

        giver = threading.Thread(target=give)
        giver.start()
        giver.join(0.2)
        assert len(given) <= 3  # one at work, two that wait
        free.set()
        giver.join()
    assert len(given) == 9


def test_lanes_carry_about_the_same() -> None:
    weights = [64.0, 64.0, 3.0, 128.0, 128.0, 6.0]
    lanes = spread(weights, 2)
    loads = [sum(w for w, lane in zip(weights, lanes, strict=True) if lane == at) for at in (0, 1)]
    assert max(loads) - min(loads) <= 9
    assert spread([1.0], 1) == [0]
