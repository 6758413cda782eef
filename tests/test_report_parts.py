"""What pages are made of, without a browser: rows, pictures, networks made again, odd runs."""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import runner
from runner.analysis import health
from runner.analysis.student import Summary, summarise
from runner.analysis.swept import LAST, WHOLE, curves, jobs, over_depth, swept_keys
from runner.errors import duration
from runner.report import png
from runner.report.bars import histogram
from runner.report.charts import table, themed
from runner.report.cloud import scatter
from runner.report.depth import over_depth as over_layers
from runner.report.layers import plane_of
from runner.report.replay import Replay
from runner.report.sample import part_of, scattered, spread, thin
from runner.store.layout import INPUTS
from runner.store.matrix.stored import StoredMatrix
from runner.store.read import Run
from tests.conftest import BOOK_LAYER


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    """Makes a run in a folder of the test's."""
    monkeypatch.chdir(tmp_path)
    return lambda *overrides: runner.run(list(overrides))


def page_of(run: Run) -> str:
    pytest.importorskip("jinja2", reason="the extra `report` is not installed")
    pytest.importorskip("vl_convert", reason="the extra `report` is not installed")
    from runner.report.run import page_of_run

    return page_of_run(run)


def page_of_two(a: Run, b: Run) -> str:
    pytest.importorskip("jinja2", reason="the extra `report` is not installed")
    pytest.importorskip("vl_convert", reason="the extra `report` is not installed")
    from runner.report.pair import page_of_pair

    return page_of_pair(a, b)


def pixels(address: str) -> tuple[np.ndarray[Any, Any], bytes, bytes]:
    """(rows, columns) palette indices, the palette and its alphas."""
    data = base64.b64decode(address.removeprefix("data:image/png;base64,"))
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    at, chunks = 8, {}
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        check = int.from_bytes(data[at + 8 + size : at + 12 + size], "big")
        assert zlib.crc32(kind + body) == check
        chunks[kind] = body
        at += 12 + size
    width, height = (int.from_bytes(chunks[b"IHDR"][i : i + 4], "big") for i in (0, 4))
    lines = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, width + 1)
    assert not lines[:, 0].any()
    return lines[:, 1:], chunks[b"PLTE"], chunks[b"tRNS"]


def test_few_rows_are_all_read() -> None:
    sample = thin(300, 8)
    assert sample.rows.tolist() == list(range(300))
    assert sample.said() == "300 samples"
    assert thin(0, 8).size == 0


