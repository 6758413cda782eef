from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from runner.analysis.gaussian import LARGEST_CORRELATED, Response, activation
from runner.analysis.theory import KINDS, Prediction, critical_sigma_w, fixed_point, predict
from runner.analysis.variance import INITIALIZERS, weight_variance
from runner.errors import ConfigError, UnknownKeyError
from runner.layers import MLP, Dense, LeakyReLU, Linear, ReLU, Sigmoid, Tanh
from runner.layers.initializers import INITIALIZERS as DRAWN

Array = NDArray[np.float64]
Function = Callable[[Array], Array]

PHI: dict[str, Function] = {
    "relu": lambda u: np.maximum(u, 0.0),
    "leaky_relu": lambda u: np.where(u > 0, u, 0.2 * u),
    "tanh": np.tanh,
    "sigmoid": lambda u: 1 / (1 + np.exp(-u)),
    "linear": lambda u: u,
}
SLOPES: dict[str, Function] = {
    "relu": lambda u: np.where(u > 0, 1.0, 0.0),
    "leaky_relu": lambda u: np.where(u > 0, 1.0, 0.2),
    "tanh": lambda u: 1 - np.tanh(u) ** 2,
    "sigmoid": lambda u: 1 / (2 + 2 * np.cosh(u)),
    "linear": np.ones_like,
}


def _brute(g: Function, q: float, n: int = 500_000) -> float:
    """E g(sqrt(q) z) on a fine grid that has no node at the kink."""
    z: Array = (np.arange(n, dtype=np.float64) + 0.5) * (24 / n) - 12
    return float(np.exp(-0.5 * z * z) @ g(math.sqrt(q) * z) * (24 / n) / math.sqrt(2 * math.pi))


def _brute_pair(g: Function, q1: float, q2: float, c: float, n: int = 3000) -> float:
    """E g(u1) g(u2) on a fine grid in two dimensions."""
    z: Array = (np.arange(n, dtype=np.float64) + 0.5) * (20 / n) - 10
    weights = np.exp(-0.5 * z * z) * (20 / n) / math.sqrt(2 * math.pi)
    across = math.sqrt(q2) * math.sqrt(1 - c * c) * z
    inner = [float(g(math.sqrt(q2) * c * z1 + across) @ weights) for z1 in z]
    return float((weights * g(math.sqrt(q1) * z)) @ np.array(inner))


def _response(name: str, q: float) -> Response:
    return activation(name, 0.2).response(np.array([q]))


@pytest.mark.parametrize("name", list(PHI))
@pytest.mark.parametrize("q", [1e-4, 0.3, 1.0, 5.0, 40.0, 2500.0])
def test_averages_equal_brute_force(name: str, q: float) -> None:
    phi, answer = PHI[name], _response(name, q)
    second, fourth = _brute(lambda u: phi(u) ** 2, q), _brute(lambda u: phi(u) ** 4, q)
    assert answer.second[0] == pytest.approx(second, rel=1e-10)
    assert answer.noise[0] == pytest.approx(fourth / second**2 - 1, rel=1e-9, abs=1e-10)
    assert activation(name, 0.2).second(q) == answer.second[0]
    slope_square = _brute(lambda u: SLOPES[name](u) ** 2, q)
    assert activation(name, 0.2).slope_square(q) == pytest.approx(slope_square, rel=1e-10)


