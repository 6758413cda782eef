from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from numpy.random import RandomState
from numpy.typing import NDArray

from runner import schema
from runner.errors import ConfigError
from runner.layers import MLP, Dense, Layer, LeakyReLU, Linear, ReLU, Sigmoid, Softmax, Tanh
from runner.layers.activations import ACTIVATIONS, Activation
from runner.numerics import TILE

WEIGHTS = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]


def book_softmax(x: NDArray[Any]) -> NDArray[Any]:
    exp_values = np.exp(x - np.max(x, axis=1, keepdims=True))
    probabilities: NDArray[Any] = exp_values / np.sum(exp_values, axis=1, keepdims=True)
    return probabilities


FORMULAS: dict[str, Any] = {
    "relu": lambda x: np.maximum(0, x),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "softmax": book_softmax,
    "linear": lambda x: x,
}


@pytest.mark.parametrize("numerics", ["nnfs", "float32", "float64"])
@pytest.mark.parametrize("name", list(ACTIVATIONS))
def test_activations_follow_the_formula_to_the_bit(name: str, numerics: str) -> None:
    layer: Layer = ACTIVATIONS[name](6, numerics=numerics)
    dtype = np.float64 if numerics == "float64" else np.float32
    inputs = (3 * RandomState(0).randn(TILE + 5, 6)).astype(dtype)
    untouched = inputs.copy()
    outputs = layer.forward(inputs)
    assert (layer.n_inputs, layer.n_neurons, layer.parameters()) == (6, 6, {})
    assert outputs.dtype == dtype
    assert outputs.tobytes() == FORMULAS[name](inputs).tobytes()
    assert inputs.tobytes() == untouched.tobytes()
    parts = [layer.forward(part) for part in (inputs[:TILE], inputs[TILE:])]
    assert outputs.tobytes() == np.concatenate(parts).tobytes()


@pytest.mark.parametrize("name", list(ACTIVATIONS))
def test_activations_round_float64_inputs_once(name: str) -> None:
    inputs = 3 * RandomState(0).randn(20, 4)
    outputs = ACTIVATIONS[name](4).forward(inputs)
    assert outputs.tobytes() == FORMULAS[name](inputs).astype(np.float32).tobytes()


def test_activations_on_known_values() -> None:
    x = np.array([[-2.0, 0.0, 2.0]], np.float32)
    assert ReLU(3).forward(x).tolist() == [[0, 0, 2]]
    assert LeakyReLU(3, slope=0.5).forward(x).tolist() == [[-1, 0, 2]]
    assert Linear(3).forward(x).tolist() == [[-2, 0, 2]]
    np.testing.assert_allclose(Tanh(3).forward(x), [[-0.9640276, 0, 0.9640276]], rtol=1e-6)
    np.testing.assert_allclose(Sigmoid(3).forward(x), [[0.1192029, 0.5, 0.8807971]], rtol=1e-6)
    np.testing.assert_allclose(
        Softmax(3).forward(x), [[0.0158762, 0.1173104, 0.8668133]], rtol=1e-5
    )


@pytest.mark.parametrize("numerics", ["nnfs", "float32", "float64"])
def test_a_slope_of_zero_is_relu(numerics: str) -> None:
    x = np.array([[-np.inf, -1.0, -0.0, 0.0, 2.0, np.inf, np.nan]], dtype=np.float32)
    leaky = LeakyReLU(7, slope=0, numerics=numerics).forward(x)
    assert leaky.tobytes() == ReLU(7, numerics=numerics).forward(x).tobytes()


def test_large_inputs_saturate_without_a_warning() -> None:
    x = np.array([[-1e5, 1e5]], np.float32)
    assert Sigmoid(2).forward(x).tolist() == [[0, 1]]
    assert Softmax(2).forward(x).tolist() == [[0, 1]]
    assert Tanh(2).forward(x).tolist() == [[-1, 1]]
    infinite = np.array([[np.inf, 1.0], [np.nan, 1.0]], np.float32)
    assert np.isnan(Softmax(2).forward(infinite)[:, 0]).all()


@pytest.mark.parametrize(
    ("numerics", "dtype"), [("nnfs", "f4"), ("float32", "f4"), ("float64", "f8")]
)
def test_dense_draws_float32_and_computes_in_the_rules_dtype(numerics: str, dtype: str) -> None:
    layer = Dense(3, 5, weight_scale=0.3, numerics=numerics, random_state=RandomState(1))
    drawn = 0.3 * RandomState(1).randn(3, 5).astype(np.float32)
    assert layer.weights.dtype == dtype
    assert layer.weights.tobytes() == drawn.astype(dtype).tobytes()
    assert layer.biases.shape == (1, 5)
    assert layer.biases.dtype == dtype
    inputs = RandomState(2).randn(10, 3).astype(dtype)
    outputs = layer.forward(inputs)
    assert outputs.dtype == dtype
    np.testing.assert_allclose(outputs, inputs.astype("f8") @ drawn.astype("f8"), rtol=1e-5)
    assert {name: a.shape for name, a in layer.parameters().items()} == {
        "weights": (3, 5),
        "biases": (1, 5),
    }


