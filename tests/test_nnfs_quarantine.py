"""What ``nnfs.init()`` replaces is back where it was, whatever happened inside."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import nnfs
import numpy as np
import pytest
from numpy.random import RandomState

import runner.data
from runner.data import lent_stream, nnfs_rules

NAMES = ((np, "dot"), (np, "zeros"), (np, "eye"), (np.random, "randn"))


def functions() -> list[Any]:
    return [getattr(module, name) for module, name in NAMES]


def state(stream: RandomState | None = None) -> tuple[Any, ...]:
    kind, keys, *rest = (stream or np.random).get_state(legacy=True)
    assert isinstance(keys, np.ndarray)
    return (kind, keys.tobytes(), *rest)


@pytest.fixture(autouse=True)
def everything_is_back() -> Iterator[None]:
    found, before = functions(), state()
    yield
    assert all(a is b for a, b in zip(functions(), found, strict=True))
    assert state() == before


def test_inside_are_the_books_rules() -> None:
    with nnfs_rules(RandomState(0)):
        assert np.zeros(2).dtype == np.float32
        assert np.eye(2).dtype == np.float32
        drawn = np.random.randn(2, 5)
        large = np.full((1, 3), 1e4, np.float32) + np.array([0.5, 1, 2], np.float32)
        product = np.dot(large, large.T)
    assert drawn.dtype == np.float32
    assert drawn.tobytes() == RandomState(0).randn(2, 5).astype(np.float32).tobytes()
    exact = large.astype(np.float64)
    assert product.dtype == np.float32
    assert product.tobytes() == (exact @ exact.T).astype(np.float32).tobytes()
    assert np.zeros(2).dtype == np.float64


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_restores_after_an_exception(error: type[BaseException]) -> None:
    stream, plain = RandomState(3), RandomState(3)

    @nnfs_rules(stream)
    def fails() -> None:
        np.random.randn(5)
        raise error

    with pytest.raises(error):
        fails()
    plain.randn(5)
    assert state(stream) == state(plain)


def test_restores_after_a_dataset_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    import nnfs.datasets

    def fails(samples: int, classes: int) -> None:
        np.random.randn(samples * classes)
        raise MemoryError

    monkeypatch.setattr(nnfs.datasets, "spiral_data", fails)
    with pytest.raises(MemoryError):
        runner.data.spiral(random_state=RandomState(0))


def test_the_stream_goes_on_where_the_block_stopped() -> None:
    # Odd counts leave half a pair of normal numbers in the generator, which must move along.
    stream, plain = RandomState(1), RandomState(1)
    stream.randn(3)
    with nnfs_rules(stream):
        np.random.randn(4)
        np.random.randint(5)
        np.random.randn(1)
    plain.randn(7)
    plain.randint(5)
    plain.randn(1)
    assert state(stream) == state(plain)


def test_restores_what_was_replaced_inside() -> None:
    before = functions()
    generator = np.random.mtrand.get_bit_generator()
    stream = RandomState(1)
    stream.randn(1)
    with nnfs_rules(stream):
        nnfs.init()
        np.random.set_state(RandomState(9).get_state())
        np.random.mtrand.set_bit_generator(np.random.PCG64(1))
        np.random.standard_normal()
        for module, name in NAMES:
            setattr(module, name, None)
    assert functions() == before
    assert np.random.mtrand.get_bit_generator() is generator
    stream.randn(1)


def test_a_stream_alone_is_lent() -> None:
    stream, plain = RandomState(1), RandomState(1)
    before = functions()
    ours = state()
    with lent_stream(stream):
        assert functions() == before
        drawn = np.random.randn(3)
    assert drawn.tobytes() == plain.randn(3).tobytes()
    assert state(stream) == state(plain)
    assert state() == ours


@pytest.mark.parametrize("globally", [0, 1])
@pytest.mark.parametrize("inside", [0, 1, 2])
@pytest.mark.parametrize("before", [0, 1, 2])
def test_the_normal_deviate_in_hand_goes_along(before: int, inside: int, globally: int) -> None:
    # They are made in pairs: after an odd number of them, the next is there already.
    expected = np.random.RandomState(3).randn(before + inside + 3)
    kept = np.random.get_state()
    try:
        np.random.seed(8)
        np.random.randn(globally)
        undisturbed = np.random.RandomState()
        undisturbed.set_state(np.random.get_state())
        stream = np.random.RandomState(3)
        drawn = [*stream.randn(before)]
        with nnfs_rules(stream):
            drawn += [*np.random.standard_normal(inside)]
        drawn += [*stream.randn(3)]
        assert drawn == [*expected]
        assert [*np.random.randn(3)] == [*undisturbed.randn(3)]
    finally:
        np.random.set_state(kept)


def test_without_a_stream_the_global_one_goes_on() -> None:
    before = np.random.get_state()
    try:
        np.random.seed(8)
        with nnfs_rules():
            np.random.randn(3)
        after = state()
        np.random.seed(8)
        with nnfs_rules(np.random.mtrand._rand):
            np.random.randn(3)
        assert state() == after
        plain = RandomState(8)
        plain.randn(3)
        assert after == state(plain)
    finally:
        np.random.set_state(before)


def test_inside_itself() -> None:
    outer, inner, plain = RandomState(1), RandomState(2), RandomState(1)
    with nnfs_rules(outer):
        first = functions()
        np.random.randn(3)
        with nnfs_rules(inner):
            np.random.randn(5)
            assert np.zeros(1).dtype == np.float32
        assert functions() == first
        np.random.randn(3)
        # The same stream again is the one being drawn from, not a copy of where it began.
        with nnfs_rules(outer):
            np.random.randn(3)
        with nnfs_rules():
            np.random.randn(3)
        runner.data.vertical(2, 2, random_state=None)
    plain.randn(12 + 8)
    assert state(outer) == state(plain)
    plain_inner = RandomState(2)
    plain_inner.randn(5)
    assert state(inner) == state(plain_inner)


def test_a_thousand_times_deep_in_sequence_and_fifty_in_nesting() -> None:
    for _ in range(1000):
        with nnfs_rules(RandomState(0)):
            pass

    def nest(depth: int) -> None:
        with nnfs_rules(RandomState(depth)):
            assert np.dot(np.ones(2), np.ones(2)) == 2
            if depth:
                nest(depth - 1)

    nest(50)


def test_without_the_float64_product() -> None:
    stream = RandomState(0)
    left, right = (stream.randn(50, 300).astype(np.float32) for _ in range(2))
    plain = left @ right.T
    with nnfs_rules(RandomState(0), dot=False):
        single = np.dot(left, right.T)
        assert np.zeros(1).dtype == np.float32
    with nnfs_rules(RandomState(0)):
        double = np.dot(left, right.T)
    assert single.dtype == double.dtype == np.float32
    assert single.tobytes() == plain.tobytes()
    assert single.tobytes() != double.tobytes()


AFTER_INIT = """
import numpy as np
import nnfs
import runner.data
from runner.data import lent_stream, nnfs_rules
from numpy.random import RandomState

