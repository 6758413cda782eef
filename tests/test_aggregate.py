"""A sweep by one of its keys: mean, spread, confidence interval, and theory beside them."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import runner
from runner.analysis import expectation
from runner.analysis.aggregate import STATISTICS, aggregate
from runner.analysis.aggregation import Aggregate
from runner.analysis.expectation import expectations
from runner.analysis.indexed import FROM_INDEX
from runner.analysis.moments import CrossMoments
from runner.analysis.student import quantile, summarise
from runner.analysis.theory import predict
from runner.errors import ConfigError, NotFoundError, UnknownKeyError
from runner.store.read import Run
from tests.conftest import Program

ROOT = Path(__file__).resolve().parent.parent
SWEEP = (
    "-m data=normal data.features=16 data.samples=50 layers=mlp layers.mlp.depth=2 "
    "layers.mlp.width=12 layers.mlp.weight_scale=0.5,0.25 seeds.seed=3,1,2"
).split()
KEY = "layers.mlp.weight_scale"


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six runs: two scales, three seeds."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "runner", *SWEEP],
        cwd=tmp_path_factory.mktemp("sweep"),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
        text=True,
    )
    return Path(done.stdout.splitlines()[-1])


def runs_with(sweep: Path, scale: float) -> list[Run]:
    runs = [runner.load(sweep / str(number)) for number in range(6)]
    return [run for run in runs if run.metadata[f"params.{KEY}"] == scale]


def cell(found: Aggregate, value: float, layer: str, statistic: str) -> tuple[float, ...]:
    [one] = [
        cell.summary
        for cell in found.cells
        if (cell.value, cell.layer, cell.statistic) == (value, layer, statistic)
    ]
    return one


@pytest.mark.parametrize(
    ("degrees", "table"),
    [
        (1, 12.7062),
        (2, 4.3027),
        (3, 3.1824),
        (4, 2.7764),
        (9, 2.2622),
        (30, 2.0423),
        (1000, 1.9623),
    ],
)
def test_quantiles_are_those_of_the_printed_tables(degrees: int, table: float) -> None:
    assert quantile(degrees) == pytest.approx(table, abs=5e-5)


def test_summary_of_few() -> None:
    assert summarise([]).n == 0
    assert summarise([math.nan, 2.0])[:2] == (1, 2.0)
    assert math.isnan(summarise([2.0]).std)
    # Added up and divided, six times 0.05 would have a spread of 8e-18.
    assert summarise([0.05] * 6) == (6, 0.05, 0.0, 0.05, 0.05)
    n, mean, std, low, high = summarise([1.0, 2.0, 4.0])
    assert (n, mean) == (3, 7 / 3)
    assert std == pytest.approx(math.sqrt(7 / 3))
    assert (high - low) / 2 == pytest.approx(4.30265 * std / math.sqrt(3), rel=1e-5)
    assert low + high == pytest.approx(2 * mean)


@pytest.mark.parametrize("scale", [1e-200, 1e200, 1e-308, 4e307])
def test_summary_at_any_scale(scale: float) -> None:
    found = summarise([1.0 * scale, 2.0 * scale, 4.0 * scale])
    assert found.mean == pytest.approx(7 / 3 * scale)
    assert found.std == pytest.approx(math.sqrt(7 / 3) * scale)


def test_numbers_at_the_ends_of_float64(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Squares overflow in float64 long before the outputs do, and float32 ends before those."""
    monkeypatch.chdir(tmp_path)
    deep = "data.samples=5 layers=mlp layers.mlp.activation=relu layers.mlp.width=8".split()
    for rule, depth, scale in (("float64", 5, 1e37), ("float32", 3, 1e25), ("float64", 5, 1e-36)):
        more = (f"numerics={rule}", f"layers.mlp.depth={depth}", f"layers.mlp.weight_scale={scale}")
        run = runner.run([*deep, *more])
        found = aggregate(run.path, KEY, statistics=STATISTICS, theory=True)
        assert len(found.table()) == 1 + len(run.layers)
        for one in expectations(run):
            assert math.isnan(one.distance) == bool(one.note)
            if run.layers[one.layer].statistics["nonfinite_count"]:
                assert "not finite" in one.note
        assert not math.isnan(cell(found, scale, "mlp_dense2", "correlation")[1]) or scale == 1e25


def test_interval_covers_as_often_as_it_says() -> None:
    random = np.random.RandomState(0)
    covered = sum(
        one.low <= 1 <= one.high
        for one in (summarise(random.normal(1, 3, 4).tolist()) for _ in range(4000))
    )
    assert covered / 4000 == pytest.approx(0.95, abs=0.012)


