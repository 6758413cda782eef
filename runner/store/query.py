"""SQL conditions over rows that are dicts: what ``ls --where`` and a sweep's filter understand.

The language is SQLite's, which comes with Python: complete, quick to load, and without access to
anything but the rows. Dotted keys need no quotes; ``seeds.seed`` finds ``params.seeds.seed``.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from runner.errors import UnknownKeyError, UsageError, clip, nearest, one_line

_TOKEN = re.compile(
    r"""'(?:[^']|'')*'            # text
      | "(?:[^"]|"")*"            # a quoted name
      | [^\W\d]\w*(?:\.\w+)*      # a name, or a dotted key
      | \d[\w.]*                  # a number
      | .""",
    re.VERBOSE | re.DOTALL,
)
# Words of the condition language that are not columns, unless a column has that very name.
_WORDS = frozenset(
    "and or not in is null like glob between escape case when then else end cast as integer real "
    "text collate nocase true false exists isnull notnull regexp match".split()
)
_LONGEST = 10_000_000
"""Bytes of a text that a condition may make: ``zeroblob(2000000000)`` would fill the memory."""

_PREFIXES = ("", "params.", "metrics.")
_NAME = re.compile(r"[^\W\d]\w*(?:\.\w+)*")


def matching(
    rows: Sequence[Mapping[str, Any]], condition: str, *, option: str = "--where"
) -> list[int]:
    """The positions of the rows that meet the condition, in order.

    Args:
        rows: dotted key -> value; lists and dicts are compared as their JSON.
        condition: an SQL expression over the keys: ``seeds.seed < 5 and status = 'FINISHED'``.
        option: what the condition was given as, for messages.

    Raises:
        UnknownKeyError: it names a key that no row has.
        UsageError: it is no expression that SQLite understands.
    """
    if not condition.isascii() and condition.encode("utf-8", "ignore").decode() != condition:
        raise UsageError(f"{option} {clip(condition, 80)!r}: has bytes that are no UTF-8")
    columns = sorted({key for row in rows for key in row})
    text, used = _quoted(condition, columns, option)
    if not rows:
        return []
    database = sqlite3.connect(":memory:")
    try:
        listed = "".join(f", c{number}" for number in range(len(used)))
        database.execute(f"CREATE TABLE runs (position INTEGER PRIMARY KEY{listed})")
        marks = ", ?" * len(used)
        database.executemany(
            f"INSERT INTO runs VALUES (?{marks})",  # noqa: S608 - question marks alone
            ((at, *(_cell(row.get(key)) for key in used)) for at, row in enumerate(rows)),
        )
        database.set_authorizer(_reading_only)
        database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)
        # The condition is the user's to write; the authorizer lets it read these rows and no more.
        query = f"SELECT position FROM runs WHERE ({text}\n) ORDER BY position"  # noqa: S608
        found = database.execute(query)
        return [position for (position,) in found]
    except (sqlite3.Error, sqlite3.Warning, OverflowError) as error:
        reason = one_line(str(error), 80)
        raise UsageError(f"{option} {clip(condition, 80)!r}: {reason}") from None
    finally:
        database.close()


def _quoted(condition: str, columns: Sequence[str], option: str) -> tuple[str, list[str]]:
    """The condition with its keys as plain columns c0, c1, …, and the keys they stand for."""
    used: list[str] = []
    parts: list[str] = []
    tokens = _TOKEN.findall(condition)
    for at, token in enumerate(tokens):
        following = next((t for t in tokens[at + 1 :] if not t.isspace()), "")
        quoted = token.startswith('"') and len(token) > 1
        name = token[1:-1].replace('""', '"') if quoted else token
        column = _column(name, columns) if quoted or _NAME.fullmatch(token) else None
        if column is not None:
            if column not in used:
                used.append(column)
            parts.append(f"c{used.index(column)}")
        elif quoted or (
            _NAME.fullmatch(token) and token.lower() not in _WORDS and following != "("
        ):
            raise _unknown(name, condition, columns, option)
        elif token in (";", "?"):
            raise UsageError(f"{option} {clip(condition, 80)!r}: {token!r} has no place here")
        else:
            parts.append(token)
    return "".join(parts), used


def _unknown(name: str, condition: str, columns: Sequence[str], option: str) -> UnknownKeyError:
    there = [c.removeprefix("params.") for c in columns]
    error = UnknownKeyError(option, condition, name, there)
    name = clip(name, 40)
    hint = "" if nearest(name, there) else f" (text has quotes: '{name}')"
    error.problem = f"no column {name}{hint}: {error.problem}"
    return error


def _column(name: str, columns: Sequence[str]) -> str | None:
    return next((f"{p}{name}" for p in _PREFIXES if f"{p}{name}" in columns), None)


def _cell(value: Any) -> Any:
    if isinstance(value, str):  # a path may have bytes that are no UTF-8
        return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (list, tuple, dict)):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def _reading_only(action: int, *details: Any) -> int:
    """Lets a condition read the rows and call functions, and nothing else."""
    allowed = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION)
    dangerous = action == sqlite3.SQLITE_FUNCTION and details[1] == "load_extension"
    return sqlite3.SQLITE_OK if action in allowed and not dangerous else sqlite3.SQLITE_DENY
