from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.random import RandomState

from runner.layers.initializers import INITIALIZERS

STD: dict[str, Callable[[int, int], float]] = {
    "normal": lambda n_in, n_out: 1.0,
    "glorot": lambda n_in, n_out: math.sqrt(2 / (n_in + n_out)),
    "he": lambda n_in, n_out: math.sqrt(2 / n_in),
    "lecun": lambda n_in, n_out: math.sqrt(1 / n_in),
}


@pytest.mark.parametrize("gain", [1.0, 0.1, -3.0])
@pytest.mark.parametrize("name", list(STD))
def test_is_the_formula_times_the_draws(name: str, gain: float) -> None:
    weights = INITIALIZERS[name](30, 20, RandomState(4), gain)
    draws = RandomState(4).randn(30, 20).astype(np.float32)
    assert weights.dtype == np.float32
    np.testing.assert_array_equal(weights, np.float32(gain * STD[name](30, 20)) * draws)


@pytest.mark.parametrize("name", list(STD))
def test_standard_deviation(name: str) -> None:
    weights = INITIALIZERS[name](300, 500, RandomState(0))
    expected = STD[name](300, 500)
    # The standard error of a sample's standard deviation is std / sqrt(2 n).
    assert abs(float(weights.std()) / expected - 1) < 5 / math.sqrt(2 * weights.size)


@pytest.mark.parametrize(("n_inputs", "n_neurons"), [(1, 1), (40, 40), (60, 25), (25, 60), (1, 9)])
def test_orthogonal(n_inputs: int, n_neurons: int) -> None:
    weights = INITIALIZERS["orthogonal"](n_inputs, n_neurons, RandomState(2), 2.0)
    assert weights.shape == (n_inputs, n_neurons)
    assert weights.dtype == np.float32
    assert weights.flags.c_contiguous
    exact = weights.astype(np.float64)
    gram = exact @ exact.T if n_inputs <= n_neurons else exact.T @ exact
    np.testing.assert_allclose(gram, 4 * np.identity(len(gram)), atol=1e-6)


def test_orthogonal_is_uniform_in_its_signs() -> None:
    # Without the choice of signs, LAPACK's first column points away from the drawn one.
    firsts = []
    for seed in range(40):
        stream, same = RandomState(seed), RandomState(seed)
        firsts.append(
            float(INITIALIZERS["orthogonal"](4, 4, stream)[:, 0] @ same.randn(4, 4)[:, 0])
        )
    assert min(firsts) > 0


@pytest.mark.parametrize("name", list(INITIALIZERS))
def test_all_take_the_same_numbers_out_of_the_stream(name: str) -> None:
    stream, plain = RandomState(9), RandomState(9)
    INITIALIZERS[name](7, 3, stream)
    plain.randn(7, 3)
    assert stream.randn() == plain.randn()


@pytest.mark.parametrize("name", list(INITIALIZERS))
def test_says_where_it_comes_from(name: str) -> None:
    assert "Source:" in (INITIALIZERS[name].__doc__ or "")