@pytest.mark.parametrize("total", [65_537, 70_000, 131_073, 20_000_000])
def test_many_rows_are_thinned_and_said(total: int) -> None:
    sample = thin(total, 12)
    assert 60_000 < sample.size <= 65536
    assert sample.rows[0] == 0
    assert sample.rows[-1] == total - 1
    assert np.all(np.diff(sample.rows) > 0)
    assert sample.said().endswith(f" of {total:,} samples")
    # Of every hundredth of the rows there are about as many.
    counts = np.bincount(sample.rows * 100 // total)
    assert counts.max() < 1.6 * counts.min()


def test_no_more_is_read_than_a_page_may() -> None:
    sample = thin(20_000_000, 512)
    groups = {row >> 16 for part in sample.ranges for row in (part.start, part.stop - 1)}
    assert len(groups) * 65536 * 512 <= 1 << 30
    assert len(groups) > 30


def test_points_are_spread_out() -> None:
    places = scattered(100_000, 2000)
    assert len(np.unique(places)) == 2000
    assert np.array_equal(np.unique(places * 2000 // 100_000), np.arange(2000))
    assert spread(1000, 3) == [0, 500, 999]
    assert part_of(1, 1, "samples") == "1 sample"


def test_numbers_as_a_page_says_them() -> None:
    pytest.importorskip("vl_convert", reason="the extra `report` is not installed")
    from runner.report.page import number

    values = (1200, 0.25, -1.5e-5, 3e20, float("-inf"), float("nan"), None)
    assert [*map(number, values)] == ["1,200", "0.25", "−1.5e−5", "3e+20", "−∞", "–", "–"]
    assert number(1 / 3, digits=9) == "0.333333333"
    times = (0.012, 3.44, 119.0, 125.7, 5400.0)
    assert [*map(duration, times)] == ["12 ms", "3.44 s", "119 s", "2 min 5 s", "90 min 0 s"]


def test_only_some_rows_are_read(made: Callable[..., Run]) -> None:
    run = made("data=normal", "data.samples=70000", "layers=one_dense")
    matrix = StoredMatrix(run.path / "inputs.parquet", INPUTS)
    ranges = [range(5, 8), range(65530, 65540), range(65600, 65600), range(69999, 80000)]
    rows = [row for each in ranges for row in each if row < 70000]
    assert np.array_equal(matrix.parts(ranges), run.inputs[rows])
    assert matrix.parts([]).shape == (0, 2)


def test_numbers_become_colours() -> None:
    values = np.array([[-1.0, 0.0, 1.0], [np.nan, -9.0, 0.5]])
    indices, palette, alphas = pixels(png.diverging(values, 1.0))
    steps = png.STEPS
    assert indices.tolist()[0] == [0, steps, 2 * steps]
    assert indices.tolist()[1][:2] == [2 * steps + 1, 0]  # not finite; beyond the end
    assert alphas[steps] == 0  # zero is the page itself
    assert alphas[0] == alphas[2 * steps] == 255
    assert tuple(palette[:3]) == png.NEGATIVE


def test_data_of_a_chart_are_csv() -> None:
    data = table(x=[1.0, float("nan")], name=['a"b', "c,\nd"])
    assert data["values"] == 'x,name\n1,"a""b"\n,"c, d"'
    # To the last digit: an axis may span no more than that.
    near = np.nextafter(np.float32(1 / 3), np.float32(1), dtype=np.float32)
    for value in (np.float32(0.1), near, np.float64(1 / 3), 1e-40):
        text = table(x=np.array([value]))["values"].splitlines()[1]
        assert type(value)(text) == value
    assert table(x=[np.float32(0.1)])["values"] == "x\n0.1"


def test_charts_take_anything() -> None:
    for values in (np.array([]), np.array([2.0, 2.0]), np.array([np.inf, np.nan, 1.0])):
        json.dumps(histogram(values, "output"), allow_nan=False)
    for several in ([1e17, 1e17 + 16], [-1.7e308, 1.7e308, 0.0], [5e-324, 0.0], [1 / 3] * 3):
        rows = histogram(np.array(several), "output")["data"]["values"].splitlines()[1:]
        assert sum(float(row.split(",")[2]) for row in rows) == pytest.approx(1)
    spec = themed(scatter(np.array([[0.0, 1.0]]), ("a", "b"), classes=np.array([1])))
    assert "var(--" not in json.dumps(spec)


def test_an_axis_of_one_value_has_an_extent() -> None:
    for value in (0.0, 3.0, -1e-30):
        spec = scatter(np.array([[value, 1.0], [value, 2.0]]), ("a", "b"))
        low, high = spec["encoding"]["x"]["scale"]["domain"]
        assert low < value < high
        assert "domain" not in spec["encoding"]["y"]["scale"]


def test_more_classes_than_colours_have_shapes() -> None:
    points = np.zeros((20, 2))
    encoding = scatter(points, ("a", "b"), classes=np.arange(20))["encoding"]
    colors, shapes = (encoding[name]["scale"]["range"] for name in ("color", "shape"))
    assert len(set(zip(colors, shapes, strict=True))) == 20
    assert "shape" not in scatter(points, ("a", "b"), classes=np.arange(20) % 8)["encoding"]


def test_over_depth_there_is_a_line_for_each_kind() -> None:
    names, kinds = ["a", "b", "c", "d"], ["Dense", "ReLU", "Dense", "ReLU"]
    spec = over_layers(names, kinds, {"mean": [1, 2, 3, 4]}, "output")
    assert spec is not None
    assert spec["layer"][0]["encoding"]["detail"]["field"] == "kind"
    assert "shape" in spec["layer"][1]["encoding"]
    one = over_layers(names, ["Dense"] * 4, {"mean": [1, 2, 3, 4]}, "output")
    assert one is not None
    assert "detail" not in one["layer"][0]["encoding"]
    assert over_layers(names, kinds, {"mean": [np.nan] * 4}, "output") is None


@pytest.mark.parametrize(
    ("lines", "kind"),
    [
        ({"mean": [1.0, 2.0]}, None),
        ({"mean": [1.0, 1e-4]}, "log"),
        ({"mean": [-1.0, 1e-3], "std": [5.0, 1e-4]}, "symlog"),
        ({"mean": [-1e-20, 1e-18], "std": [5.0, 1.0]}, None),  # rounding alone
    ],
)
def test_an_axis_suits_its_numbers(lines: dict[str, list[float]], kind: str | None) -> None:
    spec = over_layers(["a", "b"], ["Dense"] * 2, lines, "output")
    assert spec is not None
    assert spec["layer"][0]["encoding"]["y"]["scale"].get("type") == kind


def test_the_main_plane_of_many_columns() -> None:
    random = np.random.RandomState(0)
    rows = random.randn(50, 2) @ random.randn(2, 700)
    points, names = plane_of(rows, "neuron")
    assert points.shape == (50, 2)
    centred = rows - rows.mean(axis=0)
    assert np.square(points).sum() == pytest.approx(np.square(centred).sum())
    assert all("of variance" in name for name in names)
    constant, _ = plane_of(np.full((3, 5), 2.0), "neuron")
    assert constant.tolist() == [[2.0, 2.0]] * 3


@pytest.mark.parametrize("numerics", ["nnfs", "float64"])
def test_a_network_made_again_has_the_same_bits(made: Callable[..., Run], numerics: str) -> None:
    run = made("layers=book_chapter_4", "layers.dense1.bias_scale=1", f"numerics={numerics}")
    replay = Replay(run)
    assert replay.stopped is None
    for outputs, layer in zip(replay.forward(run.inputs), run.layers.values(), strict=True):
        assert np.array_equal(outputs, layer.outputs)
        assert outputs.dtype == layer.outputs.dtype


def test_nobody_else_s_code_is_run(
    made: Callable[..., Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "my_report_layers.py").write_text(BOOK_LAYER)
    mine = "+layers.mine={_target_: my_report_layers.Layer_Dense, n_neurons: 4}"
    run = made(mine, "trust=[my_report_layers]")
    (tmp_path / "my_report_layers.py").write_text("raise SystemExit('it was imported')")
    replay = Replay(run)
    assert len(replay.layers) == 2
    text = page_of(run)
    assert "whose code a report does not run" in text


def test_marks(made: Callable[..., Run]) -> None:
    run = made("layers=mlp", "layers.mlp.weight_scale=100", "layers.mlp.activation=relu")
    layer = run.layers["mlp_relu3"]
    names = [mark.kind for mark in health.marks(layer, 1.0, 0.5, float("nan"))]
    assert names == ["exploding", "dead"]
    tanh = made("layers=mlp", "layers.mlp.weight_scale=1e-6").layers["mlp_tanh4"]
    first, *_ = health.marks(tanh, 1e20, 0.0, 0.0)
    assert str(first).startswith("vanishing ÷ ")
    outputs = np.array([[0.99, 0.0, 0.0], [-1.0, 0.0, 0.5]])
    assert health.saturated_share("Tanh", outputs) == pytest.approx(2 / 6)
    assert health.dead_neurons(outputs).tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["save=statistics"], ["300 samples, computed again from the stored parameters"]),
        (["save=first", "save.rows=20"], ["the first 20 of 300 samples"]),
        (["data=book_sample", "layers=book_two_layers"], ["1 sample"]),
        (["data=sine"], ["Inputs and targets"]),
        (["data.classes=12", "layers.dense2.n_neurons=12"], ["of 12 classes are chosen somewhere"]),
        (["data=normal", "data.features=6"], ["component 1 ("]),
        (
            ["layers=mlp", "layers.mlp.depth=60", "layers.mlp.width=8"],
            ["40 of 120 layers are shown"],
        ),
        (
            ["layers=mlp", "layers.mlp.activation=relu", "layers.mlp.weight_scale=1e9"],
            ["not finite", "exploding"],
        ),
        (["layers.dense1.n_neurons=1500", "data.samples=5"], ["16 of 1,500 neurons"]),
    ],
    ids=lambda value: value[0] if value else "",
)
def test_odd_runs(made: Callable[..., Run], overrides: list[str], words: list[str]) -> None:
    text = page_of(made(*overrides))
    for word in words:
        assert word in text
    assert len(text) < 4_000_000


def test_numbers_at_the_ends_of_float64(made: Callable[..., Run], tmp_path: Path) -> None:
    (tmp_path / "ends.csv").write_text("a,b\n-1.7e308,1e308\n1.7e308,-1e308\n1e-320,5e-324\n")
    run = made("data=table", "data.path=ends.csv", "numerics=float64")
    assert "their squares, are not all finite" in page_of(run)


@pytest.mark.parametrize(
    ("a", "b", "words"),
    [
        ([], ["layers.dense1.n_neurons=5"], ["300 x 3 / 300 x 5"]),
        (["layers=book_chapter_4"], ["layers=book_chapter_4", "layers.dense1.n_neurons=5"], []),
        (
            [],
            ["data.samples=50"],
            ["A: 300 samples; B: 150 samples", "these layers saw different things"],
        ),
        (["save=statistics"], ["layers.dense2.n_neurons=5"], ["Nothing to draw."]),
        ([], ["numerics=float64"], ["<td>0.000149766204</td><td>0.00014976625</td>"]),
    ],
    ids=["wider", "wider before others", "fewer samples", "not kept", "close"],
)
def test_odd_pairs(made: Callable[..., Run], a: list[str], b: list[str], words: list[str]) -> None:
    text = page_of_two(made(*a), made(*b))
    # What was counted of no part has no column.
    assert ('<th scope="col">NaN</th>' in text) == ("% of values differ" in text)
    for word in words:
        assert word in text


def test_what_a_page_may_do(made: Callable[..., Run]) -> None:
    text = page_of(made("data.samples=3"))
    [policy] = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    assert policy.startswith("default-src &#39;none&#39;")
    assert "http" not in policy
    assert "unsafe-inline" not in policy.split("script-src")[1].split(";")[0]


def row(n: int, seed: int, layers: dict[str, float], loss: float | None = None) -> dict[str, Any]:
    """A row of an index, whose layers have these means."""
    facts: dict[str, Any] = {
        "overrides": ["layers=mlp", f"data.samples={n}", f"seeds.seed={seed}"],
        "metrics.loss": loss,
    }
    for name, mean in layers.items():
        numbers = dict.fromkeys(("std", "min", "max", "zero_fraction", "nonfinite_count"), 0.0)
        numbers |= {"mean": mean}
        facts |= {f"layers.{name}.{key}": value for key, value in numbers.items()}
    return facts


def test_swept_keys_and_curves() -> None:
    runs = jobs([row(n, seed, {"a": float(n)}, float(seed)) for n in (10, 9) for seed in (1, 3)])
    assert swept_keys([one.typed for one in runs]) == {
        "data.samples": [9, 10],
        "seeds.seed": [1, 3],
    }
    points = list(curves(runs, "data.samples", (), ["a"], ["rms"]))
    assert [(p.value, p.layer, p.statistic, p.summary.mean) for p in points] == [
        (9, "a", "rms", 9.0),
        (9, WHOLE, "loss", 2.0),
        (10, "a", "rms", 10.0),
        (10, WHOLE, "loss", 2.0),
    ]
    assert points[1].summary.n == 2


def test_the_last_layer_is_each_run_s_own() -> None:
    runs = jobs([row(1, 0, {"a": 1.0}), row(2, 0, {"a": 1.0, "b": 3.0})])
    points = list(curves(runs, "data.samples", (), [LAST], ["mean"]))
    assert [(p.value, p.layer, p.summary.mean) for p in points] == [(1, LAST, 1.0), (2, LAST, 3.0)]


def test_what_is_not_finite_does_not_fall_back_to_zero() -> None:
    exploded = row(1, 0, {"a": 0.0}) | {"layers.a.nonfinite_count": 4}
    [point] = curves(jobs([exploded, row(1, 1, {"a": 5.0})]), "data.samples", (), ["a"], ["mean"])
    assert (point.summary.mean, point.summary.n, point.runs) == (5.0, 1, 2)


def test_depth_is_that_of_each_run(made: Callable[..., Run], tmp_path: Path) -> None:
    """Whatever the order of the columns in an index that has the layers of all runs."""
    deep = ["layers=mlp", "layers.mlp.width=2", "data.samples=3"]
    rows = []
    for activation, depth in (("relu", 1), ("tanh", 2)):
        run = made(*deep, f"layers.mlp.activation={activation}", f"layers.mlp.depth={depth}")
        facts = {f"layers.{name}.mean": 1.0 for name in sorted(run.layers)}
        rows.append({"path": str(run.path), "overrides": [f"depth={depth}"], **facts})
    points = over_depth(jobs(rows), "depth", ["mean"])
    assert [(p.value, p.kind, p.position, p.layer) for p in points] == [
        (1, "Dense", 0, "mlp_dense1"),
        (1, "ReLU or Tanh", 1, "mlp_relu1"),
        (2, "Dense", 0, "mlp_dense1"),
        (2, "ReLU or Tanh", 1, "mlp_tanh1"),
        (2, "Dense", 2, "mlp_dense2"),
        (2, "ReLU or Tanh", 3, "mlp_tanh2"),
    ]


def test_the_kinds_of_a_run_that_is_gone(made: Callable[..., Run], tmp_path: Path) -> None:
    """They are those of the next one with the same layers."""
    run = made("layers=mlp", "layers.mlp.width=2", "layers.mlp.depth=1", "data.samples=3")
    facts = {f"layers.{name}.mean": 1.0 for name in run.layers}
    deep = {f"layers.{name}.mean": 1.0 for name in "abc"}
    found = jobs(
        [
            {"path": str(tmp_path / "gone"), "overrides": ["key=1"], **facts},
            {"path": str(run.path), "overrides": ["key=2"], **facts},
            {"path": str(tmp_path / "gone"), "overrides": ["key=3"], **deep},
        ]
    )
    assert [list(one.kinds.values()) for one in found] == [["Dense", "Tanh"]] * 2 + [[""] * 3]
    points = [(p.value, p.kind) for p in over_depth(found, "key", ["mean"])]
    assert points == [(1, "Dense"), (1, "Tanh"), (2, "Dense"), (2, "Tanh"), *[(3, "")] * 3]


def test_only_what_is_drawn_is_summed_up(monkeypatch: pytest.MonkeyPatch) -> None:
    from runner.analysis import swept
    from runner.report.panels import panels

    summed: list[int] = []

    def counted(values: Any) -> Summary:
        summed.append(len(values))
        return summarise(values)

    monkeypatch.setattr(swept, "summarise", counted)
    found = {}
    for count in (400, 1200):
        runs = jobs([row(n, 0, dict.fromkeys("abc", 1.0)) for n in range(count)])
        [panel] = panels(runs, swept_keys([one.typed for one in runs]))
        found[count] = len(summed)
        summed.clear()
        assert panel["lines"] == f"8 of {count:,} values"
    assert found[1200] == found[400]


def test_a_text_of_digits_that_no_float_holds_is_no_number() -> None:
    long = "1" * 400
    runs = jobs([{"overrides": [f"name={name}", "a=1e3"]} for name in (long, "2", "inf")])
    assert [one.typed for one in runs] == [{"name": n, "a": 1e3} for n in (long, 2, "inf")]


def test_values_of_which_no_run_finished() -> None:
    """None of the few that have a line over depth may be left."""
    from runner.report.panels import panels

    layers = dict.fromkeys("abc", 1.0)
    runs = jobs([row(n, 0, layers) for n in range(100)])
    [panel] = panels(runs[3:5], swept_keys([one.typed for one in runs]))
    assert panel["lines"] == "2 values"
    assert len(json.dumps(panel["data"], allow_nan=False)) < 20_000