@pytest.mark.parametrize("name", list(PHI))
@pytest.mark.parametrize("q", [0.01, 1.0, 30.0])
def test_reactions_equal_differences(name: str, q: float) -> None:
    h = 1e-3 * q
    low, here, high = (float(_response(name, q + d).second[0]) for d in (-h, 0.0, h))
    answer = _response(name, q)
    assert activation(name, 0.2).growth(q) == pytest.approx((high - low) / (2 * h), rel=1e-5)
    assert answer.elasticity[0] == pytest.approx(q * (high - low) / (2 * h) / here, rel=1e-5)
    curvature = q * q * (high - 2 * here + low) / (h * h) / here
    assert answer.curvature[0] == pytest.approx(curvature, rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("q", [0.99e5, 1.01e5, 1e12, 1e60])
@pytest.mark.parametrize(("name", "height"), [("tanh", 1.0), ("sigmoid", 0.5)])
def test_reactions_of_a_step(name: str, height: float, q: float) -> None:
    """E phi^2 = limit - 2 height / sqrt(2 pi q) for what is a step but for a sliver around 0."""
    answer = _response(name, q)
    slope = height / math.sqrt(2 * math.pi * q)
    assert answer.elasticity[0] * answer.second[0] == pytest.approx(slope, rel=1e-4)
    assert answer.curvature[0] * answer.second[0] == pytest.approx(-1.5 * slope, rel=2e-3)


@pytest.mark.parametrize("name", ["tanh", "sigmoid"])
@pytest.mark.parametrize(
    ("q1", "q2", "c"),
    [(0.02, 0.01, 0.5), (0.57, 0.57, 0.999), (1.0, 2.0, -0.7), (30.0, 20.0, 0.6), (90, 90, 0.95)],
)
def test_smooth_correlations_equal_brute_force(name: str, q1: float, q2: float, c: float) -> None:
    product = activation(name).product(q1, q2, c)
    assert product == pytest.approx(_brute_pair(PHI[name], q1, q2, c), rel=1e-10)
    slopes = activation(name).slope_product(q1, q2, c)
    assert slopes == pytest.approx(_brute_pair(SLOPES[name], q1, q2, c), rel=1e-10)


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "linear"])
@pytest.mark.parametrize(("q1", "q2", "c"), [(0.5, 2.0, 0.3), (1.0, 1.0, 0.9), (3.0, 1.0, -0.8)])
def test_bent_correlations_equal_brute_force(name: str, q1: float, q2: float, c: float) -> None:
    # The kinks leave the grid an error of the order of its step.
    product = activation(name, 0.2).product(q1, q2, c)
    assert product == pytest.approx(_brute_pair(PHI[name], q1, q2, c), rel=1e-5, abs=1e-5)
    slopes = activation(name, 0.2).slope_product(q1, q2, c)
    assert slopes == pytest.approx(_brute_pair(SLOPES[name], q1, q2, c), abs=2e-3)


@pytest.mark.parametrize("name", list(PHI))
@pytest.mark.parametrize("q", [1e-6, 0.5, 7.0, 400.0])
def test_equal_inputs_are_correlated_as_one(name: str, q: float) -> None:
    phi = activation(name, 0.2)
    assert phi.product(q, q, 1.0) == pytest.approx(phi.second(q), rel=1e-12)
    assert phi.slope_product(q, q, 1.0) == pytest.approx(phi.slope_square(q), rel=1e-12)


def test_two_dimensional_sums_end_somewhere() -> None:
    assert math.isfinite(activation("tanh").product(LARGEST_CORRELATED, 1.0, 0.5))
    assert math.isnan(activation("tanh").product(LARGEST_CORRELATED * 1.01, 1.0, 0.5))


def test_edge_of_chaos() -> None:
    assert critical_sigma_w("tanh") == 1
    assert critical_sigma_w("relu") == pytest.approx(math.sqrt(2), rel=1e-15)
    assert critical_sigma_w("linear") == 1
    assert critical_sigma_w("leaky_relu", slope=0.2) == pytest.approx(math.sqrt(2 / 1.04))
    # Schoenholz et al. 2017, tanh: sigma_w^2 = 1.76 at sigma_b^2 = 0.05.
    assert critical_sigma_w("tanh", math.sqrt(0.05)) ** 2 == pytest.approx(1.76, abs=0.005)
    for name, sigma_b in [("tanh", 1e-4), ("tanh", 0.3), ("tanh", 3.0), ("sigmoid", 0.5)]:
        point = fixed_point(name, critical_sigma_w(name, sigma_b), sigma_b)
        assert point.chi_1 == pytest.approx(1, rel=1e-9)