def test_mean_and_spread_over_the_seeds(sweep: Path) -> None:
    found = aggregate(sweep, KEY, statistics=FROM_INDEX)
    assert found.runs == [(0.25, 3), (0.5, 3)]
    assert found.notes == []
    for value in (0.25, 0.5):
        for layer in ("mlp_dense1", "mlp_tanh1", "mlp_dense2", "mlp_tanh2"):
            all_of_them = [
                run.layers[layer].outputs.astype("f8") for run in runs_with(sweep, value)
            ]
            expected = {
                "mean": [x.mean() for x in all_of_them],
                "std": [x.std() for x in all_of_them],
                "max": [x.max() for x in all_of_them],
                "zero_fraction": [np.mean(x == 0) for x in all_of_them],
                "second_moment": [np.mean(x * x) for x in all_of_them],
                "rms": [math.sqrt(np.mean(x * x)) for x in all_of_them],
            }
            for name, values in expected.items():
                n, mean, std, low, high = cell(found, value, layer, name)
                assert n == 3
                assert mean == pytest.approx(np.mean(values), rel=1e-9, abs=1e-15)
                assert std == pytest.approx(np.std(values, ddof=1), rel=1e-6, abs=1e-15)
                assert (high - low) / 2 == pytest.approx(4.30265 * std / math.sqrt(3), rel=1e-5)


def test_index_is_enough(sweep: Path, tmp_path: Path) -> None:
    """Neither outputs nor layers.parquet are opened where the index has the statistics."""
    shutil.copytree(sweep, tmp_path / "bare")
    for file in (tmp_path / "bare").glob("*/*.parquet"):
        if file.name != "run.parquet":
            file.unlink()
    bare = aggregate(tmp_path / "bare", KEY, statistics=FROM_INDEX)
    assert bare.cells == aggregate(sweep, KEY, statistics=FROM_INDEX).cells


def test_runs_without_an_index(sweep: Path, tmp_path: Path) -> None:
    for number in range(6):
        shutil.copytree(sweep / str(number), tmp_path / "loose" / str(number))
    loose = aggregate(tmp_path / "loose", KEY, statistics=FROM_INDEX)
    for mine, theirs in zip(
        loose.cells, aggregate(sweep, KEY, statistics=FROM_INDEX).cells, strict=True
    ):
        assert (mine.layer, mine.statistic) == (theirs.layer, theirs.statistic)
        assert mine.summary.mean == pytest.approx(theirs.summary.mean, rel=1e-12, abs=1e-18)


def test_what_takes_the_outputs(sweep: Path) -> None:
    found = aggregate(sweep, KEY, statistics=STATISTICS, pair=(3, 7))
    for layer in ("mlp_dense2", "mlp_tanh2"):
        outputs = [run.layers[layer].outputs.astype("f8") for run in runs_with(sweep, 0.5)]
        ranks, cosines = [], []
        for x in outputs:
            values = np.linalg.svd(x - x.mean(axis=0), compute_uv=False)
            shares = values / values.sum()
            ranks.append(math.exp(-(shares * np.log(shares)).sum()))
            cosines.append(x[3] @ x[7] / np.linalg.norm(x[3]) / np.linalg.norm(x[7]))
        assert cell(found, 0.5, layer, "effective_rank")[1] == pytest.approx(
            np.mean(ranks), rel=1e-9
        )
        assert cell(found, 0.5, layer, "correlation")[1] == pytest.approx(np.mean(cosines))
        assert cell(found, 0.5, layer, "dead")[1] == 0
    saturated = [np.mean(np.abs(x) >= 0.98) for x in outputs]
    assert np.mean(saturated) > 0.05
    assert cell(found, 0.5, "mlp_tanh2", "saturated")[1] == pytest.approx(np.mean(saturated))
    assert cell(found, 0.5, "mlp_dense2", "saturated")[0] == 0  # no such thing


def test_dead_neurons(program: Program) -> None:
    weights = "[[1.0,0],[-1.0,0],[0,1.0]]"
    (program.folder / "x.csv").write_text("a,b\n1,-1\n2,1\n3,0\n")
    run = program.run(
        *("data=table", "data.path=x.csv", "layers=one_dense", "layers.dense1.n_neurons=null"),
        f"layers.dense1.weights={weights}",
        "+layers.act={_target_: runner.layers.ReLU}",
    )
    found = aggregate(run, "seeds.seed", statistics=["dead", "zero_fraction", "effective_rank"])
    assert cell(found, 0, "act", "dead")[1] == pytest.approx(1 / 3)
    assert cell(found, 0, "act", "zero_fraction")[1] == pytest.approx(5 / 9)


