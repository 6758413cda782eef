"""Generated datasets as streams: the bits of nnfs, and its generator left where nnfs leaves it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.random import RandomState

import runner.data
from runner.data import rows, stream

SIZES: list[tuple[str, dict[str, int]]] = [
    *(("spiral", {"samples": n, "classes": c}) for n, c in [(1, 1), (2, 2), (999, 3), (2001, 2)]),
    *(("vertical", {"samples": n, "classes": c}) for n, c in [(1, 1), (2, 2), (999, 3), (2001, 2)]),
    ("spiral", {"samples": 3, "classes": 256}),
    ("sine", {"samples": 1}),
    ("sine", {"samples": 2500}),
    ("normal", {"samples": 2500, "features": 3}),
    ("normal", {"samples": 3, "features": 2500}),
]


@pytest.mark.parametrize(("name", "sizes"), SIZES)
def test_the_bits_and_the_generator_are_those_of_making_it_at_once(
    name: str, sizes: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (rows, stream):
        monkeypatch.setattr(module, "BLOCK_ROWS", 1000)
    monkeypatch.setattr(stream, "HELD", 0)
    at_once, streamed = RandomState(3), RandomState(3)
    for state in (at_once, streamed):
        state.randn()  # so that a number drawn ahead waits in the generator
    made = runner.data.make(f"runner.data.{name}", sizes, at_once)
    found = runner.data.source(f"runner.data.{name}", sizes, streamed).rows
    assert found is not None
    blocks = list(found.blocks())
    assert max(len(block.inputs) for block in blocks) <= 1000
    assert _joined(block.inputs for block in blocks) == (made.inputs.dtype, made.inputs.tobytes())
    if made.targets is None:
        assert found.targets is None
        assert all(block.targets is None for block in blocks)
    else:
        expected = (made.targets.dtype, made.targets.tobytes())
        assert _joined(block.targets for block in blocks) == expected
        assert found.targets is not None
        assert _joined(found.targets()) == expected
    assert at_once.randn(3).tolist() == streamed.randn(3).tolist()


def _joined(parts: Any) -> tuple[np.dtype[Any], bytes]:
    whole = np.concatenate(list(parts))
    return whole.dtype, whole.tobytes()


def test_small_datasets_are_made_at_once() -> None:
    assert runner.data.source("runner.data.spiral", {"samples": 100}, RandomState(0)).rows is None
