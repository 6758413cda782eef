"""The catalogue: text files of calls and of what comes of them, to be read by people as well.

    $ data.samples=0
    2 data.samples=0: needs a whole number from 1

A call is written as in a shell, without ``python -m runner``: ``NAME=value`` in capitals in front
sets a variable of the environment, ``@folder`` stands in a folder of the world. Below it are the
exit code and the line without its ``runner: ``; ``<world>`` is the folder the calls are made in,
``<any>`` what is up to the machine or to a library.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
_VARIABLE = re.compile(r"([A-Z]+)=(.*)", re.DOTALL)
_BYTE = re.compile(r"\\x([0-9a-f]{2})")


@dataclass(frozen=True)
class Entry:
    """A call that is refused.

    Attributes:
        text: as it is written in the file.
        arguments: of the program.
        env: variables of the environment.
        folder: where it is made, below the world.
        code: the exit code.
        line: what goes to stderr.
    """

    text: str
    arguments: tuple[str, ...]
    env: dict[str, str]
    folder: str
    code: int
    line: str

    @property
    def is_quick(self) -> bool:
        """Whether it is answered without Hydra."""
        return "=" not in self.arguments[0] and not self.arguments[0].startswith(("-", "~", "+"))

    def fits(self, text: str, world: Path) -> bool:
        """Whether a line is the one that is expected."""
        pattern = re.escape(f"runner: {self.line}").replace("<any>", ".*")
        return re.fullmatch(pattern.replace("<world>", re.escape(str(world))), text) is not None


def entries() -> list[Entry]:
    """All of them."""
    return [entry for path in sorted(FOLDER.glob("*.txt")) for entry in _read(path)]


def _read(path: Path) -> Iterator[Entry]:
    call: str | None = None
    for line in path.read_text("utf-8").splitlines():
        if line.startswith("$ "):
            assert call is None, line
            call = line[2:]
        elif line and not line.startswith("#"):
            assert call is not None, line
            code, _, text = line.partition(" ")
            yield _entry(call, int(code), text)
            call = None


def _entry(text: str, code: int, line: str) -> Entry:
    words = shlex.split(text)
    env: dict[str, str] = {}
    while words and (found := _VARIABLE.fullmatch(words[0])):
        env[found[1]] = found[2]
        del words[0]
    folder = words.pop(0)[1:] if words and words[0].startswith("@") else ""
    return Entry(text, tuple(map(_spelt_out, words)), env, folder, code, line)


def _spelt_out(word: str) -> str:
    """A word with its escapes as the byte it stands for."""
    data = _BYTE.sub(lambda found: chr(int(found[1], 16)), word)
    return (
        data.encode("latin-1", "ignore").decode("utf-8", "surrogateescape")
        if data != word
        else word
    )
