"""Contenders measured in turns, so that a noisy machine is noisy for all of them alike."""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Protocol


@dataclass(frozen=True)
class Contender:
    """One way of doing the work.

    Attributes:
        name: its row in the table.
        run: does the work once. It may give the seconds that count; None: all that it took.
    """

    name: str
    run: Callable[[], float | None]


@dataclass(frozen=True)
class Benchmark:
    """One question and those who answer it.

    Attributes:
        title: the heading over the table.
        question: what is measured, in a sentence or two.
        contenders: the first is the one that the others are compared with.
        rounds: how often each is measured.
        goals: name of a contender -> the ratio it is to reach at most.
        of_first: ratios are of the first's time to each one's: what the first takes of theirs.
        warm: measure after a round that only warms up.
    """

    title: str
    question: str
    contenders: Sequence[Contender]
    rounds: int
    goals: dict[str, float]
    of_first: bool = False
    warm: bool = True


@dataclass(frozen=True)
class Course:
    """How something goes on over time, measured once.

    Attributes:
        title: the heading over the table.
        question: what is measured, in a sentence or two.
        columns: the heads of the table.
        rows: does the work; gives the cells, row by row.
    """

    title: str
    question: str
    columns: Sequence[str]
    rows: Callable[[], Sequence[Sequence[str]]]

    def markdown(self) -> str:
        """Does the work; gives the result as a section of Markdown."""
        lines = [f"## {self.title}", "", self.question, ""]
        rules = ["---", *["---:"] * (len(self.columns) - 1)]
        lines += [f"| {' | '.join(cells)} |" for cells in (self.columns, rules, *self.rows())]
        return "\n".join([*lines, ""])


class Module(Protocol):
    """What a benchmark's module has."""

    def benchmark(self, folder: Path, *, quick: bool) -> AbstractContextManager[Benchmark | Course]:
        """The benchmark, at a tiny size if ``quick``, with an empty folder to work in."""


@dataclass(frozen=True)
class Row:
    """What one contender took, in seconds, and its ratio to the first contender's time."""

    name: str
    median: float
    low: float
    high: float
    ratio: float
    goal: float | None


def measure(benchmark: Benchmark) -> list[Row]:
    """Measures every contender once a round."""
    times: dict[str, list[float]] = {contender.name: [] for contender in benchmark.contenders}
    for contender in _in_turns(benchmark, 1 if benchmark.warm else 0):
        contender.run()
    for contender in _in_turns(benchmark, benchmark.rounds):
        times[contender.name].append(_timed(contender))
    first = times[benchmark.contenders[0].name]
    rows = []
    for name, taken in times.items():
        # Round by round: a slow second of the machine is in both times and drops out.
        above, below = (first, taken) if benchmark.of_first else (taken, first)
        ratio = median(a / b for a, b in zip(above, below, strict=True))
        low, high = _quartiles(taken)
        rows.append(Row(name, median(taken), low, high, ratio, benchmark.goals.get(name)))
    return rows


def markdown(benchmark: Benchmark, rows: Sequence[Row]) -> str:
    """The result as a section of Markdown."""
    ratio = f"{benchmark.contenders[0].name} / this" if benchmark.of_first else "ratio"
    lines = [
        f"## {benchmark.title}",
        "",
        benchmark.question,
        "",
        f"| | median | middle half | {ratio} | goal |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        spread = f"{_time(row.low)} – {_time(row.high)}"
        goal = "" if row.goal is None else f"≤ {row.goal:.3g}"
        lines.append(f"| {row.name} | {_time(row.median)} | {spread} | {row.ratio:.3g} | {goal} |")
    return "\n".join([*lines, "", f"{benchmark.rounds} rounds, interleaved.", ""])


def _in_turns(benchmark: Benchmark, rounds: int) -> Iterator[Contender]:
    order = random.Random(0)
    for _ in range(rounds):
        yield from order.sample(benchmark.contenders, len(benchmark.contenders))


def _timed(contender: Contender) -> float:
    gc.collect()
    started = time.perf_counter()
    counted = contender.run()
    return time.perf_counter() - started if counted is None else counted


def _quartiles(taken: Sequence[float]) -> tuple[float, float]:
    if len(taken) < 2:
        return taken[0], taken[0]
    low, _, high = quantiles(taken, n=4, method="inclusive")
    return low, high


def _time(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds >= 1 else f"{seconds * 1000:.3g} ms"
