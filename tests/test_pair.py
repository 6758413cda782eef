"""Two inputs in a random network: their correlation, its spread, and the edge of chaos."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from runner.analysis.criticality import critical_sigma_w, fixed_point
from runner.analysis.edge import Edge, edge_of_chaos
from runner.analysis.gaussian import activation
from runner.analysis.joint import joint
from runner.analysis.outputs import cosine
from runner.analysis.theory import predict
from runner.layers import MLP

Array = NDArray[np.float64]
Function = Callable[[Array], Array]
PHI: dict[str, Function] = {
    "relu": lambda u: np.maximum(u, 0.0),
    "leaky_relu": lambda u: np.where(u > 0, u, 0.01 * u),
    "tanh": np.tanh,
    "sigmoid": lambda u: 1 / (1 + np.exp(-u)),
    "linear": lambda u: u,
}


def _block(name: str, depth: int, width: int, **dense: Any) -> list[dict[str, Any]]:
    """The description of ``layers=mlp`` on inputs as wide as the block."""
    return [
        {"name": layer, "kind": kind, "n_inputs": width, "n_neurons": width, **arguments}
        for layer, kind, arguments in MLP(depth, width, name, **dense).unfold("mlp")
    ]


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "tanh", "sigmoid"])
@pytest.mark.parametrize(("q1", "q2", "c"), [(1.0, 1.0, 0.3), (0.2, 3.0, -0.6), (4.0, 1.0, 0.95)])
def test_reactions_equal_differences(name: str, q1: float, q2: float, c: float) -> None:
    """Slopes and curvatures of the map of the Gram matrix, against its finite differences."""
    phi = activation(name)
    k = c * math.sqrt(q1 * q2)
    scale = np.array([q1, math.sqrt(q1 * q2), q2])

    def after(gram: Array) -> Array:
        a, both, b = gram
        mixed = phi.product(a, b, both / math.sqrt(a * b))
        return np.array([phi.second(a), mixed, phi.second(b)])

    centre = np.array([q1, k, q2])
    f1, _, f2 = after(centre)
    units = np.array([f1, math.sqrt(f1 * f2), f2])
    steps = np.diag(scale) * 1e-3
    found = joint(phi, q1, q2, c)
    first = np.stack([(after(centre + s) - after(centre - s)) / 2e-3 for s in steps], axis=1)
    np.testing.assert_allclose(found.slopes, first / units[:, None], atol=3e-4)
    for i, one in enumerate(steps):
        for j, other in enumerate(steps):
            corners = (
                after(centre + one + other)
                - after(centre + one - other)
                - after(centre - one + other)
                + after(centre - one - other)
            )
            np.testing.assert_allclose(found.bends[:, i, j], corners / 4e-6 / units, atol=3e-3)


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "tanh", "sigmoid", "linear"])
def test_noise_equals_the_covariance_of_many_neurons(name: str) -> None:
    q1, q2, c = 1.5, 0.7, 0.6
    z = np.random.RandomState(0).randn(2, 1_000_000)
    u = np.stack([math.sqrt(q1) * z[0], math.sqrt(q2) * (c * z[0] + math.sqrt(1 - c * c) * z[1])])
    x, y = PHI[name](u)
    products = np.stack([x * x, x * y, y * y])
    f1, _, f2 = products.mean(axis=1)
    scale = np.array([f1, math.sqrt(f1 * f2), f2])
    found = joint(activation(name), q1, q2, c)
    np.testing.assert_allclose(found.noise, np.cov(products) / np.outer(scale, scale), rtol=0.03)


def _correlations(
    inputs: Array, phi: Function, depth: int, width: int, seed: int, **dense: Any
) -> Iterator[list[float]]:
    """Measured correlations of two rows, layer by layer, of one network after the other."""
    rng = np.random.RandomState(seed)
    while True:
        outputs, found = inputs, []
        for _ in range(depth):
            n = outputs.shape[1]
            if dense.get("weight_init") == "orthogonal":
                turn, rest = np.linalg.qr(rng.randn(max(n, width), min(n, width)))
                turn *= np.sign(np.diag(rest))
                weights = dense["gain"] * (turn if n >= width else turn.T)
            else:
                weights = dense["gain"] / math.sqrt(n) * rng.randn(n, width)
            for step in (
                lambda a, w=weights: a @ w + dense["bias_scale"] * rng.randn(width),
                phi,
            ):
                outputs = step(outputs)
                found.append(cosine(*outputs))
        yield found


@pytest.mark.parametrize(
    ("name", "weight_init", "gain", "bias_scale", "c"),
    [
        ("tanh", "lecun", 1.3, 0.2, 0.5),
        ("tanh", "orthogonal", 1.3, 0.2, 0.5),
        ("relu", "lecun", 1.4, 0.0, 0.9),
        ("leaky_relu", "orthogonal", 1.2, 0.1, -0.4),
        ("sigmoid", "lecun", 2.0, 0.3, 0.2),
        ("linear", "lecun", 1.0, 0.3, 0.5),
    ],
)
def test_correlation_spreads_and_shifts_as_stated(
    name: str, weight_init: str, gain: float, bias_scale: float, c: float
) -> None:
    width, depth, networks = 50, 3, 1500
    x = np.random.RandomState(0).randn(2, 20)
    x[1] -= (x[1] @ x[0]) / (x[0] @ x[0]) * x[0]
    x *= math.sqrt(20) / np.linalg.norm(x, axis=1, keepdims=True)
    x[1] = 1.3 * (c * x[0] + math.sqrt(1 - c * c) * x[1])
    scales: dict[str, Any] = {"weight_init": weight_init, "gain": gain, "bias_scale": bias_scale}
    stack = _block(name, depth, width, **scales)
    stack[0]["n_inputs"] = 20
    pair = (1.0, 1.69)
    predictions = predict(stack, 1.0, input_correlation=c, pair_second_moments=pair)
    networks_drawn = islice(_correlations(x, PHI[name], depth, width, 1, **scales), networks)
    for measured, one in zip(np.array(list(networks_drawn)).T, predictions, strict=True):
        bar = max(one.correlation_deviation, 1e-9)
        assert measured.std() == pytest.approx(bar, rel=0.13, abs=1e-9), one.name
        expected = one.correlation + one.correlation_shift
        # What is left out is of order 1/n^2, of the variance at least.
        rest = 4 * bar / math.sqrt(networks) + bar * bar / 10 + 1e-9
        assert measured.mean() == pytest.approx(expected, abs=rest), one.name
        assert one.correlation_error(networks) >= bar / math.sqrt(networks)


def test_a_pair_at_the_ends_neither_warns_nor_fails() -> None:
    for name in ("relu", "tanh", "sigmoid", "linear", "leaky_relu"):
        for c in (-1.0, 0.0, 1.0):
            for q in (0.0, 1e-290, 1.0, 1e3):
                block = _block(name, 3, 4, weight_init="lecun")
                last = predict(block, q, input_correlation=c)[-1]
                assert last.reason is None
                if q == 1 and c == 1:
                    assert last.correlation == pytest.approx(1)
                    assert last.correlation_deviation == pytest.approx(0, abs=1e-6)


def test_samples_that_became_0_share_the_biases_that_follow() -> None:
    sizes = {"n_inputs": 10, "n_neurons": 10}
    layers = [
        {"name": "a", "kind": "Dense", "weight_scale": 0.0, **sizes},
        {"name": "b", "kind": "ReLU", **sizes},
        {"name": "c", "kind": "Dense", "bias_scale": 1.0, **sizes},
        {"name": "d", "kind": "Tanh", **sizes},
        {"name": "e", "kind": "Dense", "weight_init": "orthogonal", **sizes},
    ]
    found = predict(layers, 1.0, input_correlation=0.3)
    assert [one.correlation for one in found[:2]] == pytest.approx([math.nan] * 2, nan_ok=True)
    assert [one.correlation for one in found[2:]] == pytest.approx([1.0] * 3)
    assert [one.correlation_deviation for one in found[2:]] == pytest.approx([0.0] * 3)


def test_distance_from_the_edge_of_chaos() -> None:
    def edge(name: str, **dense: Any) -> Edge:
        found = edge_of_chaos(_block(name, 2, 100, **dense))
        assert found is not None
        assert found.layer == "mlp_dense2"
        return found

    assert str(edge("relu", weight_init="he")) == (
        "chi_1 = 1 in layers like mlp_dense2, on the edge of chaos; "
        "sigma_w = 1.414, of relu's edge 1.414"
    )
    below = edge("tanh", weight_scale=0.08)
    assert below.critical == 1
    assert below.sigma_w == pytest.approx(0.8)
    assert below.chi_1 == pytest.approx(0.64)
    assert str(below).endswith(
        "ordered: inputs come together; sigma_w = 0.8, of tanh's edge 1 (-20 %)"
    )
    above = edge("tanh", weight_scale=0.2, bias_scale=0.3)
    assert above.chi_1 == fixed_point("tanh", 2.0, 0.3).chi_1 > 1
    assert above.critical == critical_sigma_w("tanh", 0.3)
    assert "chaotic: inputs part" in str(above)
    assert edge_of_chaos(_block("linear", 2, 9)) is None
    assert edge_of_chaos([]) is None
    assert edge("leaky_relu").critical == critical_sigma_w("leaky_relu", 0.0, 0.01)
