"""Values as columns, and as JSON that every reader takes."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

import runner
from runner.analysis.changes import between
from runner.store.parquet.plain import from_json, storable, to_json

NAN, INF = math.nan, math.inf


def strictly(text: str) -> Any:
    def refuse(name: str) -> None:
        raise AssertionError(name)

    return json.loads(text, parse_constant=refuse)


@pytest.mark.parametrize(
    "value",
    [
        {"a": [1, 2.5, None, True, "é"], "b": {}},
        {"a": NAN, "b": [-INF, {"c": INF}], "c": "nan", "d": {"_float_": "text"}},
        [NAN, 1],
    ],
    ids=str,
)
def test_json_has_no_name_for_nan_and_comes_back(value: Any) -> None:
    text = to_json(value)
    strictly(text)
    assert repr(from_json(text)) == repr(value)
    assert between({"x": from_json(text)}, {"x": value}) == []
    assert storable([value])[1] == to_json([value])


def test_a_run_with_numbers_that_json_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "takes_any.py").write_text(
        "class Takes:\n"
        "    def __init__(self, low, some):\n"
        "        self.values = low, some\n"
        "    def forward(self, inputs):\n"
        "        return inputs\n"
    )
    layer = "+layers.x={_target_: takes_any.Takes, low: -inf, some: [nan, 1]}"
    run = runner.run([layer, "trust=[takes_any]", "data.samples=2"])
    assert repr(run.config["layers"]["x"]["low"]) == "-inf"
    assert repr(run.config["layers"]["x"]["some"]) == "[nan, 1]"
    strictly(run.metadata["config"])
    strictly(run.metadata["params.layers.x.some"])


@pytest.mark.parametrize("wrong", ["layers=one_dense", [1], {"data.samples": "3"}, None])
def test_overrides_that_are_no_list_of_texts(wrong: Any) -> None:
    with pytest.raises(TypeError, match="a list of texts is needed"):
        runner.run(wrong)
    with pytest.raises(TypeError, match="unexpected keyword argument 'seed'"):
        runner.run(seed=3)  # type: ignore[call-arg]


def test_the_time_in_a_value_is_hashed_as_what_it_gave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = runner.run(["data.samples=2", "name=of-${now:%Y}", "seeds.seed=${now:%Y}"])
    year = run.config["seeds"]["seed"]
    assert run.metadata["params.seeds.seed"] == year >= 2026
    assert run.metadata["name"] == f"of-{year}"
    same = runner.run(["data.samples=2", f"seeds.seed={year}"])
    assert same.metadata["config_hash"] == run.metadata["config_hash"]