def test_theory_beside_the_measurement(program: Program) -> None:
    sweep = program.run(
        *("-m", "data=normal", "data.features=100", "data.samples=40", "layers=mlp"),
        *("layers.mlp.width=200", "layers.mlp.depth=5", "layers.mlp.activation=relu"),
        *("layers.mlp.weight_init=he", "layers.mlp.gain=1,1.1", "seeds.seed=0,1,2,3,4,5"),
        "save=statistics",
    )
    found = aggregate(sweep, "layers.mlp.gain", theory=True)
    assert len(found.theory) == 20
    for (_, layer), theory in found.theory.items():
        assert theory.reason is None, layer
        assert abs(theory.distance) < 4
        assert 0 < theory.error_bar < 0.2 * theory.predicted
    gains = {gain: found.theory[gain, "mlp_dense5"].predicted for gain in ("1.0", "1.1")}
    assert gains["1.1"] / gains["1.0"] == pytest.approx(1.1**10, rel=1e-6)
    rows = [row for row in found.rows() if "distance" in row]
    assert len(rows) == 20
    assert [note.partition(" in layers")[0] for note in found.notes] == [
        "gain=1.0: chi_1 = 1", "gain=1.1: chi_1 = 1.21",
    ]  # fmt: skip
    # Of both gains together no chi_1 is told.
    assert len(aggregate(sweep, "seeds.seed", theory=True).notes) == 1


def test_a_network_given_other_data_is_the_same_again(program: Program) -> None:
    sweep = program.run(
        *("-m", "data=normal", "data.samples=200", "data.features=50", "layers=one_dense"),
        *("seeds=independent", "seeds.data=0,1,2", "seeds.layers=0,1"),
    )
    found = aggregate(sweep, "name", theory=True)
    [apart] = found.theory.values()
    said = "independent networks, and 6 runs have 2 values of seeds.layers"
    assert len([note for note in found.notes if note.endswith(said)]) == 1
    for seed, sized in (("layers", 1.0), ("data", math.sqrt(2))):
        for theory in aggregate(sweep, f"seeds.{seed}", theory=True).theory.values():
            # One network with three sets of data, or two with one.
            assert theory.error_bar == pytest.approx(
                apart.error_bar * math.sqrt(2) / sized, rel=0.1
            )


def test_one_sample_has_no_correlation(program: Program) -> None:
    sweep = program.run("-m", "data=book_sample", "layers=one_dense", "seeds.seed=0,1")
    for theory in (False, True):
        found = aggregate(sweep, "seeds.seed", statistics=["correlation"], theory=theory)
        assert {cell.summary.n for cell in found.cells if cell.statistic == "correlation"} == {0}
        assert not [note for note in found.notes if "correlation" in note]
    done = program.start("show", str(sweep / "0"), "--theory", "--json")
    assert json.loads(done.stdout)["pair"] is None


def test_correlation_beside_its_theory(program: Program) -> None:
    sweep = program.run(
        *("-m", "data=normal", "data.features=20", "data.samples=9", "layers=mlp"),
        *("layers.mlp.width=50", "layers.mlp.depth=3", "layers.mlp.weight_init=lecun"),
        *("seeds=independent", "seeds.layers=range(6)"),
    )
    found = aggregate(sweep, "layers.mlp.depth", statistics=["correlation"], theory=True)
    assert len(found.correlations) == 6
    for (_, layer), theory in found.correlations.items():
        measured = cell(found, 3, layer, "correlation")
        assert abs(theory.distance) < 4
        assert theory.distance == pytest.approx((measured[1] - theory.predicted) / theory.error_bar)
        # Of six networks: what they spread by is near what theory says.
        assert 0.4 < measured[2] / (theory.error_bar * math.sqrt(6)) < 2
    assert {len(line) for line in found.table()} == {14}
    for pair in ((0, 9), (-1, 0)):
        refused = rf"--pair=\[{pair[0]},{pair[1]}\]: run .* has 9 samples, from 0"
        with pytest.raises(ConfigError, match=refused):
            aggregate(sweep, "layers.mlp.depth", statistics=["correlation"], pair=pair)
        with pytest.raises(ConfigError, match=refused):
            expectations(Run(sweep / "0"), pair=pair)
    done = program.start("show", str(sweep / "0"), "--theory")
    lines = done.stdout.splitlines()
    start = lines.index("correlation of samples 0 and 1")
    assert lines[start + 1].split() == [
        *("layer", "correlation", "theory", "error", "bar", "bars", "away"),
    ]
    one = expectations(Run(sweep / "0"), pair=(0, 1))[-1]
    x, y = runner.load(sweep / "0").layers["mlp_tanh3"].outputs[:2].astype("f8")
    assert one.correlation == pytest.approx(x @ y / np.linalg.norm(x) / np.linalg.norm(y))
    assert lines[start + 7].split() == [
        "mlp_tanh3",
        *(
            f"{number:.4g}"
            for number in (
                one.correlation,
                one.correlation_predicted,
                one.correlation_error,
                one.correlation_distance,
            )
        ),
    ]
    assert lines[start + 9].startswith("edge of chaos: chi_1 = 1 in layers like mlp_dense3, on")


