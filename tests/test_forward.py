"""The pass over the layers: the same bits however the rows are cut and spread."""

from __future__ import annotations

import time
import weakref
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.random import RandomState

from runner.errors import LayerFailedError
from runner.forward import budget, network
from runner.forward import run as forward
from runner.forward.run import Batch, run, tiled
from runner.forward.statistics import piece_of
from runner.numerics import TILE, rule


class Plain:
    """Instantiates without Hydra, as a test may."""

    def __init__(self, **classes: Any) -> None:
        self._classes = classes

    def locate(self, target: str) -> Any:
        return self._classes[target.rpartition(".")[2]]

    def call(self, target: str, kwargs: Mapping[str, Any]) -> Any:
        return self.locate(target)(**kwargs)


def _network(layers: dict[str, Any], features: int, numerics: str, **classes: Any) -> Any:
    plans = network.plan(layers, features, trust=["mine"])
    random_state = RandomState(0)
    return network.build(plans, rule(numerics), lambda position: random_state, Plain(**classes))


def _dense(n_neurons: int, **more: Any) -> dict[str, Any]:
    return {"_target_": "runner.layers.Dense", "n_neurons": n_neurons, **more}


def _outputs(
    inputs: np.ndarray, layers: Any, numerics: str, batch_size: int, threads: int
) -> list[np.ndarray]:
    found: list[list[Batch]] = [[] for _ in layers]
    for batch in run(
        tiled(inputs), len(inputs), layers, rule=rule(numerics), batch_size=batch_size,
        threads=threads, clock=time.perf_counter,
    ):  # fmt: skip
        assert batch.start == sum(len(b.outputs) for b in found[batch.position])
        found[batch.position].append(batch)
    return [np.concatenate([b.outputs for b in batches]) for batches in found]


