"""A table as named columns of numbers, whatever the file it comes from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from runner.errors import ConfigError, clip


class Missing(NamedTuple):
    """A column that lacks some of its values."""

    number: int


class Word(NamedTuple):
    """What is no number in a column of numbers, and the row that it stands in."""

    row: int
    text: str

    @property
    def has_comma(self) -> bool:
        """Whether it would be a number with a point instead of a comma."""
        return "," in self.text and is_number(self.text.replace(",", ""))


Column = NDArray[Any] | Missing | Word | str
"""The numbers of a column; or why it has none, a phrase."""


def is_number(text: str) -> bool:
    """Whether a text is a number as anybody would write it."""
    try:
        float(text)
    except ValueError:
        return False
    return True


class Part(NamedTuple):
    """Some rows of a table.

    Attributes:
        rows: how many.
        columns: name -> what the column has in these rows.
    """

    rows: int
    columns: Mapping[str, Column]

    def type(self, name: str) -> str:
        """numpy's name for the type of a column's numbers; empty: it has none."""
        column = self.columns[name]
        return column.dtype.name if isinstance(column, np.ndarray) else ""

    def numbers(self, name: str) -> NDArray[Any]:
        """The numbers of a column that is known to have some."""
        column = self.columns[name]
        assert isinstance(column, np.ndarray)
        return column


class UnreadableError(Exception):
    """A file that is not what its name says, or not a table; the text says why."""


@dataclass(frozen=True)
class Columns:
    """An open table.

    Attributes:
        names: of all columns, in order; they may repeat.
        rows: how many each has. None: known once they are read.
        parts: (names, types) -> the columns of these names, some rows at a time. ``types`` are
            numpy's names for those columns whose type is known: a file that has none of its own
            may hold whole numbers up to here, and a real one further on.
        index: names of columns that number the rows, and say nothing about them.
        groups: name of several columns together -> their names.
        held: names of columns that come only as a whole.
    """

    names: list[str]
    rows: int | None
    parts: Callable[[list[str], Mapping[str, str]], Iterator[Part]]
    index: frozenset[str] = frozenset()
    groups: Mapping[str, list[str]] = field(default_factory=dict)
    held: frozenset[str] = frozenset()

    @cached_property
    def known(self) -> frozenset[str]:
        """All names, in a form that is quick to ask."""
        return frozenset(self.names)

    def cells(self, wanted: list[str]) -> int:
        """How many numbers are held at a time when these columns are read part by part."""
        held = set()
        for group in self.groups.values():
            if not self.held.isdisjoint(group) and not set(wanted).isdisjoint(group):
                held.update(group)
        return (self.rows or 0) * len(held)


class Seen:
    """What is known of a column once all its parts have gone by.

    Attributes:
        dtypes: of its parts.
        greatest: of whole numbers, the largest. None: there are none.
    """

    def __init__(self) -> None:
        self.dtypes: set[np.dtype[Any]] = set()
        self.greatest: int | None = None
        self._missing = 0
        self._problem: str | None = None

    def add(self, start: int, part: Column) -> None:
        """The next values, from row ``start`` on."""
        if isinstance(part, Missing):
            self._missing += part.number
        elif isinstance(part, str):
            self._problem = self._problem or part
        elif isinstance(part, Word):
            word, where = repr(clip(part.text, 30)), _place(start + part.row)
            said = f"has the text {word} in {where}, needs numbers"
            if part.has_comma:
                said = f"has {word} in {where}, needs a point and no other marks: 1234.5"
            self._problem = self._problem or said
        else:
            self._add(start, part)

    def _add(self, start: int, part: NDArray[Any]) -> None:
        self.dtypes.add(part.dtype)
        if part.dtype.kind != "f":
            most = int(part.max())
            self.greatest = most if self.greatest is None else max(most, self.greatest)
        elif self._problem is None and not (finite := np.isfinite(part)).all():
            first = int(np.argmin(finite))
            self._problem = f"has {part[first]} in {_place(start + first)}, needs finite numbers"

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of all values: where some are real, all are."""
        return next(iter(self.dtypes)) if len(self.dtypes) == 1 else np.dtype(np.float64)

    def check(self, key: str, name: str, rows: int) -> None:
        """Refuses a column that is not all finite numbers.

        Raises:
            ConfigError: says what is wrong with it, under that key.
        """
        if self._missing:
            raise ConfigError(key, name, f"has {self._missing} of {rows} values missing")
        if self._problem:
            raise ConfigError(key, name, self._problem)


def _place(row: int) -> str:
    return f"row {row} (from 0)"