def test_sweep_of_different_stacks(tmp_path: Path) -> None:
    program = Program(tmp_path)
    sweep = program.run(
        *("-m", "layers=two_dense,book_chapter_4", "seeds.seed=0,1", "data=spiral,vertical"),
        *("data.samples=9", "save=first", "save.rows=4"),
    )
    done = program.start("compare", str(sweep), "--by", "layers", "--statistics", "rms, dead,rms")
    assert done.returncode == 0, done.stderr
    head, *lines = (line.split() for line in done.stdout.splitlines())
    # In the order of the data, though the shorter stack came first.
    assert [line[:3] for line in lines] == [
        ["two_dense", "dense1", "4"],
        ["two_dense", "dense2", "4"],
        ["book_chapter_4", "dense1", "4"],
        ["book_chapter_4", "activation1", "4"],
        ["book_chapter_4", "dense2", "4"],
        ["book_chapter_4", "activation2", "4"],
    ]
    assert head.count("rms") == 1
    assert "of the first 4 samples, which are kept: dead\n" in done.stderr
    assert all(len(line) <= 200 for line in done.stderr.splitlines())
    found = aggregate(sweep, "seeds.seed", statistics=["rms"])
    assert [(one.layer, one.runs) for one in found.cells][:4] == [
        ("dense1", 4), ("activation1", 2), ("dense2", 4), ("activation2", 2),
    ]  # fmt: skip
    assert [value for value, _ in aggregate(sweep, "data").runs] == ["spiral", "vertical"]
    with pytest.raises(ConfigError, match=r"--by=layers\.dense1: is a group of keys, name one"):
        aggregate(sweep, "layers.dense1")


