"""Rows that are packed by the block."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from runner.sweep import rows
from runner.sweep.places import Row
from runner.sweep.rows import Rows


def _row(number: int, status: str = "FINISHED") -> Row:
    when = datetime(2026, 11, 24, tzinfo=UTC)
    directory = f"of-{number}"
    return {"number": number, "status": status, "directory": directory, "x": -0.0, "time": when}


def test_they_come_back_as_they_were_and_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "_BLOCK", 3)
    kept = Rows()
    numbers = [7, 1, 0, 2, 9, 8, 30, 4, 3, 5, 6]
    for number in numbers:
        kept.add(_row(number))
    assert list(kept) == sorted(numbers)
    assert repr(list(kept.values())) == repr([_row(number) for number in sorted(numbers)])
    assert kept.directories == {f"of-{number}" for number in numbers}
    with pytest.raises(KeyError):
        kept[10]


@pytest.mark.parametrize("between", [0, 1, 5])
def test_of_two_with_one_number_the_later_one_counts(
    monkeypatch: pytest.MonkeyPatch, between: int
) -> None:
    monkeypatch.setattr(rows, "_BLOCK", 2)
    kept = Rows()
    kept.add(_row(0, "FAILED"))
    for number in range(1, 1 + between):
        kept.add(_row(number))
    assert kept[0]["status"] == "FAILED"
    kept.add(_row(0))
    assert (kept[0]["status"], kept.statuses[0], len(kept)) == ("FINISHED", "FINISHED", 1 + between)