@pytest.mark.parametrize("name", ["tanh", "sigmoid"])
@pytest.mark.parametrize(("sigma_w", "sigma_b"), [(0.7, 0.3), (1.3, 0.0), (2.0, 0.1), (4.0, 1.0)])
def test_fixed_point_is_where_the_recursion_ends(name: str, sigma_w: float, sigma_b: float) -> None:
    point, phi = fixed_point(name, sigma_w, sigma_b), activation(name)
    w, b = sigma_w**2, sigma_b**2
    q = 1.7
    for _ in range(300):
        q = w * phi.second(q) + b
    assert point.q == pytest.approx(q, rel=1e-9)
    c, last = 0.4, 0.0
    for _ in range(3000):
        c, last = (w * phi.product(q, q, c) + b) / q, c
        if abs(c - last) < 1e-13:
            break
    assert point.c == pytest.approx(c, abs=1e-6)
    assert point.chi_1 == pytest.approx(w * phi.slope_square(q), rel=1e-8)


def test_depth_scales_are_the_rates_of_the_recursion() -> None:
    phi = activation("tanh")
    for sigma_w, sigma_b in [(1.2, 0.4), (2.0, 0.3)]:
        point = fixed_point("tanh", sigma_w, sigma_b)
        w, b = sigma_w**2, sigma_b**2
        q, c = point.q * (1 + 1e-5), point.c - 1e-5
        q_rate = (w * phi.second(q) + b - point.q) / (q - point.q)
        c_rate = ((w * phi.product(point.q, point.q, c) + b) / point.q - point.c) / (c - point.c)
        assert point.xi_q == pytest.approx(-1 / math.log(q_rate), rel=1e-3)
        assert point.xi_c == pytest.approx(-1 / math.log(c_rate), rel=1e-3)


def test_phases() -> None:
    assert fixed_point("tanh", 0.9).q == 0
    ordered, chaotic = fixed_point("tanh", 1.2, 0.3), fixed_point("tanh", 2.5, 0.3)
    assert ordered.c == 1
    assert ordered.chi_1 < 1
    assert 0 < chaotic.c < 1 < chaotic.chi_1
    assert fixed_point("tanh", 2.5).c == pytest.approx(0, abs=1e-12)
    assert fixed_point("tanh", critical_sigma_w("tanh", 0.3), 0.3).xi_c == math.inf


def test_fixed_points_of_relu() -> None:
    assert fixed_point("relu", 1.0, 0.1).q == pytest.approx(0.02)
    assert fixed_point("relu", 1.0).q == 0
    assert fixed_point("relu", 1.5).q == math.inf
    edge = fixed_point("relu", math.sqrt(2))
    assert math.isnan(edge.q)
    assert (edge.c, edge.xi_c) == (1, math.inf)
    assert math.isnan(fixed_point("linear", 0.5).c)


@pytest.mark.parametrize("weight_init", INITIALIZERS)
@pytest.mark.parametrize(("n_inputs", "n_neurons"), [(300, 200), (200, 300)])
def test_weights_have_the_variance_stated(weight_init: str, n_inputs: int, n_neurons: int) -> None:
    assert set(INITIALIZERS) == set(DRAWN)
    layer = Dense(
        n_inputs,
        n_neurons,
        weight_init=weight_init,
        gain=1.5,
        random_state=np.random.RandomState(0),
    )
    measured = float(np.mean(layer.weights.astype(np.float64) ** 2))
    stated = weight_variance(n_inputs, n_neurons, weight_init=weight_init, gain=1.5)
    # The mean of N squared normals has a relative deviation of sqrt(2 / N).
    assert measured == pytest.approx(stated, rel=4 * math.sqrt(2 / (n_inputs * n_neurons)))


def _block(activation: str, depth: int, width: int, **dense: Any) -> list[dict[str, Any]]:
    """The description of ``layers=mlp`` on inputs as wide as the block."""
    return [
        {"name": name, "kind": kind, "n_inputs": width, "n_neurons": width, **arguments}
        for name, kind, arguments in MLP(depth, width, activation, **dense).unfold("mlp")
    ]


