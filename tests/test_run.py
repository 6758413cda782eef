"""One run, from the command to the files: the book's numbers, the contract, the same bits again."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

import runner
from runner.store import Run
from tests.conftest import Program

LAST_LAYER = [
    [0.5031, -1.04185, -2.03875],
    [0.2434, -2.7332, -5.7633],
    [-0.99314, 1.41254, -0.35655],
]

SPIRAL = """0 0 0
    -1.0475188e-04 1.1395361e-04 -4.7983500e-05
    -2.7414842e-04 3.1729150e-04 -8.6921798e-05
    -4.2188365e-04 5.2666257e-04 -5.5912682e-05
    -5.7707680e-04 7.1401405e-04 -8.9430439e-05"""

LAYER_COLUMNS = {
    **dict.fromkeys(("position", "n_inputs", "n_neurons", "n_samples"), pa.int64()),
    **dict.fromkeys(("nonfinite_count", "bytes"), pa.int64()),
    **dict.fromkeys(("name", "kind", "dtype", "digest", "path"), pa.string()),
    **dict.fromkeys(("mean", "std", "min", "max", "zero_fraction", "seconds"), pa.float64()),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Program:
    return Program(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def chapter_4(folder: Program) -> subprocess.CompletedProcess[str]:
    """The run that most of the tests look at."""
    return folder.start("layers=book_chapter_4", "name=fourth", "tags=[book,first]")


@pytest.fixture(scope="module")
def stored(chapter_4: subprocess.CompletedProcess[str]) -> Run:
    return runner.load(chapter_4.stdout.splitlines()[-1])


def weights(run: Run, layer: str) -> NDArray[Any]:
    """Of a layer that has them."""
    found = run.layers[layer].weights
    assert found is not None
    return found


def digests(path: Path) -> list[str]:
    return [layer.digest for layer in runner.load(path).layers.values()]


def test_handwritten_network(program: Program) -> None:
    batch = runner.load(program.run("data=book_batch", "layers=book_two_layers"))
    np.testing.assert_allclose(batch.layers["dense2"].outputs, LAST_LAYER, atol=2e-6)
    sample = runner.load(program.run("data=book_sample", "layers=book_two_layers"))
    np.testing.assert_allclose(sample.layers["dense2"].outputs, LAST_LAYER[:1], atol=2e-6)


def test_spiral(program: Program) -> None:
    run = runner.load(program.run("layers=one_dense", "layers.dense1.weight_scale=0.01"))
    printed = np.array(SPIRAL.split(), np.float32).reshape(5, 3)
    np.testing.assert_array_equal(run.layers["dense1"].outputs[:5], printed)
    assert run.layers["dense1"].outputs.shape == (300, 3)


def test_first_draws(program: Program) -> None:
    run = runner.load(program.run("data=normal", "data.samples=2", "data.features=5"))
    printed = """1.7640524 0.4001572 0.978738 2.2408931 1.867558
        -0.9772779 0.95008844 -0.1513572 -0.10321885 0.41059852"""
    np.testing.assert_array_equal(run.inputs.ravel(), np.array(printed.split(), np.float32))


def test_what_is_said(chapter_4: subprocess.CompletedProcess[str]) -> None:
    directory = Path(chapter_4.stdout.strip())  # one line, and nothing else
    assert (directory / "run.parquet").is_file()
    lines = chapter_4.stderr.splitlines()
    assert lines[0].endswith("300 samples x 2 features")
    assert lines[1].split() == ["layer", "kind", "shape", "mean", "std", "time"]
    assert [
        line.split()[1] for line in lines[2:6]
    ] == "dense1 activation1 dense2 activation2".split()
    assert [line.split()[0] for line in lines[6:]] == ["loss", "accuracy", "finished"]


def test_files(stored: Run, folder: Program) -> None:
    path = stored.path
    assert {str(p.relative_to(path)) for p in path.rglob("*") if p.is_file()} == {
        ".hydra/config.yaml",
        ".hydra/hydra.yaml",
        ".hydra/overrides.yaml",
        "SHA256SUMS",
        "inputs.parquet",
        "layers.parquet",
        "layers/00-dense1.parquet",
        "layers/01-activation1.parquet",
        "layers/02-dense2.parquet",
        "layers/03-activation2.parquet",
        "parameters.parquet",
        "run.parquet",
        "runner.log",
    }
    written = {p: p.stat().st_mtime_ns for p in path.rglob("*") if p.is_file()}
    assert max(written, key=lambda p: written[p]).name in ("run.parquet", "SHA256SUMS")
    subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=path, check=True)
    assert (folder.folder / "outputs" / "latest").is_symlink()
    assert path.parent.parent == folder.folder / "outputs"


def test_inputs_and_parameters(stored: Run) -> None:
    inputs = pq.read_schema(stored.path / "inputs.parquet")
    assert inputs.names == ["input_0", "input_1", "target"]
    assert [str(t) for t in inputs.types] == ["float", "float", "uint8"]
    rows = pq.read_table(stored.path / "parameters.parquet").to_pylist()
    assert [(row["layer"], row["name"], row["shape"]) for row in rows] == [
        ("dense1", "weights", [2, 3]),
        ("dense1", "biases", [1, 3]),
        ("dense2", "weights", [3, 3]),
        ("dense2", "biases", [1, 3]),
    ]
    np.testing.assert_array_equal(weights(stored, "dense2").ravel(), rows[2]["values"])


def test_layer_files(stored: Run) -> None:
    for layer in stored.layers.values():
        file = pq.ParquetFile(stored.path / str(layer.path))
        schema = file.schema_arrow
        assert schema.names == ["neuron_0", "neuron_1", "neuron_2"]
        assert {str(t) for t in schema.types} == {"float"}
        facts = {k.decode(): v.decode() for k, v in file.metadata.metadata.items()}
        assert (facts["layer"], facts["kind"]) == (layer.name, layer.kind)
        assert (facts["run_id"], facts["layout_version"]) == (stored.id, "1")
        assert (facts["dtype"], json.loads(facts["shape"])) == ("float32", [300, 3])


def test_layers_table(stored: Run) -> None:
    table = pq.read_table(stored.path / "layers.parquet")
    assert dict(zip(table.schema.names, table.schema.types, strict=True)) == LAYER_COLUMNS
    for row in table.to_pylist():
        outputs = stored.layers[row["name"]].outputs.astype(np.float64)
        file = stored.path / row["path"]
        assert row["bytes"] == file.stat().st_size
        assert (row["n_samples"], row["n_neurons"]) == outputs.shape
        assert row["mean"] == pytest.approx(outputs.mean(), rel=1e-9, abs=1e-12)
        assert row["std"] == pytest.approx(outputs.std(), rel=1e-9)
        assert (row["min"], row["max"]) == (outputs.min(), outputs.max())
        assert row["zero_fraction"] == np.mean(outputs == 0)
        assert row["nonfinite_count"] == 0


def test_run_table(stored: Run, chapter_4: subprocess.CompletedProcess[str]) -> None:
    table = pq.read_table(stored.path / "run.parquet")
    [row] = table.to_pylist()
    types = dict(zip(table.schema.names, map(str, table.schema.types), strict=True))
    assert row["status"] == "FINISHED"
    assert (row["name"], row["tags"]) == ("fourth", ["book", "first"])
    assert row["error"] is None
    assert row["overrides"] == ["layers=book_chapter_4", "name=fourth", "tags=[book,first]"]
    assert row["start_time"] <= row["end_time"] <= datetime.now(UTC)
    assert types["start_time"] == "timestamp[us, tz=UTC]"
    config = json.loads(row["config"])
    assert list(config["layers"]) == ["dense1", "activation1", "dense2", "activation2"]
    assert row["params.data.samples"] == 100
    assert types["params.layers.dense1.n_inputs"] == "int64"
    assert types["params.layers.dense1.weight_scale"] == "double"
    assert types["params.layers.dense1.weight_init"] == "string"
    assert json.loads(row["params.tags"]) == ["book", "first"]
    env = {name for name in table.schema.names if name.startswith("env.")}
    assert {"env.numpy", "env.blas_kernel", "env.simd", "env.threads", "env.cpu"} <= env
    assert "git.commit" in types


def test_metrics_are_the_books(stored: Run) -> None:
    """Chapter 5: categorical cross-entropy, clipped, and accuracy."""
    outputs, targets = stored.layers["activation2"].outputs, stored.targets
    clipped = np.clip(outputs, 1e-7, 1 - 1e-7)
    correct = clipped[range(len(clipped)), targets]
    assert stored.metadata["metrics.loss"] == pytest.approx(np.mean(-np.log(correct)), rel=1e-6)
    accuracy = np.mean(np.argmax(outputs, axis=1) == targets)
    assert stored.metadata["metrics.accuracy"] == accuracy


def test_name_and_latest(stored: Run, folder: Program) -> None:
    for word in ("fourth", stored.id[:6], str(stored.path)):
        done = folder.start("show", word, "--json")
        assert json.loads(done.stdout)["run_id"] == stored.id
    newest = folder.run("data.samples=3")
    assert Path(json.loads(folder.start("show", "latest", "--json").stdout)["path"]) == newest


@pytest.mark.parametrize("keep", ["statistics", "first"])
def test_save(stored: Run, folder: Program, keep: str) -> None:
    more = ["save.rows=7"] if keep == "first" else []
    run = runner.load(folder.run("layers=book_chapter_4", f"save={keep}", *more))
    for name, layer in stored.layers.items():
        other = run.layers[name]
        assert other.digest == layer.digest
        assert {**other.statistics} == {**layer.statistics}
        if keep == "first":
            np.testing.assert_array_equal(other.outputs, layer.outputs[:7])
        else:
            assert (other.path, other.bytes) == (None, 0)
    assert run.metadata["metrics.loss"] == stored.metadata["metrics.loss"]


def test_codec(stored: Run, folder: Program) -> None:
    path = folder.run("layers=book_chapter_4", "save.codec=zstd")
    column = pq.ParquetFile(path / "layers/00-dense1.parquet").metadata.row_group(0).column(0)
    assert column.compression == "ZSTD"
    assert digests(path) == digests(stored.path)


NET = ("layers=mlp", "layers.mlp.depth=2", "layers.mlp.width=33", "data.samples=3000")


@pytest.mark.parametrize("numerics", ["nnfs", "float32", "float64"])
def test_same_bits_again(tmp_path: Path, numerics: str) -> None:
    """9,000 samples are three tiles: batches and threads have something to change."""
    here = Program(tmp_path)
    elsewhere = Program(tmp_path / "elsewhere")
    elsewhere.folder.mkdir()
    what = (*NET, f"numerics={numerics}", "save=statistics")
    first = here.run(*what)
    expected = digests(first)
    assert digests(here.run(*what)) == expected
    assert (
        digests(elsewhere.run(*what, "batch_size=1", env={"OPENBLAS_NUM_THREADS": "1"})) == expected
    )
    assert (
        digests(here.run(*what, "batch_size=5000", env={"OPENBLAS_NUM_THREADS": "2"})) == expected
    )
    alone = [sys.executable, "-c", _ON_ONE_CORE, *what]
    done = subprocess.run(alone, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert digests(Path(done.stdout.splitlines()[-1])) == expected
    assert len(set(expected)) == len(expected)


_ON_ONE_CORE = """
import os, sys
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from runner.__main__ import main
sys.exit(main())
"""


def test_what_the_hash_is_over(stored: Run, folder: Program) -> None:
    same = folder.run("layers=book_chapter_4", "name=other", "tags=[]", "batch_size=4096")
    assert runner.load(same).metadata["config_hash"] == stored.metadata["config_hash"]
    for other in ("seeds.seed=1", "layers.dense2.n_neurons=4", "save=first"):
        run = runner.load(folder.run("layers=book_chapter_4", other))
        assert run.metadata["config_hash"] != stored.metadata["config_hash"]


def test_independent_seeds(program: Program) -> None:
    """Streams apart: what is added or enlarged changes nothing that was there."""
    what = ("seeds=independent", "layers=two_dense")
    base = runner.load(program.run(*what))
    more_data = runner.load(program.run(*what, "data.samples=150"))
    third = "+layers.dense3={_target_: runner.layers.Dense, n_neurons: 5}"
    longer = runner.load(program.run(*what, third))
    other_data = runner.load(program.run(*what, "seeds.data=1"))
    other_layers = runner.load(program.run(*what, "seeds.layers=1"))
    for name in ("dense1", "dense2"):
        for run in (more_data, longer, other_data):
            np.testing.assert_array_equal(weights(run, name), weights(base, name))
        assert not np.array_equal(weights(other_layers, name), weights(base, name))
        assert longer.layers[name].digest == base.layers[name].digest
    np.testing.assert_array_equal(other_layers.inputs, base.inputs)
    assert not np.array_equal(other_data.inputs, base.inputs)
    assert not np.array_equal(weights(base, "dense1")[0], weights(base, "dense2")[0])


CALLS = """
import cProfile, sys
import runner
profile = cProfile.Profile()
runner.run(["layers=mlp", "layers.mlp.depth=3", "data.samples=3"])
profile.runcall(runner.run, ["layers=mlp", "layers.mlp.width=2", "data.samples=3", *sys.argv[1:]])
print(sum(entry.callcount for entry in profile.getstats()))
"""


def test_a_layer_takes_as_much_work_in_a_deep_network_as_in_a_shallow_one(tmp_path: Path) -> None:
    def calls(depth: int) -> int:
        done = subprocess.run(
            [sys.executable, "-c", CALLS, f"layers.mlp.depth={depth}"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        return int(done.stdout)

    shallow, deep, deepest = calls(100), calls(300), calls(900)
    assert deepest - deep < 3.1 * (deep - shallow)


def _with_64_files(program: Program, *more: str) -> subprocess.CompletedProcess[str]:
    """A network of 80 layers, where a process may have 64 files open."""
    what = ("layers=mlp", "layers.mlp.depth=40", "layers.mlp.width=2", *more)
    limited = f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)); {_MAIN}"
    return subprocess.run(
        [sys.executable, "-c", limited, *what],
        cwd=program.folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("samples", [5, 10_000])
def test_deep_networks_need_few_open_files(program: Program, samples: int) -> None:
    done = _with_64_files(program, f"data.samples={samples}")
    assert done.returncode == 0, done.stderr
    assert len(runner.load(done.stdout.strip()).layers) == 80


def test_what_needs_more_open_files_is_refused_before_it_begins(program: Program) -> None:
    done = _with_64_files(program, "data.samples=10000", "save.codec=zstd")
    line = "runner: save.codec=zstd: needs 80 files open at a time, 0 may be; save.codec=none?\n"
    assert (done.returncode, done.stderr) == (2, line)
    assert not [*program.folder.rglob("*.parquet")]


_MAIN = "import sys; from runner.__main__ import main; sys.exit(main())"
