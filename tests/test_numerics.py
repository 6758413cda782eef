from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.random import RandomState

from runner import numerics
from runner.errors import ConfigError, UnknownKeyError
from runner.numerics import TILE, check_scale, check_size, draw, rule


@pytest.mark.parametrize(
    ("name", "dtype", "product_dtype"),
    [
        ("nnfs", np.float32, np.float64),
        ("float32", np.float32, np.float32),
        ("float64", np.float64, np.float64),
    ],
)
def test_rules(name: str, dtype: type, product_dtype: type) -> None:
    found = rule(name)
    assert found.name == name
    assert found.dtype == dtype
    assert found.product_dtype == product_dtype
    assert rule(found) is found
    stream = RandomState(1)
    inputs = stream.randn(50, 7).astype(np.float32)
    weights = stream.randn(7, 4).astype(np.float32)
    product = found.product(inputs, weights)
    assert product.dtype == dtype
    expected: Any = (inputs.astype(product_dtype) @ weights.astype(product_dtype)).astype(dtype)
    assert product.tobytes() == expected.tobytes()


def test_rules_differ() -> None:
    stream = RandomState(1)
    inputs, weights = draw(stream, 100, 300), draw(stream, 300, 5)
    products = [rule(name).product(inputs, weights).astype(np.float64) for name in numerics.RULES]
    assert not np.array_equal(products[0], products[1])
    assert not np.array_equal(products[0], products[2])


def test_unknown_rule_says_which_there_are() -> None:
    with pytest.raises(UnknownKeyError, match=r"numerics\.rule=float46: did you mean float64"):
        rule("float46")


def test_cast_inputs_keeps_the_books_float64_under_nnfs_alone() -> None:
    inputs = np.linspace(0, 1, 5).reshape(-1, 1)
    assert rule("nnfs").cast_inputs(inputs) is inputs
    assert rule("float64").cast_inputs(inputs) is inputs
    assert rule("float32").cast_inputs(inputs).dtype == np.float32


def test_product_does_not_copy_weights_in_product_dtype(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def matmul(inputs: Any, weights: Any) -> Any:
        seen.append(weights)
        return inputs @ weights

    monkeypatch.setattr(np, "matmul", matmul)
    weights = np.ones((2, 3), dtype=np.float64)
    rule("nnfs").product(np.ones((4, 2), dtype=np.float32), weights)
    assert seen[0] is weights


def test_product_that_overflows_is_infinite_without_a_warning() -> None:
    large = np.full((1, 1), 1e30, np.float32)
    assert np.isinf(rule("nnfs").product(large, large)).all()
    assert np.isinf(rule("float32").product(large, large)).all()


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (2, 5), (3, 7), (1025, 1025)])
def test_draw_gives_the_bits_of_randn_and_leaves_the_stream_there(rows: int, columns: int) -> None:
    ours, theirs = RandomState(3), RandomState(3)
    expected = theirs.randn(rows, columns).astype(np.float32)
    drawn = draw(ours, rows, columns)
    assert drawn.dtype == np.float32
    assert drawn.tobytes() == expected.tobytes()
    assert ours.randn() == theirs.randn()


def test_nnfs_products_do_not_depend_on_the_cut_of_the_rows() -> None:
    stream = RandomState(0)
    inputs, weights = draw(stream, TILE + 100, 64), draw(stream, 64, 32)
    whole = rule("nnfs").product(inputs, weights)
    tiles = [rule("nnfs").product(part, weights) for part in (inputs[:TILE], inputs[TILE:])]
    assert whole.tobytes() == np.concatenate(tiles).tobytes()


@pytest.mark.parametrize("value", [0, -5, 1.5, 2.0, "abc", None, [1, 2], True])
def test_sizes_are_whole_numbers_from_1(value: object) -> None:
    with pytest.raises(ConfigError, match=r"samples=.*needs a whole number from 1") as caught:
        check_size("samples", value)
    assert caught.value.key == "samples"
    assert caught.value.value == value


def test_sizes_may_have_a_limit() -> None:
    assert check_size("classes", 256, 256) == 256
    assert check_size("classes", np.int64(2), 256) == 2
    with pytest.raises(ConfigError, match="from 1 to 256"):
        check_size("classes", 257, 256)


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), -float("inf"), 1e38, 10**400, "0.1", None, True]
)
def test_scales_are_finite(value: object) -> None:
    with pytest.raises(ConfigError, match=r"gain=.*needs a finite number"):
        check_scale("gain", value)


def test_scales_may_have_a_least_value() -> None:
    assert check_scale("gain", -2) == -2.0
    with pytest.raises(ConfigError, match="from 0 to"):
        check_scale("bias_scale", -1e-9, least=0.0)