plain = np.random.RandomState(0)
left, right = (plain.randn(50, 300).astype("float32") for _ in range(2))
single = left @ right.T
expected = runner.data.spiral(30, 3, random_state=RandomState(4)).inputs.tobytes()
for _ in range({times}):
    nnfs.init(random_seed=9)
found = np.dot, np.zeros, np.eye, np.random.randn
before = np.random.get_state()[1].tobytes()
assert runner.data.spiral(30, 3, random_state=RandomState(4)).inputs.tobytes() == expected
with nnfs_rules(RandomState(0), dot=False):
    assert np.dot(left, right.T).tobytes() == single.tobytes()
    nnfs.init()
assert found == (np.dot, np.zeros, np.eye, np.random.randn)
assert before == np.random.get_state()[1].tobytes()

from runner.layers import Dense
for numerics in ("float32", "float64"):
    layer = Dense(300, 5, weight_init="orthogonal", numerics=numerics, random_state=RandomState(1))
    outputs = layer.forward(left.astype(numerics))
    assert outputs.dtype == layer.weights.dtype == layer.biases.dtype == numerics
"""


@pytest.mark.parametrize("times", [1, 3, 400])
def test_after_the_reader_has_called_init(times: int) -> None:
    subprocess.run([sys.executable, "-c", AFTER_INIT.format(times=times)], check=True)


def test_a_class_of_the_readers_draws_from_the_stream() -> None:
    class Layer_Dense:  # noqa: N801 - the book's name
        def __init__(self, n_inputs: int, n_neurons: int) -> None:
            self.weights = 0.1 * np.random.randn(n_inputs, n_neurons)
            self.biases = np.zeros((1, n_neurons))

        def forward(self, inputs: Any) -> None:
            self.output = np.dot(inputs, self.weights) + self.biases

    from runner.layers import Dense

    ours, theirs = RandomState(5), RandomState(5)
    inputs = runner.data.spiral(50, 3, random_state=ours).inputs
    runner.data.spiral(50, 3, random_state=theirs)
    dense = Dense(2, 16, random_state=ours)
    with nnfs_rules(theirs):
        layer = Layer_Dense(2, 16)
        layer.forward(inputs)
    assert layer.weights.tobytes() == dense.weights.tobytes()
    assert layer.output.tobytes() == dense.forward(inputs).tobytes()
    assert state(ours) == state(theirs)


def test_threads_wait_for_each_other() -> None:
    expected = {
        seed: runner.data.spiral(40, 3, random_state=RandomState(seed)).inputs.tobytes()
        for seed in range(4)
    }
    wrong: list[int] = []

    def work(seed: int) -> None:
        for _ in range(25):
            made = runner.data.spiral(40, 3, random_state=RandomState(seed)).inputs
            if made.tobytes() != expected[seed]:
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in expected]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_one_module_alone_imports_nnfs() -> None:
    from pathlib import Path

    package = Path(runner.data.__file__).parent.parent
    importers = [
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if any(
            line.split()[:2] in (["import", "nnfs"], ["from", "nnfs"])
            or line.strip().startswith(("import nnfs.", "from nnfs."))
            for line in path.read_text("utf-8").splitlines()
        )
    ]
    assert importers == ["data/_nnfs.py"]
