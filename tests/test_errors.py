from __future__ import annotations

import errno
import os
import pickle

import pytest

from runner.errors import (
    AccessError,
    ConfigError,
    DamagedError,
    MissingExtraError,
    NotFoundError,
    RunnerError,
    UnknownKeyError,
    WriteError,
    unreadable,
)

ERRORS = [
    ConfigError("data.samples", 0, "needs a whole number from 1"),
    UnknownKeyError("data.clases", 3, "clases", ["samples", "classes"]),
    NotFoundError("run", "abc", ["abd", "x"]),
    DamagedError("a/b.parquet", "is missing"),
    MissingExtraError("scikit-learn", "sklearn", "data=iris"),
    WriteError("outputs", "Permission denied"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_survives_the_way_between_processes(error: RunnerError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert (again.line(), again.exit_code) == (error.line(), error.exit_code)


@pytest.mark.parametrize("value", ["x" * 1000, "a\nb\x1b[31m", [0.5] * 10**6, {"a": "y" * 500}])
def test_a_line_is_one_line_of_200_characters(value: object) -> None:
    line = ConfigError("k" * 300, value, "p" * 300).line()
    assert len(line) <= 200
    assert line.isprintable()


def test_the_nearest_name_is_offered() -> None:
    error = UnknownKeyError("clases", 3, "clases", ["samples", "classes"])
    assert "did you mean classes?" in str(error.under("data"))
    assert str(error).startswith("data.clases=3: ")


def test_errors_are_also_the_builtin_ones() -> None:
    assert isinstance(ERRORS[0], ValueError)
    assert isinstance(ERRORS[2], LookupError)
    assert isinstance(ERRORS[5], OSError)


@pytest.mark.parametrize(
    ("number", "kind", "exit_code"),
    [
        (errno.ENOENT, DamagedError, 2),
        (errno.EISDIR, DamagedError, 2),
        (errno.EIO, AccessError, 3),
        (errno.ENOSPC, AccessError, 3),
        (errno.EMFILE, AccessError, 3),
    ],
)
def test_a_file_that_cannot_be_read_is_damaged_or_the_disk_is(
    number: int, kind: type[RunnerError], exit_code: int
) -> None:
    error = unreadable("a/b.parquet", OSError(number, os.strerror(number)))
    assert type(error) is kind
    assert error.exit_code == exit_code
    assert "a/b.parquet" in error.line()
