from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest

from runner.analysis.columns import column_of
from runner.errors import UnknownKeyError, UsageError
from runner.store.index.query import matching

ROWS = [
    {"params.seeds.seed": n, "status": "FINISHED", "metrics.loss": n / 10, "tags": ["a", str(n)]}
    for n in range(10)
] + [{"params.seeds.seed": 10, "status": "FAILED", "name": "it's"}]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("seeds.seed < 3", [0, 1, 2]),
        ("params.seeds.seed < 2", [0, 1]),
        ('"params.seeds.seed" < 2', [0, 1]),
        ("status = 'FAILED'", [10]),
        ("loss > 0.75 and status='FINISHED'", [8, 9]),
        ("metrics.loss IS NULL", [10]),
        ("seeds.seed in (1, 3) or name like 'it''s'", [1, 3, 10]),
        ("tags like '%\"4\"%'", [4]),
        ("abs(seeds.seed - 5) <= 1", [4, 5, 6]),
        ("seeds.seed % 5 = 0", [0, 5, 10]),
        ("status = 'seeds.seed'", []),
    ],
)
def test_finds(condition: str, expected: list[int]) -> None:
    assert matching(ROWS, condition) == expected


def test_an_unknown_key_says_which_is_near() -> None:
    with pytest.raises(UnknownKeyError, match=r"did you mean seeds\.seed"):
        matching(ROWS, "seeds.sed < 3")
    with pytest.raises(UnknownKeyError, match=r"did you mean seeds\.seed"):
        matching(ROWS, "sed < 3")
    with pytest.raises(
        UnknownKeyError, match=r"no column FINISHED \(text has single quotes: 'FINISHED'\)"
    ):
        matching(ROWS, "seeds.seed = FINISHED")
    # Also where a column is called something like it.
    for text in ('"seeds"', "seeds"):
        with pytest.raises(
            UnknownKeyError, match=r"seeds \(text has single quotes: 'seeds'\): did"
        ):
            matching(ROWS, f"status = {text}")
    with pytest.raises(UnknownKeyError, match=r"no column seeds: did you mean"):
        matching(ROWS, "seeds = 1")


@pytest.mark.parametrize(
    "condition",
    ["seeds.seed <", "1) or (1", "; drop table runs", "(select count(*) from sqlite_master) >",
     "load_extension('x')", "seeds.seed < ?"],
)  # fmt: skip
def test_refuses_what_is_no_condition(condition: str) -> None:
    with pytest.raises((UsageError, UnknownKeyError)):
        matching(ROWS, condition)


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("seeds.seed <", "it ends too early"),
        ("(seeds.seed < 5", "a bracket is opened and not closed"),
        ("1) or (1", "a bracket is closed and not opened"),
        ("seeds.seed < = 5", "cannot be read from '=' on"),
        ("name seeds.seed", "cannot be read from 'params.seeds.seed' on"),
        ("name = 'a", "a quotation mark is not closed"),
        ("near(name)", "there is no function near"),
        ("'a' in name", "IN needs values in brackets"),
        ("name = '\udcff'", "no UTF-8"),
    ],
)
def test_says_where(condition: str, words: str) -> None:
    with pytest.raises(UsageError, match=re.escape(words)):
        matching(ROWS, condition)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("start_time > '2026-11-25T22:00'", [1, 2]),
        ("start_time > '2026-11-25 22:00:00'", [1, 2]),
        ("start_time > '2026-11-25T23:00+01:00'", [1, 2]),
        ("start_time >= '2026-11-25T22:00:00.000001Z' and name = '2026'", []),
        ("start_time = '2026-11-25T22:00:00.000001+00:00'", [1]),
        ("start_time < '2026-11-26'", [0, 1]),
        ("date(start_time) = '2026-11-26'", [2]),
        ("start_time between '2026-11-25T21:00' and '2026-11-25T22:30'", [0, 1]),
    ],
)
def test_times(condition: str, expected: list[int]) -> None:
    seconds = (0.0, 1e-6, 7200.0)
    begun = [datetime(2026, 11, 25, 22, tzinfo=UTC) + timedelta(seconds=s) for s in seconds]
    begun[2] = begun[2].astimezone(timezone(timedelta(hours=2)))
    rows = [{"start_time": time, "name": None} for time in begun]
    assert matching(rows, condition) == expected


def test_columns_that_no_row_has() -> None:
    assert matching(ROWS, "save.rows is null and seeds.seed < 1", also=column_of) == [0]
    assert matching([], "layers.dense1.n_neurons < 5 and env.numpy = '2'", also=column_of) == []
    for rows, unknown in ((ROWS, "layers.dense1.n_neurons"), ([], "layers.dense1.x"), ([], "x")):
        with pytest.raises(UnknownKeyError):
            matching(rows, f"{unknown} < 5", also=column_of)


def test_the_rows_stay_as_they_are() -> None:
    with pytest.raises(UnknownKeyError):
        matching(ROWS, "exists (select writefile('x', 'y'))")
