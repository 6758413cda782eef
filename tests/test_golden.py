"""The book's numbers: those printed in it, and the bits that its scripts leave behind."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.random import RandomState
from numpy.typing import NDArray

import runner.data
from runner.layers import Dense, ReLU, Softmax

# The script of the book's chapters 3 and 4: init, data, layers, forward; in one fresh process.
BOOK_SCRIPT = """
import json, sys
import numpy as np
import nnfs
import nnfs.datasets

seed, dataset, sizes, widths, scale, path = json.loads(sys.argv[1])
nnfs.init(random_seed=seed)

class Layer_Dense:
    def __init__(self, n_inputs, n_neurons):
        self.weights = scale * np.random.randn(n_inputs, n_neurons)
        self.biases = np.zeros((1, n_neurons))
    def forward(self, inputs):
        self.output = np.dot(inputs, self.weights) + self.biases

class Activation_ReLU:
    def forward(self, inputs):
        self.output = np.maximum(0, inputs)

class Activation_Softmax:
    def forward(self, inputs):
        exp_values = np.exp(inputs - np.max(inputs, axis=1, keepdims=True))
        self.output = exp_values / np.sum(exp_values, axis=1, keepdims=True)

X, y = getattr(nnfs.datasets, dataset)(*sizes)
denses = [Layer_Dense(*pair) for pair in zip([X.shape[1], *widths], widths)]
saved = {"X": X, "y": y}
outputs = X
for i, dense in enumerate(denses):
    dense.forward(outputs)
    last = i == len(denses) - 1
    activation = Activation_Softmax() if last else Activation_ReLU()
    activation.forward(dense.output)
    outputs = activation.output
    saved |= {f"weights{i}": dense.weights, f"dense{i}": dense.output, f"activation{i}": outputs}
