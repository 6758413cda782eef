"""A YAML file of the user's, looked through before it is loaded.

A few lines of YAML can stand for any number of values, and loading is far slower than looking. And
YAML 1.1 takes some words for something else than most people do: where that is so, it is told.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

import yaml

from runner import schema
from runner.errors import UsageError, clip, one_line
from runner.limits import size

MOST_BYTES = 4 << 20
MOST_VALUES = 100_000
"""Of one file, every alias counted as what it stands for."""

DEEPEST = 40
_TOO_DEEP = f"more than {DEEPEST} levels deep: nothing here needs so many"

TOO_MANY_DIGITS = "has a number of more than 4300 digits, too long to be read"
_DIGITS = re.compile(r"(?:[0-9]_?){4301}")  # Python reads no longer one

_PARSER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_PLAIN_TAGS = {f"tag:yaml.org,2002:{name}" for name in "str int float bool null seq map".split()}
_NO_KEYS = (yaml.ScalarEvent, yaml.SequenceStartEvent)
_SWITCHES = re.compile(r"(yes|Yes|YES|on|On|ON)|(?:no|No|NO|off|Off|OFF)")
_OCTAL = re.compile(r"[-+]?0[0-9_]+")
_CLOCK = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")
_TRUTH = re.compile(r"true|True|TRUE|false|False|FALSE")
_NUMBER = re.compile(r"[-+]?(?:[0-9][0-9_]*)?\.?[0-9_]*(?:[eE][-+]?[0-9]+)?")


def check_file(path: Path) -> None:
    """Refuses what is too much, or could mean two things.

    Raises:
        UsageError: says the file, the line, and what to write instead.
    """
    _Look(path, _text_of(path)).run()


@cache
def text_keys() -> frozenset[str]:
    """The keys of our configuration that hold text, by their last part."""
    schemas = [schema.Config, *(s for options in schema.OPTIONS.values() for s in options.values())]
    hints = {name: str(hint) for s in schemas for name, hint in s.__annotations__.items()}
    hints.pop("_target_")
    return frozenset(n for n, hint in hints.items() if "str" in hint and "dict" not in hint)


def not_as_typed(text: str) -> str | None:
    """What unquoted text for a key that holds text would be changed into; None: it stays."""
    if _TRUTH.fullmatch(text):
        return str(text.lower() == "true")
    if not _NUMBER.fullmatch(text) or not any(map(str.isdecimal, text)):
        return None
    try:
        kept = str(int(text)) if text.lstrip("+-").replace("_", "").isdecimal() else None
        kept = str(float(text)) if kept is None else kept
    except ValueError:
        return None
    return None if kept == text else kept


def too_many_digits(text: str) -> bool:
    """Whether there is a number that is too long to be read."""
    return _DIGITS.search(text) is not None


def leading_zero(text: str) -> bool:
    """Whether a number could be octal."""
    return _OCTAL.fullmatch(text) is not None and text.strip("+-0_") != ""


@dataclass
class _Frame:
    """A mapping or a list that is being looked at.

    Attributes:
        is_map: which of them.
        name: the key that it stands at.
        anchor: what it may be called by.
        count: values in it so far.
        key: of the value that comes next; None: a key comes next.
        target: what its ``_target_`` says.
        held: complaints that hold only if the mapping is one of ours.
    """

    is_map: bool
    name: str
    anchor: str | None
    count: int = 1
    key: str | None = None
    target: str | None = None
    held: list[tuple[int, str]] = field(default_factory=list)


class _Look:
    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._text = text
        self._stack = [_Frame(False, "", None)]
        self._sizes: dict[str, int] = {}

    def run(self) -> None:
        documents = 0
        try:
            for event in yaml.parse(self._text, Loader=_PARSER):
                if len(self._stack) == 1 and isinstance(event, _NO_KEYS):
                    self._no_keys(event)
                documents += isinstance(event, yaml.DocumentStartEvent)
                if documents > 1:
                    self._refuse(event, "a second document begins here: one file, one document")
                self._take(event)
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            if any(text.strip(" ").startswith("\t") for text in self._lines(line)):
                self._refuse_at(line, "begins with a tab: YAML wants blanks")
            if "nesting depth" in (error.problem or ""):  # newer parsers read ahead, and count too
                self._refuse_at(line, _TOO_DEEP)
            self._refuse_at(line, one_line(error.problem or str(error), 80))
        except yaml.YAMLError as error:
            reason = one_line(str(error).partition(' in "<')[0], 90)
            raise UsageError(f"{self._place}: {reason}") from None
        for line, problem in self._stack[0].held:
            self._refuse_at(line, problem)

    def _lines(self, number: int) -> list[str]:
        return self._text.splitlines()[number - 1 : number]

    def _no_keys(self, event: Any) -> None:
        """A file that is a list or a word; one with nothing in it is as good as an empty one."""
        if not isinstance(event, yaml.ScalarEvent) or event.value not in ("", "null", "~"):
            self._refuse(event, "needs keys and values, as in `a: 1`")

    def _take(self, event: Any) -> None:
        if isinstance(event, yaml.AliasEvent):
            if event.anchor in (frame.anchor for frame in self._stack):
                self._refuse(event, f"*{clip(str(event.anchor), 30)} contains itself")
            self._count(event, self._sizes.get(str(event.anchor), 1))
        elif isinstance(event, yaml.ScalarEvent):
            self._check_tag(event)
            self._scalar(event)
            if event.anchor:
                self._sizes[event.anchor] = 1
        elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            self._check_tag(event)
            top = self._stack[-1]
            name = top.key or "" if top.is_map else top.name
            self._stack.append(
                _Frame(isinstance(event, yaml.MappingStartEvent), name, event.anchor)
            )
            if len(self._stack) > DEEPEST + 1:
                self._refuse(event, _TOO_DEEP)
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            frame = self._stack.pop()
            if frame.anchor:
                self._sizes[frame.anchor] = frame.count
            if frame.target is None or frame.target in schema.BY_TARGET:
                # What a class of the user's calls `name` may well be a number.
                self._stack[-1].held += frame.held
            self._count(event, frame.count)

    def _count(self, event: Any, count: int) -> None:
        """So many values more in the innermost mapping or list; the next is a key again."""
        top = self._stack[-1]
        top.count += count
        if top.is_map:
            top.key = None if top.key is not None else ""
        if sum(frame.count for frame in self._stack) > MOST_VALUES:
            problem = f"stands for more than {MOST_VALUES} values; numbers go to a table"
            self._refuse(event, problem)

    def _scalar(self, event: Any) -> None:
        top, text = self._stack[-1], event.value
        is_key = top.is_map and top.key is None
        plain = event.style in (None, "") and event.implicit[0] and event.tag is None
        if plain:
            self._check_words(event, text)
        name = top.key if top.is_map else top.name
        if plain and not is_key and name in text_keys() and (kept := not_as_typed(text)):
            what = f"{name}: {clip(text, 30)} is read as {kept}; as text it needs quotes"
            top.held.append((event.start_mark.line + 1, what))
        if top.is_map and top.key == "_target_":
            top.target = text
        self._count(event, 1)
        if is_key:
            top.key = text

    def _check_words(self, event: Any, text: str) -> None:
        switch = _SWITCHES.fullmatch(text)
        if switch:
            value = "true" if switch[1] else "false"
            self._refuse(event, f"{text} is read as {value}: write {value}, or '{text}' in quotes")
        if _NUMBER.fullmatch(text) and too_many_digits(text):
            self._refuse(event, TOO_MANY_DIGITS)
        if leading_zero(text):
            self._refuse(event, f"{clip(text, 30)} is octal to YAML: write it without a leading 0")
        if _CLOCK.fullmatch(text):
            self._refuse(event, f"{clip(text, 30)} is a number to base 60: put it in quotes")

    def _check_tag(self, event: Any) -> None:
        tag = event.tag
        if tag is not None and tag != "!" and tag not in _PLAIN_TAGS:
            self._refuse(event, f"the tag {clip(tag, 60)} has no place in a configuration")

    @property
    def _place(self) -> str:
        return clip(str(self._path), 80, keep_end=True)

    def _refuse(self, event: Any, problem: str) -> NoReturn:
        self._refuse_at(event.start_mark.line + 1, problem)

    def _refuse_at(self, line: int, problem: str) -> NoReturn:
        raise UsageError(f"{self._place}, line {line}: {problem}")


def _text_of(path: Path) -> str:
    place = clip(str(path), 90, keep_end=True)
    try:
        # Not to wait for ever at a pipe.
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
        with open(os.open(path, flags), "rb", buffering=0) as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise UsageError(f"{place}: is no file")
            if found.st_size > MOST_BYTES:
                many = f"{size(found.st_size)} of YAML, at most {size(MOST_BYTES)}"
                raise UsageError(f"{place}: {many}; numbers go to a table")
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{place}: cannot be read: {error.strerror or error}") from None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"{place}: is not UTF-8 (byte {error.start}): save it as such") from None
