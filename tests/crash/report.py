"""What a harness has found: numbers, what a machine can't do, and every promise broken."""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")

_SHOWN = 40  # findings that are printed at once; all are counted


class Report:
    """Kept while a harness runs.

    Args:
        name: of the harness.
        seed: of everything that is drawn.
    """

    def __init__(self, name: str, seed: int = 0) -> None:
        self.name = name
        self.missing = ""
        self.counts: Counter[str] = Counter()
        self.findings: list[str] = []
        self.dice = random.Random(seed)
        self._begun = time.monotonic()

    def needs(self, missing: str) -> None:
        """Notes what this machine lacks, if it lacks anything."""
        self.missing = self.missing or missing

    def some(self, items: Sequence[Item], n: int | None) -> list[Item]:
        """All items, or ``n`` of them drawn, in order."""
        if n is None or n >= len(items):
            return list(items)
        return [items[at] for at in sorted(self.dice.sample(range(len(items)), n))]

    def count(self, what: str, by: int = 1) -> None:
        """Counts something that was done."""
        self.counts[what] += by

    def check(self, what: str, problems: Sequence[str]) -> bool:
        """Takes in what was found after something was done; whether that was nothing."""
        self.counts["checks"] += 1
        for problem in problems:
            self.findings.append(f"{what}: {problem}")
            if len(self.findings) <= _SHOWN:
                self.say(f"BROKEN {what}: {problem}")
        return not problems

    def say(self, line: str) -> None:
        """Tells how it goes."""
        sys.stderr.write(f"{self.name}: {line}\n")
        sys.stderr.flush()

    def line(self) -> str:
        """The result."""
        if self.missing:
            return f"{self.name}: skipped, {self.missing}"
        told = ", ".join(f"{count} {what}" for what, count in sorted(self.counts.items()))
        seconds = time.monotonic() - self._begun
        return f"{self.name}: {told}; {len(self.findings)} promises broken; {seconds:.0f} s"
