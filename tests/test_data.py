from __future__ import annotations

import importlib.util
import inspect
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from numpy.random import RandomState

import runner.data
from runner import schema
from runner.data.dataset import _datasets
from runner.errors import ConfigError, MissingExtraError, UnknownKeyError

HAS_SKLEARN = importlib.util.find_spec("sklearn") is not None
TOYS = {"digits": (1797, 64, 10), "iris": (150, 4, 3), "wine": (178, 13, 3)}


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("spiral", {}),
        ("spiral", {"samples": 7, "classes": 256}),
        ("spiral", {"samples": 1, "classes": 1}),
        ("vertical", {"samples": 12, "classes": 4}),
        ("sine", {}),
        ("sine", {"samples": 1}),
        ("book_sample", {}),
        ("book_batch", {}),
        ("normal", {"samples": 9, "features": 13}),
    ],
)
def test_plan_says_what_will_be_made(name: str, config: dict[str, int]) -> None:
    target = f"runner.data.{name}"
    before = np.random.get_state(legacy=False)
    shape = runner.data.plan(target, config)
    after = np.random.get_state(legacy=False)
    assert before["state"]["pos"] == after["state"]["pos"]
    assert (before["state"]["key"] == after["state"]["key"]).all()
    inputs, targets = runner.data.make(target, config, RandomState(0))
    assert inputs.shape == shape[:2]
    assert inputs.dtype == shape.dtype
    assert inputs.flags.c_contiguous
    if shape.n_classes is None:
        assert targets is None or targets.dtype.kind == "f"
    else:
        assert targets is not None
        assert targets.dtype.kind in "iu"
        assert np.unique(targets).tolist() == list(range(shape.n_classes))
    if targets is not None:
        assert targets.shape == (shape.n_samples,)


def test_book_inputs() -> None:
    rows = [[1.0, 2.0, 3.0, 2.5], [2.0, 5.0, -1.0, 2.0], [-1.5, 2.7, 3.3, -0.8]]
    assert runner.data.book_batch().inputs.tolist() == rows
    assert runner.data.book_sample().inputs.tolist() == rows[:1]
    # What one caller does to them, no other sees.
    runner.data.book_batch().inputs[:] = 0
    assert runner.data.book_batch().inputs.tolist() == rows


def test_sine_is_a_sine() -> None:
    inputs, targets = runner.data.sine(8)
    assert targets is not None
    assert inputs[:, 0].tolist() == [i / 8 for i in range(8)]
    np.testing.assert_allclose(targets, np.sin(2 * np.pi * inputs[:, 0]), rtol=0, atol=1e-15)


def test_the_seed_decides() -> None:
    def made(seed: int) -> bytes:
        return runner.data.spiral(10, 3, random_state=RandomState(seed)).inputs.tobytes()

    assert made(1) == made(1) != made(2)


def test_normal_continues_the_stream() -> None:
    stream, plain = RandomState(0), RandomState(0)
    runner.data.normal(3, 5, random_state=stream)
    plain.randn(15)
    assert stream.randn() == plain.randn()


@pytest.mark.parametrize(
    ("name", "config", "key", "problem"),
    [
        ("spiral", {"samples": 0}, "samples", "whole number from 1"),
        ("spiral", {"samples": -5}, "samples", "whole number from 1"),
        ("spiral", {"samples": 1.5}, "samples", "whole number from 1"),
        ("spiral", {"samples": "abc"}, "samples", "whole number from 1"),
        ("spiral", {"samples": None}, "samples", "whole number from 1"),
        ("spiral", {"samples": [1, 2]}, "samples", "whole number from 1"),
        ("spiral", {"classes": 0}, "classes", "from 1 to 256"),
        ("vertical", {"classes": 257}, "classes", "from 1 to 256"),
        ("spiral", {"clases": 3}, "clases", "did you mean classes"),
        ("sine", {"samples": 0}, "samples", "whole number from 1"),
        ("normal", {"features": 0}, "features", "whole number from 1"),
        ("book_batch", {"samples": 3}, "samples", "there is: none"),
        ("table", {}, "path", "needs a value"),
        ("table", {"path": "???"}, "path", "needs a value"),
    ],
)
def test_plan_refuses_what_cannot_be_run(
    name: str, config: dict[str, Any], key: str, problem: str
) -> None:
    with pytest.raises(ConfigError, match=problem) as caught:
        runner.data.plan(f"runner.data.{name}", config)
    assert caught.value.key == key
    assert caught.value.value == config.get(key, "???")


def test_functions_check_for_themselves() -> None:
    for name, *sizes in (("spiral", 0, 3), ("vertical", 3, 257), ("sine", 0), ("normal", 3, 0)):
        with pytest.raises(ConfigError, match="whole number"):
            getattr(runner.data, str(name))(*sizes)


def test_plan_of_a_huge_dataset_takes_no_memory() -> None:
    assert runner.data.plan("runner.data.spiral", {"samples": 10**12}).n_samples == 3 * 10**12


def test_unknown_dataset() -> None:
    with pytest.raises(UnknownKeyError, match=r"did you mean runner\.data\.spiral"):
        runner.data.plan("runner.data.spirl", {})


def test_every_dataset_has_its_schema_with_the_same_defaults() -> None:
    described = {cls._target_: cls for cls in schema.OPTIONS["data"].values()}  # type: ignore[attr-defined]
    assert set(described) == set(_datasets)
    for target, entry in _datasets.items():
        keys = {k: v for k, v in vars(described[target]()).items() if k != "_target_"}
        for function, own in ((entry.make, {"random_state"}), (entry.size, set[str]())):
            parameters = inspect.signature(function).parameters
            assert set(parameters) == {*keys, *own}
            for key, value in keys.items():
                default = parameters[key].default
                assert default == (parameters[key].empty if value == schema.MISSING else value)


@pytest.mark.skipif(not HAS_SKLEARN, reason="needs the extra sklearn")
@pytest.mark.parametrize("name", list(TOYS))
def test_toy_data(name: str) -> None:
    import sklearn.datasets

    shape = runner.data.plan(f"runner.data.{name}", {})
    assert shape[:3] == TOYS[name]
    inputs, targets = runner.data.make(f"runner.data.{name}", {}, RandomState(0))
    expected = getattr(sklearn.datasets, f"load_{name}")()
    assert inputs.dtype == shape.dtype == np.float64
    assert inputs.flags.c_contiguous
    assert targets is not None
    assert targets.dtype == np.int64
    assert inputs.tolist() == expected.data.tolist()
    assert targets.tolist() == expected.target.tolist()


@pytest.mark.parametrize("name", list(TOYS))
def test_toy_data_without_the_extra(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for call in (
        lambda: runner.data.plan(f"runner.data.{name}", {}),
        getattr(runner.data, name),
    ):
        with pytest.raises(MissingExtraError, match=r"pip install 'runner\[sklearn\]'"):
            call()


FRESH = """
import sys
import runner.data, runner.layers, runner.numerics
heavy = {"nnfs", "pyarrow", "sklearn", "pandas", "scipy", "matplotlib", "hydra", "omegaconf"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
runner.data.plan("runner.data.spiral", {})
runner.layers.Dense.plan(2, 3)
assert not heavy & set(sys.modules), heavy & set(sys.modules)
runner.data.spiral(10, 3)
assert heavy & set(sys.modules) == {"nnfs"}
"""


def test_loads_libraries_where_they_are_used() -> None:
    subprocess.run([sys.executable, "-c", FRESH], check=True)