CASES: dict[str, tuple[str, float, float]] = {
    "relu with He": ("relu", math.sqrt(2), 0.0),
    "tanh on the edge": ("tanh", 1.0, 0.0),
    "tanh on the edge, biases": ("tanh", critical_sigma_w("tanh", math.sqrt(0.05)), 0.05**0.5),
    "tanh in order": ("tanh", 0.8, 0.2),
    "tanh in chaos": ("tanh", 2.0, 0.1),
    "linear": ("linear", 1.0, 0.0),
}


@pytest.fixture(scope="module")
def measured() -> tuple[Array, dict[str, Array]]:
    """Two inputs, and for each case the second moments: networks x layers, averaged over both."""
    seeds, depth, width = 20, 30, 512
    inputs = np.random.RandomState(99).randn(2, width).astype(np.float32)
    results = {case: np.empty((seeds, 2 * depth)) for case in CASES}
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        signals: dict[str, NDArray[Any]] = dict.fromkeys(CASES, inputs)
        for layer in range(depth):
            # All cases share the draws: they are tested apart, and drawing is what takes time.
            weights = rng.standard_normal((width, width), np.float32) / np.float32(width**0.5)
            biases = rng.standard_normal((1, width), np.float32)
            for case, (name, sigma_w, sigma_b) in CASES.items():
                z = np.float32(sigma_w) * (signals[case] @ weights) + np.float32(sigma_b) * biases
                a = PHI[name](z)
                results[case][seed, 2 * layer] = np.mean(np.square(z), dtype=np.float64)
                results[case][seed, 2 * layer + 1] = np.mean(np.square(a), dtype=np.float64)
                signals[case] = a
    return np.mean(inputs.astype(np.float64) ** 2, axis=1), results


@pytest.mark.parametrize("case", CASES)
def test_measured_lies_within_the_error_bar(
    measured: tuple[Array, dict[str, Array]], case: str
) -> None:
    moments, results = measured
    name, sigma_w, sigma_b = CASES[case]
    block = _block(name, 30, 512, weight_scale=sigma_w / math.sqrt(512), bias_scale=sigma_b)
    predictions = predict(block, moments)
    networks = results[case]
    for prediction, values in zip(predictions, networks.T, strict=True):
        assert abs(prediction.distance(float(values.mean()), len(values))) < 3
        # The bar is no excuse: two inputs that are not fully correlated spread less, at most.
        assert 0.4 < values.std(ddof=1) / prediction.standard_deviation < 1.6
    if name in ("linear", "relu"):
        for layer, prediction in enumerate(predictions, start=1):
            # Relative variance: 1 + r grows by 1 + 5/n with each ReLU, 1 + 2/n with each identity.
            pairs, half = divmod(layer, 2)
            r = (1 + (5 if name == "relu" else 2) / 512) ** pairs * (1 + half * 2 / 512) - 1
            relative = prediction.standard_deviation / prediction.second_moment
            assert relative == pytest.approx(math.sqrt(r), rel=1e-12)


def _layers(description: list[dict[str, Any]], seed: int) -> list[Any]:
    """The real layers of a description, drawn from one stream."""
    classes = {c.__name__: c for c in (Dense, LeakyReLU, Linear, ReLU, Sigmoid, Tanh)}
    stream = np.random.RandomState(seed)
    made = []
    for part in description:
        known = {k: v for k, v in part.items() if k not in ("name", "kind", "n_inputs")}
        if part["kind"] != "Dense":
            known.pop("n_neurons")
        made.append(classes[part["kind"]](part["n_inputs"], random_state=stream, **known))
    return made


