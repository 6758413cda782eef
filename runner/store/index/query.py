"""SQL conditions over rows that are dicts: what ``ls --where`` and a sweep's filter understand.

The language is SQLite's, which comes with Python: complete, quick to load, and without access to
anything but the rows. Dotted keys need no quotes; ``seeds.seed`` finds ``params.seeds.seed``.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
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

_BEFORE_TEXT = ("=", "<", ">", "like", "glob")
"""What a text may stand behind, that nobody takes for a column."""

_LITERAL = re.compile(r"'(?:[^']|'')*'")
_NEAR = re.compile(r'near "(.*)": syntax error', re.DOTALL)

PREFIXES = ("", "params.", "metrics.")
"""What a key may be typed without."""

_NAME = re.compile(r"[^\W\d]\w*(?:\.\w+)*")


def matching(
    rows: Sequence[Mapping[str, Any]],
    condition: str,
    *,
    option: str = "--where",
    also: Callable[[str, Collection[str]], str | None] = lambda name, there: None,
) -> list[int]:
    """The positions of the rows that meet the condition, in order.

    Args:
        rows: dotted key -> value; lists and dicts are compared as their JSON, times as text in
            UTC, however the condition writes them.
        condition: an SQL expression over the keys: ``seeds.seed < 5 and status = 'FINISHED'``.
        option: what the condition was given as, for messages.
        also: from a name, and the columns of the rows, one that all of them lack and might have.

    Raises:
        UnknownKeyError: it names a key that no row has.
        UsageError: it is no expression that SQLite understands.
    """
    if not condition.isascii() and condition.encode("utf-8", "ignore").decode() != condition:
        raise UsageError(f"{option} {clip(condition, 80)!r}: has bytes that are no UTF-8")
    columns = sorted({key for row in rows for key in row})
    text, used = _quoted(condition, columns, option, also)
    _check_brackets(condition, option)
    times = [key for key in used if any(isinstance(row.get(key), datetime) for row in rows)]
    if times:
        text = _LITERAL.sub(lambda found: _time_in(found[0]), text)
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
        reason = one_line(_in_our_words(str(error), used), 80)
        raise UsageError(f"{option} {clip(condition, 80)!r}: {reason}") from None
    finally:
        database.close()


def names_in(condition: str) -> list[str]:
    """What a condition may name columns by, with or without quotation marks."""
    tokens = [_key_in(token) for token in _TOKEN.findall(condition)]
    return [name for name in tokens if name is not None]


def _key_in(token: str) -> str | None:
    """The name that a token is; None: it is none."""
    if token.startswith('"') and len(token) > 1:
        return token[1:-1].replace('""', '"')
    return token if _NAME.fullmatch(token) else None


def _check_brackets(condition: str, option: str) -> None:
    """What stands in brackets that the condition has not opened would be no condition."""
    depth = 0
    for part in _TOKEN.findall(condition):
        depth += (part == "(") - (part == ")")
        if depth < 0:
            break
    if depth:
        which = "opened and not closed" if depth > 0 else "closed and not opened"
        raise UsageError(f"{option} {clip(condition, 80)!r}: a bracket is {which}")


def _in_our_words(reason: str, used: Sequence[str]) -> str:
    """What SQLite has against a condition; it knows our columns by number."""
    found = _NEAR.fullmatch(reason)
    if reason == "incomplete input" or (found and found[1] == ")"):
        return "it ends too early"
    if found:
        number = found[1].removeprefix("c")
        known = found[1].startswith("c") and number.isdecimal() and int(number) < len(used)
        return f"cannot be read from {used[int(number)] if known else found[1]!r} on"
    if reason.startswith("unrecognized token: "):
        return f"not understood: {reason.removeprefix('unrecognized token: ')}"
    if reason.startswith("no such table: "):
        return "IN needs values in brackets; a list is searched as text: tags LIKE '%word%'"
    return reason.replace("no such function: ", "there is no function ")


def _time_in(literal: str) -> str:
    """A text that is a time, as the times of the rows are written: in UTC, with a blank inside."""
    try:
        time = datetime.fromisoformat(literal[1:-1])
    except ValueError:
        return literal
    is_day = len(literal) == len("'2026-11-25'")
    return literal if is_day else f"'{_time(time)}'"


def _time(value: datetime) -> str:
    value = value.astimezone(UTC) if value.tzinfo else value
    return value.replace(tzinfo=None).isoformat(sep=" ")


def _quoted(
    condition: str,
    columns: Sequence[str],
    option: str,
    also: Callable[[str, Collection[str]], str | None],
) -> tuple[str, list[str]]:
    """The condition with its keys as plain columns c0, c1, …, and the keys they stand for."""
    used: list[str] = []
    parts: list[str] = []
    tokens = _TOKEN.findall(condition)
    for at, token in enumerate(tokens):
        following = next((t for t in tokens[at + 1 :] if not t.isspace()), "")
        key = _key_in(token)
        quoted = key is not None and key != token
        name, is_key = key or token, key is not None
        column = _column(name, columns) if is_key else None
        if column is None and not quoted:
            is_key = is_key and token.lower() not in _WORDS and following != "("
        if column is None and is_key:
            column = also(name, columns)
        if column is not None:
            if column not in used:
                used.append(column)
            parts.append(f"c{used.index(column)}")
        elif is_key:
            before = next((t for t in reversed(tokens[:at]) if not t.isspace()), "")
            is_text = quoted or before.lower() in _BEFORE_TEXT
            raise _unknown(name, condition, columns, option, is_text)
        elif token in ("'", '"'):
            raise UsageError(f"{option} {clip(condition, 80)!r}: a quotation mark is not closed")
        elif token in (";", "?"):
            raise UsageError(f"{option} {clip(condition, 80)!r}: {token!r} has no place here")
        else:
            parts.append(token)
    return "".join(parts), used


def _unknown(
    name: str, condition: str, columns: Sequence[str], option: str, is_text: bool
) -> UnknownKeyError:
    there = [c.removeprefix("params.") for c in columns]
    error = UnknownKeyError(option, condition, name, there)
    name = clip(name, 40)
    is_text = is_text or not nearest(name, there)
    hint = f" (text has single quotes: '{name}')" if is_text else ""
    error.problem = f"no column {name}{hint}: {error.problem}"
    return error


def _column(name: str, columns: Sequence[str]) -> str | None:
    return next((f"{p}{name}" for p in PREFIXES if f"{p}{name}" in columns), None)


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return _time(value)
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