def test_dense_draws_biases_after_the_weights() -> None:
    layer = Dense(3, 4, bias_scale=0.5, random_state=RandomState(6))
    stream = RandomState(6)
    stream.randn(3, 4)
    expected = np.float32(0.5) * stream.randn(1, 4).astype(np.float32)
    assert layer.biases.tobytes() == expected.tobytes()
    np.testing.assert_array_equal(layer.forward(np.full((1, 3), 0, np.float32)), layer.biases)


def test_no_bias_scale_draws_nothing_more() -> None:
    stream, plain = RandomState(6), RandomState(6)
    Dense(3, 4, random_state=stream)
    plain.randn(3, 4)
    assert stream.randn() == plain.randn()


@pytest.mark.parametrize("name", ["glorot", "he", "lecun", "orthogonal"])
def test_dense_takes_an_initializer_and_its_gain(name: str) -> None:
    one = Dense(8, 4, weight_init=name, random_state=RandomState(0)).weights
    two = Dense(8, 4, weight_init=name, gain=2.0, random_state=RandomState(0)).weights
    np.testing.assert_allclose(two, 2 * one, rtol=1e-6)
    assert not np.array_equal(one, Dense(8, 4, random_state=RandomState(0)).weights)


def test_gain_scales_normal_too() -> None:
    plain = Dense(8, 4, weight_scale=0.2, random_state=RandomState(0)).weights
    scaled = Dense(8, 4, weight_init="normal", gain=2.0, random_state=RandomState(0)).weights
    assert plain.tobytes() == scaled.tobytes()


def test_handwritten_weights_are_transposed_once_and_draw_nothing() -> None:
    stream, plain = RandomState(6), RandomState(6)
    layer = Dense(3, weights=WEIGHTS, biases=[0.5, -1], random_state=stream)
    assert layer.n_neurons == 2
    assert layer.weights.tolist() == [[1, 4], [2, 5], [3, 6]]
    assert layer.forward(np.array([[1.0, 0.0, 2.0]])).tolist() == [[7.5, 15.0]]
    assert stream.randn() == plain.randn()
    assert Dense(3, 2, weights=np.array(WEIGHTS)).weights.tolist() == layer.weights.tolist()


def test_handwritten_biases_go_with_drawn_weights() -> None:
    layer = Dense(3, 2, biases=[1, 2], random_state=RandomState(0))
    assert layer.biases.tolist() == [[1, 2]]
    assert layer.weights.any()


def test_layers_cannot_be_changed_behind_their_back() -> None:
    layer = Dense(3, 2, random_state=RandomState(0))
    for array in layer.parameters().values():
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 1


def test_threads_may_share_a_layer() -> None:
    layers: list[Layer] = [Dense(8, 8, random_state=RandomState(0)), Sigmoid(8), Softmax(8)]
    parts = [(1e4 * RandomState(i).randn(500, 8)).astype(np.float32) for i in range(4)]
    expected = [[layer.forward(part).tobytes() for layer in layers] for part in parts]
    right: list[bool] = []

    def work(i: int) -> None:
        for _ in range(30):
            right.append([layer.forward(parts[i]).tobytes() for layer in layers] == expected[i])  # noqa: PERF401

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert right == [True] * 120