def test_predictions_are_made_once_for_all_seeds(
    sweep: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls: list[object] = []

    def counted(*args: Any) -> Any:
        calls.append(args)
        return predict(*args)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(expectation, "predict", counted)
    aggregate(sweep, KEY, theory=True)
    assert len(calls) == 6  # the book's one stream: other seeds, other inputs
    independent = "seeds=independent layers=mlp layers.mlp.depth=1 data.samples=5".split()
    for seed in range(3):
        runner.run([*independent, f"seeds.layers={seed}"])
    aggregate(tmp_path, KEY, theory=True)
    assert len(calls) == 7


def test_small_directions_count_in_the_rank() -> None:
    """Singular values over twelve orders of magnitude: their squares are beyond float64."""
    random = np.random.RandomState(0)
    turn = np.linalg.qr(random.randn(8, 8))[0]
    rows = np.linalg.qr(random.randn(50, 8) - random.randn(50, 8).mean(axis=0))[0]
    rows -= rows.mean(axis=0)
    x = rows * 10.0 ** -np.arange(0, 12, 1.5) @ turn
    moments = CrossMoments()
    moments.update({"x": x})
    values = moments.singular_values("x")
    exact = np.linalg.svd(x - x.mean(axis=0), compute_uv=False)
    np.testing.assert_allclose(values / values[0], exact / exact[0], rtol=1e-3)


def test_frame_and_repr(sweep: Path) -> None:
    found = aggregate(sweep, KEY)
    frame = found.frame()
    assert list(frame.columns[:3]) == [KEY, "layer", "statistic"]
    assert len(frame) == 2 * 4 * 4
    assert repr(found) == f"<Aggregate by {KEY}: 6 runs, 2 values>"
    assert "<table" in found._repr_html_()


def test_spread_that_is_not_over_the_seeds_is_said(sweep: Path) -> None:
    [note] = aggregate(sweep, "seeds.seed").notes
    assert KEY in note
    assert aggregate(sweep, "seeds.seed", where=f"{KEY} > 0.3").notes == []


def test_the_spiral_begins_with_a_sample_that_correlates_with_none(program: Program) -> None:
    hot = ("layers.mlp.weight_scale=0.1,1e25", "layers.mlp.activation=relu", "numerics=float32")
    sweep = program.run("-m", "layers=mlp", "layers.mlp.depth=3", "data.samples=5", *hot)
    found = aggregate(sweep, KEY, statistics=["correlation", "rms"])
    first = cell(found, 0.1, "mlp_dense1", "correlation")
    x, y = runner.load(sweep / "0").layers["mlp_dense1"].outputs[1:3].astype("f8")
    assert first[1] == pytest.approx(x @ y / np.linalg.norm(x) / np.linalg.norm(y))
    assert found.notes[0] == (
        "the correlation is that of samples 1 and 2, the first two whose inputs are not 0"
    )
    assert found.notes[1].startswith("values that are not finite are left out of the statistics: ")
    assert "mlp_dense3 (1 run)" in found.notes[1]
    assert len(found.notes) == 2
    # One run of each value: no spread, and no columns for one.
    assert found.table()[0] == [KEY, "layer", "runs", "correlation", "rms"]


def test_what_there_is_not(sweep: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownKeyError, match=r"did you mean layers\.mlp\.weight_scale"):
        aggregate(sweep, "layers.mlp.weigth_scale")
    with pytest.raises(UnknownKeyError, match="did you mean rms"):
        aggregate(sweep, KEY, statistics=["rmss"])
    with pytest.raises(NotFoundError):
        aggregate(tmp_path, KEY)
    with pytest.raises(NotFoundError, match=r"none meets --where seeds\.seed > 99"):
        aggregate(sweep, KEY, where="seeds.seed > 99")
    with pytest.raises(ConfigError, match=r"--by=loss: no run has a value of it"):
        aggregate(sweep, "loss")
    with pytest.raises(ConfigError, match=r"takes one key; --where"):
        aggregate(sweep, f"{KEY},seeds.seed")


def test_numbers_are_in_order_whatever_else_there_is(program: Program) -> None:
    """A key that some jobs lack; a statistic that is NaN in some."""
    sweep = program.run(
        *("-m", "layers=one_dense,two_dense", "layers.dense1.n_neurons=10,9,2"),
        *("layers.dense1.weight_scale=1e36,0.1", "data=normal", "data.samples=9"),
    )
    program.run(
        *("-m", "layers=two_dense", "layers.dense2.weight_scale=1e36,1", "data.samples=9"),
        *("layers.dense1.weight_scale=1e36", "data=normal", "hydra.sweep.dir=other"),
    )

    def values(folder: Path, key: str) -> list[Any]:
        return [value for value, _ in aggregate(folder, key).runs]

    assert values(sweep, "layers.dense1.n_neurons") == [2, 9, 10]
    assert values(sweep, "layers.dense2.n_neurons") == [3, None]
    *numbers, last = values(program.folder / "other", "layers.dense2.mean")
    assert len(numbers) == 1
    assert math.isnan(last)


def test_runs_that_did_not_finish_are_counted(program: Program) -> None:
    (program.folder / "mine.py").write_text(
        "class Mine:\n"
        "    def __init__(self, n_inputs, n_neurons):\n"
        "        self.width = n_neurons\n\n"
        "    def forward(self, inputs):\n"
        "        assert self.width == 1\n"
        "        return inputs[:, :1]\n"
    )
    mine = "+layers.mine={_target_: mine.Mine, n_neurons: 1}"
    done = program.start("-m", mine, "trust=[mine]", "layers.mine.n_neurons=1,2", "data.samples=4")
    assert done.returncode == 1
    sweep = done.stdout.splitlines()[-1]
    found = aggregate(sweep, "layers.mine.n_neurons", where="layers.mine.n_neurons > 0")
    assert found.notes[0] == "left out of 2 runs: 1 FAILED"
    assert aggregate(sweep, "layers.mine.n_neurons", where="status = 'FINISHED'").notes == []


def test_on_the_command_line(sweep: Path, program: Program) -> None:
    program.folder = sweep.parents[3]
    done = program.start("compare", str(sweep), "--by", KEY)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 1 + 2 * 4
    asked = program.start("compare", "latest", "--by", KEY, "--json", "--statistics", "rms,dead")
    rows = json.loads(asked.stdout)["rows"]
    assert [row["statistic"] for row in rows[:2]] == ["rms", "dead"]
    assert rows[0][KEY] == 0.25
    table = program.start("compare", str(sweep), "--by", KEY, "--markdown", "--theory").stdout
    assert len({line.count("|") for line in table.splitlines()}) == 1
    wrong = program.start("compare", str(sweep), "--by", KEY, "--pair", "1")
    assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1)