np.savez(path, **saved)
"""

NETWORK = {
    "dense1": (
        [[0.2, 0.8, -0.5, 1.0], [0.5, -0.91, 0.26, -0.5], [-0.26, -0.27, 0.17, 0.87]],
        [2.0, 3.0, 0.5],
    ),
    "dense2": (
        [[0.1, -0.14, 0.5], [-0.5, 0.12, -0.33], [-0.44, 0.73, -0.13]],
        [-1.0, 2.0, -0.5],
    ),
}
LAST_LAYER = [
    [0.5031, -1.04185, -2.03875],
    [0.2434, -2.7332, -5.7633],
    [-0.99314, 1.41254, -0.35655],
]


def through_handwritten(inputs: NDArray[Any], numerics: str) -> NDArray[Any]:
    for weights, biases in NETWORK.values():
        dense = Dense(inputs.shape[1], weights=weights, biases=biases, numerics=numerics)
        inputs = dense.forward(inputs)
    return inputs


@pytest.mark.parametrize("numerics", ["nnfs", "float32", "float64"])
def test_handwritten_network(numerics: str) -> None:
    batch = through_handwritten(runner.data.book_batch().inputs, numerics)
    np.testing.assert_allclose(batch, LAST_LAYER, atol=2e-6 if numerics != "float64" else 1e-12)
    sample = through_handwritten(runner.data.book_sample().inputs, numerics)
    np.testing.assert_allclose(sample, LAST_LAYER[:1], atol=2e-6)


def test_first_draws() -> None:
    drawn = runner.data.normal(2, 5, random_state=RandomState(0)).inputs
    expected = """1.7640524 0.4001572 0.978738 2.2408931 1.867558
        -0.9772779 0.95008844 -0.1513572 -0.10321885 0.41059852"""
    np.testing.assert_array_equal(drawn.ravel(), np.array(expected.split(), np.float32))


def test_first_weights() -> None:
    dense = Dense(2, 4, weight_scale=0.01, random_state=RandomState(0))
    expected = """0.01764052 0.00400157 0.00978738 0.02240893
        0.01867558 -0.00977278 0.00950088 -0.00151357"""
    printed = np.array(expected.split(), np.float64).reshape(2, 4)
    np.testing.assert_allclose(dense.weights, printed, rtol=0, atol=5e-9)
    assert dense.weights.dtype == np.float32
    np.testing.assert_array_equal(dense.biases, np.full((1, 4), 0, np.float32))


def test_first_outputs_of_the_spiral() -> None:
    stream = RandomState(0)
    inputs, targets = runner.data.spiral(100, 3, random_state=stream)
    outputs = Dense(2, 3, weight_scale=0.01, random_state=stream).forward(inputs)
    expected = """0 0 0
        -1.0475188e-04 1.1395361e-04 -4.7983500e-05
        -2.7414842e-04 3.1729150e-04 -8.6921798e-05
        -4.2188365e-04 5.2666257e-04 -5.5912682e-05
        -5.7707680e-04 7.1401405e-04 -8.9430439e-05"""
    printed = np.array(expected.split(), np.float32).reshape(5, 3)
    np.testing.assert_array_equal(outputs[:5], printed)
    assert outputs.shape == (300, 3)
    assert targets is not None
    assert np.bincount(targets).tolist() == [100, 100, 100]


@pytest.mark.parametrize(
    ("seed", "dataset", "sizes", "widths", "scale"),
    [
        (0, "spiral", [100, 3], [3], 0.01),
        (0, "spiral", [100, 3], [3, 3], 0.1),
        (1, "spiral", [37, 5], [64, 64, 3], 0.1),
        (4_294_967_295, "spiral", [1500, 3], [7, 300, 1, 3], 0.01),
        (0, "vertical", [100, 3], [3, 3], 0.1),
        (7, "vertical", [53, 2], [128, 10], 1.0),
        (0, "sine", [1000], [64, 64, 1], 0.1),
        (3, "sine", [999], [5], 0.01),
        (12345, "spiral", [1, 1], [1], 0.1),
        (2, "spiral", [50, 4], [9] * 12, 0.5),
    ],
)
def test_same_bits_as_the_books_script(
    tmp_path: Path, seed: int, dataset: str, sizes: list[int], widths: list[int], scale: float
) -> None:
    path = tmp_path / "book.npz"
    case = json.dumps([seed, f"{dataset}_data", sizes, widths, scale, str(path)])
    subprocess.run([sys.executable, "-c", BOOK_SCRIPT, case], check=True)
    with np.load(path) as loaded:
        book = dict(loaded)

    stream = RandomState(seed)
    inputs, targets = getattr(runner.data, dataset)(*sizes, random_state=stream)
    assert_same_bits(inputs, book["X"])
    assert_same_bits(targets, book["y"].reshape(-1))
    arriving = inputs
    denses = []
    for n_inputs, n_neurons in zip([inputs.shape[1], *widths], widths, strict=False):
        denses.append(Dense(n_inputs, n_neurons, weight_scale=scale, random_state=stream))
    for i, dense in enumerate(denses):
        assert_same_bits(dense.weights, book[f"weights{i}"])
        outputs = dense.forward(arriving)
        assert_same_bits(outputs, book[f"dense{i}"])
        activation = Softmax if i == len(denses) - 1 else ReLU
        arriving = activation(dense.n_neurons).forward(outputs)
        assert_same_bits(arriving, book[f"activation{i}"])


def test_none_is_numpys_global_stream(tmp_path: Path) -> None:
    path = tmp_path / "book.npz"
    case = json.dumps([5, "spiral_data", [20, 3], [4], 0.1, str(path)])
    subprocess.run([sys.executable, "-c", BOOK_SCRIPT, case], check=True)
    before = np.random.get_state()
    try:
        np.random.seed(5)
        inputs = runner.data.spiral(20, 3).inputs
        dense = Dense(2, 4)
    finally:
        np.random.set_state(before)
    with np.load(path) as book:
        assert_same_bits(inputs, book["X"])
        assert_same_bits(dense.weights, book["weights0"])


def assert_same_bits(ours: NDArray[Any], theirs: NDArray[Any]) -> None:
    assert ours.dtype == theirs.dtype
    assert ours.shape == theirs.shape
    assert ours.tobytes() == theirs.tobytes()