@pytest.mark.parametrize("numerics", ["nnfs", "float32", "float64"])
def test_batches_and_threads_change_no_bit(numerics: str) -> None:
    layers = {
        "a": _dense(17),
        "b": {"_target_": "runner.layers.Tanh"},
        "c": _dense(33),
        "d": {"_target_": "runner.layers.Softmax"},
    }
    inputs = RandomState(1).randn(3 * TILE + 5, 64).astype(np.float32)
    built = _network(layers, 64, numerics)
    once = _outputs(inputs, built, numerics, 65536, 1)
    for batch_size, threads in [(1, 1), (1, 2), (7, 2), (5000, 3), (65536, 2)]:
        again = _outputs(inputs, built, numerics, batch_size, threads)
        for first, second in zip(once, again, strict=True):
            np.testing.assert_array_equal(first, second)
            assert first.dtype == rule(numerics).dtype


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_the_legs_that_tiles_go_in_change_no_bit(
    monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    monkeypatch.setattr(forward, "_LONG", 0)  # one thread, too, has a pool then
    layers = {f"d{number}": _dense(3 + number % 4) for number in range(9)}
    inputs = RandomState(1).randn(6 * TILE + 5, 4).astype(np.float32)
    built = _network(layers, 4, "nnfs")
    expected = _outputs(inputs, built, "nnfs", 65536, threads)
    for most in (1, 100_000, 1_000_000):
        monkeypatch.setattr(budget, "BYTES", most)
        for batch_size in (1, 65536):
            found = _outputs(inputs, built, "nnfs", batch_size, threads)
            for first, second in zip(expected, found, strict=True):
                np.testing.assert_array_equal(first, second)


def test_what_is_in_the_works_is_bounded_in_bytes_not_in_layers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    most, width = 1 << 22, 16
    monkeypatch.setattr(budget, "BYTES", most)
    made: list[weakref.ref[np.ndarray]] = []
    peaks = []

    def noted(outputs: Any) -> Any:
        made.append(weakref.ref(outputs))
        there = [array for ref in tuple(made) if (array := ref()) is not None]
        peaks.append(sum(array.nbytes for array in there))
        return piece_of(outputs)

    monkeypatch.setattr(forward, "piece_of", noted)
    layers = {f"d{number}": _dense(width) for number in range(60)}
    inputs = RandomState(1).randn(8 * TILE, 4).astype(np.float32)
    built = _network(layers, 4, "nnfs")
    for _ in run(
        tiled(inputs), len(inputs), built, rule=rule("nnfs"), batch_size=65536, threads=2,
        clock=time.perf_counter,
    ):  # fmt: skip
        time.sleep(0.0005)
    layer = TILE * width * 4
    # The legs in the works, one that is handed on, and what arrives at each.
    assert max(peaks) <= most + most // 4 + 5 * layer
    assert len(peaks) == 8 * 60


class Mean:
    """Needs all rows at once: subtracts their mean."""

    rowwise = False

    def forward(self, inputs: np.ndarray) -> np.ndarray:
        centred: np.ndarray = inputs - inputs.mean(axis=0)
        return centred


def test_a_layer_may_ask_for_all_rows_at_once() -> None:
    layers = {"a": _dense(3), "m": {"_target_": "mine.Mean"}, "b": _dense(2)}
    inputs = RandomState(1).randn(2 * TILE + 9, 2).astype(np.float32)
    built = _network(layers, 2, "nnfs", Mean=Mean)
    a, m, b = _outputs(inputs, built, "nnfs", 1, 2)
    np.testing.assert_array_equal(m, a - a.mean(axis=0))
    np.testing.assert_array_equal(b[:TILE], built[2].layer.forward(m[:TILE]))


class InPlace:
    """Works on its inputs and keeps its outputs, as a careless class does."""

    def forward(self, inputs: np.ndarray) -> None:
        inputs *= 2
        self.output = inputs


def test_a_class_that_works_in_place_changes_nothing_before_it() -> None:
    layers = {"a": _dense(3), "twice": {"_target_": "mine.InPlace"}}
    inputs = RandomState(1).randn(10, 2).astype(np.float32)
    a, twice = _outputs(inputs, _network(layers, 2, "nnfs", InPlace=InPlace), "nnfs", 1, 1)
    np.testing.assert_array_equal(twice, 2 * a)


class Wrong:
    def __init__(self, what: str) -> None:
        self.what = what

    def forward(self, inputs: np.ndarray) -> Any:
        if self.what == "raise":
            raise ZeroDivisionError("by zero")
        if self.what == "exit":
            raise SystemExit(0)
        given = {"width": inputs[:, :1], "rows": inputs[:3], "text": "no array", "nothing": None}
        return given[self.what]


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("raise", "layer bad raised ZeroDivisionError: by zero"),
        ("exit", "layer bad raised SystemExit"),
        ("width", r"shape \(10, 1\), expected \(10, 2\).*layers\.bad\.n_neurons"),
        ("rows", r"shape \(3, 2\), expected \(10, 2\); each row of its inputs needs one"),
        ("text", "layer bad gave a str"),
        ("nothing", r"layer bad gave no outputs: .* set no self\.output"),
    ],
)
def test_a_class_that_fails_is_named(what: str, words: str) -> None:
    layers = {"bad": {"_target_": "mine.Wrong", "what": what}}
    built = _network(layers, 2, "nnfs", Wrong=Wrong)
    dot = np.dot
    with pytest.raises(LayerFailedError, match=words):
        _outputs(np.ones((10, 2), np.float32), built, "nnfs", 1, 1)
    assert np.dot is dot


def test_overflow_is_a_result_and_no_warning() -> None:
    layers = {"a": _dense(2, weight_scale=1e30), "b": _dense(2, weight_scale=1e30)}
    _, b = _outputs(np.ones((10, 2), np.float32), _network(layers, 2, "nnfs"), "nnfs", 1, 1)
    assert not np.isfinite(b).any()
