"""Anything as input, a little of it each time; ``python -m tests.fuzz`` goes on for longer."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz import seeds
from tests.fuzz.targets import TARGETS

# How many, by what one costs.
COUNTS = {"overrides": 12, "yaml": 12, "table": 150, "verb": 150, "stored": 40}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("fuzz")
    seeds.make(place)
    return place


def mutated(corpus: list[bytes], how: int) -> bytes:
    """A seed with a word put in, bytes changed or cut out, or the end of another one."""
    rng = random.Random(how)
    made = bytearray(rng.choice(corpus))
    for _ in range(rng.choice((1, 1, 2, 4))):
        at = rng.randrange(len(made) + 1)
        match rng.randrange(4):
            case 0:
                made[at:at] = rng.choice(seeds.WORDS).encode("latin-1")
            case 1:
                del made[at : at + rng.choice((1, 2, 8))]
            case 2:
                made[at : at + 1] = bytes([rng.randrange(256)])
            case _:
                other = rng.choice(corpus)
                made[at:] = other[rng.randrange(len(other) + 1) :]
    return bytes(made)


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_breaks_it(folder: Path, name: str) -> None:
    corpus = seeds.seeds(name, folder)

    @settings(
        max_examples=COUNTS[name],
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.integers(0, 2**32).map(lambda how: mutated(corpus, how)) | st.binary(max_size=200))
    def any_input(data: bytes) -> None:
        TARGETS[name](data, folder)

    any_input()


@pytest.mark.parametrize("name", ["table", "stored"])
def test_the_seeds_are_no_bugs(folder: Path, name: str) -> None:
    for seed in seeds.seeds(name, folder):
        TARGETS[name](seed, folder)
