"""Bad input, some hundred kinds of it: one line that says what to do, an exit code, and no trace.

The calls are in ``tests/catalogue/*.txt``. Some are made in forks of a warm program, a few in
processes of their own; with ``RUNNER_FULL=1`` all of them are, in both ways.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.catalogue import world
from tests.catalogue.entries import Entry, entries
from tests.conftest import Program
from tests.warm import Done, Warm

ALL = entries()
FULL = bool(os.environ.get("RUNNER_FULL"))
# What Hydra composes takes it a seventh of a second; the verbs and the rest are all in.
WARM = [e for at, e in enumerate(ALL) if FULL or at % 6 == 0 or e.is_quick]
SAMPLE = ALL if FULL else ALL[::80]
LONGEST, SLOWEST, LARGEST = 200, 1.0, 500_000_000


@dataclass(frozen=True)
class World:
    """A folder to be wrong in, and the program that is called there."""

    folder: Path
    warm: Warm

    def files(self) -> dict[str, tuple[int, int]]:
        """Every path with what changes when it is written to."""
        found = {}
        for root in (self.folder, self.warm.cache):
            for folder, folders, names in os.walk(root):
                for name in (*folders, *names):
                    facts = os.lstat(path := os.path.join(folder, name))
                    found[path] = (facts.st_size, facts.st_mtime_ns)
        return found


@pytest.fixture(scope="module")
def there(warm: Warm) -> Iterator[World]:
    # Not pytest's own folder: a line has room for a short path, and a long one is clipped.
    with TemporaryDirectory() as name:
        folder = Path(name).resolve()
        world.make(folder, warm)
        yield World(folder, warm)


def check(entry: Entry, done: Done, folder: Path) -> None:
    assert "Traceback" not in done.stderr, done.stderr
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert len(line) <= LONGEST
    assert entry.fits(line, folder), line
    assert done.code == entry.code, line


@pytest.mark.parametrize("entry", WARM, ids=lambda entry: entry.text[:60])
def test_refused(there: World, entry: Entry) -> None:
    before = there.files()
    done = there.warm(entry.arguments, there.folder / entry.folder, env=entry.env)
    check(entry, done, there.folder)
    assert there.files() == before
    assert done.seconds < SLOWEST
    assert done.peak < LARGEST


@pytest.mark.parametrize("entry", SAMPLE, ids=lambda entry: entry.text[:60])
def test_refused_in_a_process_of_its_own(there: World, entry: Entry) -> None:
    before = there.files()
    program = Program(there.folder / entry.folder)
    done = program.start(
        *entry.arguments, env={**entry.env, "XDG_CACHE_HOME": str(there.warm.cache)}
    )
    check(entry, Done(done.returncode, done.stdout, done.stderr, 0.0, 0), there.folder)
    assert there.files() == before


def test_the_catalogue_is_large_and_says_nothing_twice() -> None:
    assert len(ALL) >= 600
    assert len({entry.text for entry in ALL}) == len(ALL)
    assert {entry.code for entry in ALL} == {2, 3}