@pytest.mark.parametrize("weight_init", ["lecun", "orthogonal"])
@pytest.mark.parametrize("name", list(PHI))
def test_real_layers_of_uneven_width_spread_as_stated(name: str, weight_init: str) -> None:
    networks, widths = 400, [30, 60, 40, 50, 50, 24]
    description: list[dict[str, Any]] = []
    kinds = {name: kind for kind, name in KINDS.items()} | {"linear": "Linear"}
    slope = {"slope": 0.2} if name == "leaky_relu" else {}
    for i, (n_inputs, n_neurons) in enumerate(pairwise(widths)):
        sizes = {"n_inputs": n_inputs, "n_neurons": n_neurons}
        dense = {"weight_init": weight_init, "gain": 1.4, "bias_scale": 0.3}
        description.append({"name": f"dense{i}", "kind": "Dense", **sizes, **dense})
        sizes = {"n_inputs": n_neurons, "n_neurons": n_neurons}
        description.append({"name": f"a{i}", "kind": kinds[name], **sizes, **slope})
    sample = np.random.RandomState(5).randn(1, widths[0]).astype(np.float32)
    values = np.empty((networks, len(description)))
    for seed in range(networks):
        outputs = sample
        for i, layer in enumerate(_layers(description, seed)):
            outputs = layer.forward(outputs)
            values[seed, i] = np.mean(outputs.astype(np.float64) ** 2)
    predictions = predict(description, float(np.mean(sample.astype(np.float64) ** 2)))
    for prediction, column in zip(predictions, values.T, strict=True):
        assert abs(prediction.distance(float(column.mean()), networks)) < 4
        assert column.std(ddof=1) == pytest.approx(prediction.standard_deviation, rel=0.2)


def test_square_orthogonal_linear_networks_do_not_spread() -> None:
    description = _block("linear", 3, 20, weight_init="orthogonal")
    predictions = predict(description, 0.7)
    assert [p.standard_deviation for p in predictions] == [0.0] * 6
    outputs = np.full((1, 20), 0.7**0.5, dtype=np.float32)
    for layer, prediction in zip(_layers(description, 0), predictions, strict=True):
        outputs = layer.forward(outputs)
        assert abs(prediction.distance(float(np.mean(outputs**2)))) < 3


def test_narrow_orthogonal_layers_shift_as_stated() -> None:
    networks, width = 4000, 12
    sample = np.random.RandomState(0).randn(1, width)
    stream = np.random.RandomState(1)
    values = [
        float(np.mean(np.tanh(sample @ DRAWN["orthogonal"](width, width, stream, 2.0)) ** 2))
        for _ in range(networks)
    ]
    block = _block("tanh", 1, width, weight_init="orthogonal", gain=2.0)
    prediction = predict(block, float(np.mean(sample**2)))[-1]
    assert abs(prediction.shift) > 5 * prediction.standard_error(networks)
    # What is left of the shift is of order 1/width of itself.
    apart = float(np.mean(values)) - prediction.second_moment
    assert apart == pytest.approx(prediction.shift, rel=0.3)


@pytest.mark.parametrize("name", ["relu", "tanh", "sigmoid"])
def test_correlation_of_two_inputs(name: str) -> None:
    rng = np.random.RandomState(1)
    x = rng.randn(2, 2000)
    x[1] = 0.5 * x[0] + 1.5 * x[1]
    norms = np.sqrt(np.mean(x**2, axis=1))
    c = float(np.mean(x[0] * x[1]) / norms.prod())
    block = _block(name, 4, 2000, weight_scale=1.5 / math.sqrt(2000), bias_scale=0.2)
    pair = (float(norms[0] ** 2), float(norms[1] ** 2))
    predictions = predict(block, norms**2, input_correlation=c, pair_second_moments=pair)
    outputs = x
    for layer, prediction in zip(_layers(block, 3), predictions, strict=True):
        outputs = layer.forward(outputs)
        a, b = outputs.astype(np.float64)
        measured = float(a @ b / math.sqrt((a @ a) * (b @ b)))
        assert prediction.correlation == pytest.approx(measured, abs=4 / math.sqrt(2000))
    assert predictions[1].correlation != pytest.approx(predictions[0].correlation, abs=1e-3)


