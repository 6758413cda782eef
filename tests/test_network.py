from __future__ import annotations

from typing import Any

import pytest

from runner.errors import ConfigError, UntrustedError
from runner.forward import network


def _dense(n_neurons: int | None = 3, **more: Any) -> dict[str, Any]:
    return {"_target_": "runner.layers.Dense", "n_neurons": n_neurons, **more}


RELU = {"_target_": "runner.layers.ReLU"}


def test_widths_follow_from_the_layer_before() -> None:
    plans = network.plan({"a": _dense(5), "r": RELU, "b": _dense(2)}, 4)
    assert [(p.name, p.kind, p.n_inputs, p.n_neurons) for p in plans] == [
        ("a", "Dense", 4, 5),
        ("r", "ReLU", 5, 5),
        ("b", "Dense", 5, 2),
    ]


def test_a_block_unfolds() -> None:
    mlp = {"_target_": "runner.layers.MLP", "depth": 2, "width": 7, "activation": "tanh"}
    plans = network.plan({"mlp": mlp, "out": _dense(1)}, 3)
    assert [p.name for p in plans] == ["mlp_dense1", "mlp_tanh1", "mlp_dense2", "mlp_tanh2", "out"]
    assert [p.n_inputs for p in plans] == [3, 7, 7, 7, 7]


def test_handwritten_weights_say_the_width() -> None:
    (plan,) = network.plan({"a": _dense(None, weights=[[1, 2], [3, 4], [5, 6]])}, 2)
    assert plan.n_neurons == 3


@pytest.mark.parametrize(
    ("layers", "key"),
    [
        ({}, "layers"),
        ({"a": _dense(0)}, "layers.a.n_neurons"),
        ({"a": _dense(True)}, "layers.a.n_neurons"),
        ({"a": _dense(n_inputs=3)}, "layers.a.n_inputs"),
        ({"a": _dense(3, weights=[[1, 2, 3]])}, "layers.a.weights"),
        ({"../up": RELU}, "layers.../up"),
        ({"": RELU}, "layers."),
        ({".hidden": RELU}, "layers..hidden"),
        ({"a/b": RELU}, "layers.a/b"),
        ({"a\nb": RELU}, "layers.a b"),
        ({"x" * 101: RELU}, "layers.xxx"),
        ({"a": 3}, "layers.a"),
        ({"a": {"_target_": 3}}, "layers.a._target_"),
        ({"a": {"_target_": "runner.layers.Dense.plan"}}, "layers.a._target_"),
    ],
)
def test_refuses_with_the_key(layers: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        network.plan(layers, 2)
    assert str(caught.value).startswith(key)


def test_two_layers_of_one_name() -> None:
    mlp = {"_target_": "runner.layers.MLP", "depth": 1, "width": 2, "activation": "relu"}
    with pytest.raises(ConfigError, match=r"mlp_dense1: two layers of one name, see layers.mlp"):
        network.plan({"mlp": mlp, "mlp_dense1": _dense()}, 2)


@pytest.mark.parametrize(
    "target", ["os.system", "mine.Layer", "minelayers.Layer", "runnerx.Layer", "builtins.eval"]
)
def test_code_outside_the_package_needs_trust(target: str) -> None:
    with pytest.raises(UntrustedError, match=r"add trust=\["):
        network.plan({"a": {"_target_": target}}, 2, trust=["min", "mine.other"])


def test_trust_reaches_below_a_module() -> None:
    (plan,) = network.plan({"a": {"_target_": "mine.deep.Layer", "n_neurons": 4}}, 2, ["mine"])
    assert (plan.kind, plan.n_neurons, plan.is_ours) == ("Layer", 4, False)