@pytest.mark.parametrize(
    ("arguments", "key", "problem"),
    [
        ({"n_neurons": 0}, "n_neurons", "whole number from 1"),
        ({"n_neurons": True}, "n_neurons", "whole number from 1"),
        ({"n_neurons": 2.0}, "n_neurons", "whole number from 1"),
        ({}, "n_neurons", "whole number from 1, or give weights"),
        ({"n_neurons": 2, "weight_scale": float("nan")}, "weight_scale", "finite"),
        ({"n_neurons": 2, "gain": float("inf")}, "gain", "finite"),
        ({"n_neurons": 2, "gain": 1e20, "weight_scale": 1e20}, "gain", "beyond"),
        ({"n_neurons": 2, "bias_scale": -1.0}, "bias_scale", "from 0"),
        ({"n_neurons": 2, "weight_init": "glorott"}, "weight_init", "did you mean glorot"),
        ({"n_neurons": 2, "weight_init": 3}, "weight_init", "there is: normal"),
        (
            {"n_neurons": 2, "weight_init": "he", "weight_scale": 0.2},
            "weight_scale",
            "goes with weight_init=normal; he takes gain",
        ),
        ({"weights": [[1, 2, float("nan")]]}, "weights", "finite"),
        ({"weights": [[1, 2, 1e39]]}, "weights", "finite"),
        ({"weights": [[1, 2, 3], [1, 2]]}, "weights", "ragged: row 1 has 2 numbers, row 0 3"),
        ({"weights": [[1, 2]]}, "weights", "has 2 numbers a neuron, but 3 inputs arrive"),
        ({"weights": [[1, 2, "x"]]}, "weights", "needs numbers"),
        ({"weights": [[1, 2, None]]}, "weights", "needs numbers"),
        ({"weights": [[1, 2, True]]}, "weights", "true or false"),
        ({"weights": [[1, 2, [3]]]}, "weights", "needs numbers"),
        ({"weights": [[[1], [2], [3]]]}, "weights", "needs numbers"),
        ({"weights": [1, 2, 3]}, "weights", "needs numbers"),
        ({"weights": []}, "weights", "needs numbers"),
        ({"weights": [[]]}, "weights", "needs numbers"),
        ({"weights": "abc"}, "weights", "needs a list"),
        ({"weights": 3}, "weights", "needs a list"),
        ({"weights": WEIGHTS, "n_neurons": 3}, "n_neurons", "but weights has 2 rows"),
        ({"weights": WEIGHTS, "weight_init": "he"}, "weight_init", "they are given"),
        ({"weights": WEIGHTS, "weight_scale": 1.0}, "weight_scale", "they are given"),
        ({"weights": WEIGHTS, "gain": 2.0}, "gain", "they are given"),
        ({"weights": WEIGHTS, "biases": [1]}, "biases", "has 1 numbers for 2 neurons"),
        ({"n_neurons": 2, "biases": [1, 2, 3]}, "biases", "has 3 numbers for 2 neurons"),
        ({"n_neurons": 2, "biases": [1, float("inf")]}, "biases", "finite"),
        ({"n_neurons": 2, "biases": [[1, 2], [3]]}, "biases", "ragged"),
        ({"n_neurons": 2, "biases": [[1, 2], [3, 4]]}, "biases", "needs numbers"),
        ({"n_neurons": 2, "biases": [1, 2], "bias_scale": 1}, "bias_scale", "they are given"),
    ],
)
def test_dense_refuses_what_cannot_be_run(
    arguments: dict[str, Any], key: str, problem: str
) -> None:
    for attempt in (lambda: Dense.plan(3, **arguments), lambda: Dense(3, **arguments)):
        with pytest.raises(ConfigError, match=problem) as caught:
            attempt()
        assert caught.value.key == key
        assert len(caught.value.line()) <= 200


def test_plan_draws_nothing() -> None:
    before = np.random.get_state(legacy=False)
    assert Dense.plan(4, 7, weight_init="he", bias_scale=0.1) == 7
    assert Dense.plan(3, weights=WEIGHTS) == 2
    assert Tanh.plan(5) == 5
    after = np.random.get_state(legacy=False)
    assert (before["state"]["key"] == after["state"]["key"]).all()
    assert before["state"]["pos"] == after["state"]["pos"]


def test_activations_refuse_what_cannot_be_run() -> None:
    with pytest.raises(ConfigError, match=r"slope=nan"):
        LeakyReLU.plan(3, slope=float("nan"))
    with pytest.raises(ConfigError, match="n_inputs=0"):
        ReLU(0)
    with pytest.raises(TypeError, match="slope"):
        ReLU.plan(3, slope=1)  # type: ignore[call-arg]


def test_mlp_unfolds_into_named_pairs() -> None:
    block = MLP(depth=2, width=5, activation="leaky_relu", weight_init="he", bias_scale=0.1)
    unfolded = block.unfold("mlp")
    assert [(name, kind) for name, kind, _ in unfolded] == [
        ("mlp_dense1", "Dense"),
        ("mlp_leaky_relu1", "LeakyReLU"),
        ("mlp_dense2", "Dense"),
        ("mlp_leaky_relu2", "LeakyReLU"),
    ]
    dense = unfolded[0][2]
    assert Dense.plan(3, **dense) == 5
    assert dense["weight_init"] == "he"
    assert dense["bias_scale"] == 0.1
    assert unfolded[1][2] == {}


@pytest.mark.parametrize(
    ("arguments", "key", "problem"),
    [
        ({"depth": 0}, "depth", "from 1"),
        ({"depth": 10**12}, "depth", "from 1 to 100000"),
        ({"width": 0}, "width", "from 1"),
        ({"width": None}, "width", "from 1"),
        ({"activation": "tanhh"}, "activation", "did you mean tanh"),
        ({"activation": None}, "activation", "there is: relu"),
        ({"gain": float("nan")}, "gain", "finite"),
        ({"weight_init": "she"}, "weight_init", "did you mean he"),
    ],
)
def test_mlp_refuses_what_cannot_be_run(arguments: dict[str, Any], key: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem) as caught:
        MLP(**arguments).unfold("mlp")
    assert caught.value.key == key


@pytest.mark.parametrize(
    ("cls", "described"),
    [(Dense, schema.Dense), (MLP, schema.MLP), (LeakyReLU, schema.LeakyReLU)],
)
def test_defaults_are_those_of_the_configuration(cls: Any, described: Any) -> None:
    import inspect

    parameters = inspect.signature(cls).parameters
    for key, value in vars(described()).items():
        if key not in ("_target_", "n_inputs"):
            assert parameters[key].default == value, key


def test_every_activation_has_a_schema_of_its_name() -> None:
    for name, cls in ACTIVATIONS.items():
        assert issubclass(cls, Activation)
        assert schema.OPTIONS["layers"][name]._target_ == f"runner.layers.{cls.__name__}"  # type: ignore[attr-defined]