def test_samples_of_different_length_are_averaged_after_tanh() -> None:
    block = _block("tanh", 1, 10, weight_init="lecun", gain=3.0)
    short, long = (predict(block, q)[1] for q in (0.01, 5.0))
    both = predict(block, np.array([0.01, 5.0]))[1]
    assert both.second_moment == pytest.approx((short.second_moment + long.second_moment) / 2)
    assert both.second_moment < predict(block, 2.505)[1].second_moment
    relative = (short.standard_deviation + long.standard_deviation) / 2
    assert both.standard_deviation == pytest.approx(relative)


def _reasons(*kinds: str, **first: Any) -> list[str | None]:
    layers = [{"name": k.lower(), "kind": k, "n_inputs": 4, "n_neurons": 4} for k in kinds]
    layers[0].update(first)
    return [p.reason for p in predict(layers, 1.0)]


def test_where_there_is_no_prediction_it_says_why() -> None:
    assert _reasons("Dense", "Linear", "ReLU", "Dense", "Tanh") == [None] * 5
    after = _reasons("Dense", "Softmax", "Dense")
    assert after[0] is None
    assert "softmax is a softmax" in str(after[1])
    assert after[1] == after[2]
    assert "not Gaussian" in str(_reasons("ReLU")[0])
    assert "not Gaussian" in str(_reasons("Dense", "Tanh", "ReLU")[2])
    assert "handwritten weights" in str(_reasons("Dense", weights=[[1.0]])[0])
    assert "handwritten biases" in str(_reasons("Dense", biases=[1.0])[0])
    assert "knows nothing" in str(_reasons("Layer_Dense")[0])
    prediction = predict([{"kind": "Softmax"}], 1.0)[0]
    assert prediction.name == "0"
    assert math.isnan(prediction.second_moment)
    assert math.isnan(prediction.distance(1.0))


def test_extreme_depth_neither_warns_nor_fails() -> None:
    for name, gain in [("relu", 30.0), ("tanh", 0.01), ("tanh", 1e6), ("linear", 0.01)]:
        block = _block(name, 200, 4, weight_init="lecun", gain=gain)
        last = predict(block, 1.0, input_correlation=0.5)[-1]
        if name == "relu":
            assert str(last.reason).endswith("mlp_dense117 is beyond what float64 can hold")
        else:
            assert last.reason is None
            assert last.second_moment >= 0
    zero = predict(_block("tanh", 3, 4), 0.0, input_correlation=0.5)[-1]
    assert (zero.second_moment, zero.standard_deviation) == (0, 0)
    assert zero.distance(0.0) == 0
    assert zero.distance(1.0) == math.inf


def test_distance_counts_standard_errors() -> None:
    prediction = Prediction("x", "Dense", 2.0, 0.4, 0.1, math.nan)
    assert prediction.distance(2.3, 16) == pytest.approx(2, rel=1e-3)


def test_bad_input_is_refused() -> None:
    dense = {"name": "d", "kind": "Dense", "n_inputs": 4, "n_neurons": 4}
    with pytest.raises(ConfigError, match="activation=softmax"):
        fixed_point("softmax", 1.0)
    with pytest.raises(UnknownKeyError, match="did you mean tanh"):
        critical_sigma_w("tahn")
    with pytest.raises(ConfigError, match="sigma_w=-1"):
        fixed_point("tanh", -1.0)
    with pytest.raises(ConfigError, match="sigma_b=nan"):
        critical_sigma_w("tanh", math.nan)
    with pytest.raises(ConfigError, match="too large"):
        critical_sigma_w("tanh", 1e7)
    with pytest.raises(ConfigError, match="input_second_moment=-1"):
        predict([dense], -1.0)
    with pytest.raises(ConfigError, match="input_correlation=2"):
        predict([dense], 1.0, input_correlation=2.0)
    with pytest.raises(ConfigError, match=r"layers\.d\.n_neurons=0"):
        predict([dense | {"n_neurons": 0}], 1.0)
    with pytest.raises(ConfigError, match=r"layers\.d\.gain=inf"):
        predict([dense | {"gain": math.inf}], 1.0)
    with pytest.raises(UnknownKeyError, match="did you mean glorot"):
        predict([dense | {"weight_init": "glorott"}], 1.0)
