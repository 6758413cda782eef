"""A stored run again, from its configuration alone."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import runner
from runner.app.reproduce import reproduce
from runner.errors import NotFoundError, UntrustedError
from runner.store.files import hash_file
from tests.conftest import BOOK_LAYER, Program

USING_MINE = (
    "layers=one_dense",
    "+layers.mine={_target_: my_layers.Layer_Dense, n_neurons: 3}",
)


def digests(run: Path) -> list[str]:
    return [layer.digest for layer in runner.load(run).layers.values()]


@pytest.mark.parametrize(
    "overrides",
    [
        ["layers=book_chapter_4", "data.samples=50", "name=first", "tags=[x]"],
        ["data=book_batch", "layers=book_two_layers", "save=statistics"],
        ["layers=mlp", "layers.mlp.weight_init=orthogonal", "seeds=independent", "seeds.layers=7"],
        ["data=normal", "data.features=3", "numerics=float64", "save=first", "save.rows=4"],
        ["+mine.own=1", "data=vertical", "numerics=float32"],
    ],
)
def test_same_bits_in_a_directory_of_its_own(program: Program, overrides: list[str]) -> None:
    run = program.run(*overrides)
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    done = program.start("reproduce", str(run), "--json")
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    again = Path(told["directory"])
    assert again != run
    assert digests(again) == digests(run)
    assert all(layer["same"] for layer in told["layers"])
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before
    old, new = (runner.load(path).metadata for path in (run, again))
    assert old["config_hash"] == new["config_hash"]
    assert new["name"] is None
    assert new["tags"] == [*old["tags"], "reproduction"]
    assert runner.load(again).config["data"] == runner.load(run).config["data"]


def test_the_saved_configuration_is_enough(program: Program) -> None:
    """Neither ``.hydra``, nor the outputs, nor the folder it was run in."""
    run = program.run("layers=book_chapter_4", "data.samples=50")
    elsewhere = program.folder / "elsewhere"
    elsewhere.mkdir()
    moved = shutil.move(run, elsewhere / "moved")
    shutil.rmtree(elsewhere / "moved" / ".hydra")
    shutil.rmtree(elsewhere / "moved" / "layers")
    (elsewhere / "moved" / "parameters.parquet").unlink()
    done = Program(elsewhere).start("reproduce", "moved", "--dir", "new")
    assert (done.returncode, done.stderr) == (0, "")
    assert digests(elsewhere / "new") == digests(Path(moved))
    assert done.stdout.splitlines()[-1] == "the runs are the same to the bit in 4 layers"
    taken = Program(elsewhere).start("reproduce", "moved", "--dir", "new")
    assert (taken.returncode, "is not empty" in taken.stderr) == (2, True)


def test_a_reproduction_is_reproduced(program: Program) -> None:
    run = program.run("data.samples=9", "name=one")
    assert program.start("reproduce", "one").returncode == 0
    assert program.start("reproduce", "latest").returncode == 0
    assert runner.load(program.folder / "outputs" / "latest").metadata["tags"] == ["reproduction"]
    # It did not take over the name.
    shown = program.start("show", "one", "--json")
    assert json.loads(shown.stdout)["run_id"] == runner.load(run).id


def test_bits_that_differ_are_named_with_the_environment(program: Program) -> None:
    """As if the run came from a machine whose BLAS rounds otherwise."""
    run = program.run("data.samples=20", "save=statistics")
    _pretend(run, {"env.blas_kernel": "Zen9", "env.numpy": "1.0"})
    done = program.start("reproduce", str(run))
    assert done.returncode == 1, done.stderr
    assert "env.blas_kernel: Zen9 -> " in done.stdout
    assert "env.numpy: 1.0 -> " in done.stdout
    assert "layer dense2" in done.stdout.splitlines()[-1]
    assert "differ" in done.stdout
    _pretend(run, {"env.numpy": np.__version__})
    told = json.loads(program.start("reproduce", str(run), "--json").stdout)
    assert [change["key"] for change in told["environment"]] == ["env.blas_kernel"]
    assert told["sentence"].endswith(", because env.blas_kernel differs")
    assert [layer["same"] for layer in told["layers"]] == [True, False]


def test_outputs_that_are_not_those_of_the_digest_are_damage(program: Program) -> None:
    run = program.run("data.samples=20")
    _pretend(run, {})
    done = program.start("reproduce", str(run))
    assert (done.returncode, done.stdout) == (2, "")
    assert "01-dense2.parquet: has not the outputs of its digest" in done.stderr


def _pretend(run: Path, facts: dict[str, str]) -> None:
    """Another environment in ``run.parquet``, and another digest of the last layer."""
    changes = {"run.parquet": facts, "layers.parquet": {"digest": "0" * 64}}
    lines = (run / "SHA256SUMS").read_text().splitlines()
    for name, values in changes.items():
        table = pq.ParquetFile(run / name).read()
        for column, value in values.items():
            data = table.column(column).to_pylist()
            data[-1] = value
            field = table.schema.field(column)
            at = table.schema.get_field_index(column)
            table = table.set_column(at, field, [data])
        pq.write_table(table, run / name)
        kept = [line for line in lines if not line.endswith(f"  {name}")]
        lines = [*kept, f"{hash_file(run / name)}  {name}"]
    lines.sort(key=lambda line: line.partition("  ")[2])
    (run / "SHA256SUMS").write_text("".join(f"{line}\n" for line in lines))


def test_own_classes_only_by_trust_given_anew(
    program: Program, write: Callable[[str, str], Path]
) -> None:
    write("my_layers.py", "open('imported', 'a').close()\n" + BOOK_LAYER)
    run = program.run(*USING_MINE, "trust=[my_layers]", "data.samples=20")
    (program.folder / "imported").unlink()
    count = len(list(program.folder.glob("outputs/*/*")))
    done = program.start("reproduce", str(run))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "--trust my_layers" in done.stderr
    assert "my_layers.Layer_Dense" in done.stderr
    assert not (program.folder / "imported").exists()
    assert len(list(program.folder.glob("outputs/*/*"))) == count
    trusted = program.start("reproduce", str(run), "--trust", "my_layers")
    assert (trusted.returncode, trusted.stderr) == (0, "")
    with pytest.raises(UntrustedError):
        reproduce(runner.load(run))


def test_a_changed_class_of_ones_own_is_found(
    program: Program, write: Callable[[str, str], Path]
) -> None:
    write("my_layers.py", BOOK_LAYER)
    run = program.run(*USING_MINE, "trust=[my_layers]", "data.samples=20")
    write("my_layers.py", BOOK_LAYER.replace("0.1", "0.2"))
    done = program.start("reproduce", str(run), "--trust", "my_layers")
    assert done.returncode == 1
    assert "part at layer mine, sample 1, neuron 0, because code.digest differs" in done.stdout
    write("my_layers.py", "raise ValueError('broken')")
    broken = program.start("reproduce", str(run), "--trust", "my_layers")
    assert broken.returncode == 2
    assert "my_layers" in broken.stderr


def test_values_of_the_environment_are_asked_again(program: Program) -> None:
    overrides = ("seeds.seed=${oc.env:SEED}", "data.samples=${oc.env:COUNT}")
    run = program.run(*overrides, env={"SEED": "5", "COUNT": "20"})
    assert program.start("reproduce", str(run), env={"SEED": "5", "COUNT": "20"}).returncode == 0
    other = program.start("reproduce", str(run), env={"SEED": "6", "COUNT": "20"})
    assert (other.returncode, "because" in other.stdout) == (1, False)
    assert "SEED" not in os.environ
    missing = program.start("reproduce", str(run), env={"COUNT": "20"})
    assert (missing.returncode, missing.stderr.count("\n")) == (2, 1)
    assert "no variable SEED in the environment" in missing.stderr
    again = max(program.folder.glob("outputs/*/*/run.parquet")).parent
    assert runner.load(again).config["seeds"]["seed"] == "${oc.env:SEED}"


def test_a_table_of_a_relative_path_is_found_where_the_run_was_started(
    program: Program, write: Callable[[str, str], Path]
) -> None:
    table = write("t.csv", "a,b,y\n1,2,0\n3,4,1\n5,6,1\n")
    run = program.run("data=table", "data.path=t.csv", "data.target=y")
    elsewhere = program.folder / "elsewhere"
    elsewhere.mkdir()
    other = Program(elsewhere)
    done = other.start("reproduce", str(run))
    assert (done.returncode, done.stderr) == (0, "")
    assert f"data.path is {table}: from where the run was started" in done.stdout
    again = max(elsewhere.glob("outputs/*/*/run.parquet")).parent
    assert runner.load(again).config == runner.load(run).config | {
        "name": None,
        "tags": ["reproduction"],
    }
    # The file here comes first; the reproduction knows where its own came from.
    (elsewhere / "t.csv").write_text("a,b,y\n1,2,0\n3,4.5,1\n5,6,1\n")
    changed = other.start("reproduce", str(run))
    assert changed.returncode == 1
    assert "elsewhere/t.csv has not the inputs that the run was made from" in changed.stdout
    assert changed.stdout.endswith("the runs part at the inputs, sample 1, feature 1\n")
    (elsewhere / "t.csv").unlink()
    assert other.start("reproduce", str(again)).returncode == 0
    table.unlink()
    gone = other.start("reproduce", str(again))
    assert (gone.returncode, gone.stdout, gone.stderr.count("\n")) == (2, "", 1)
    assert "data.path=t.csv: not here, nor in " in gone.stderr


def test_modules_are_not_taken_from_where_the_run_was_started(
    program: Program, write: Callable[[str, str], Path]
) -> None:
    write("my_layers.py", BOOK_LAYER)
    run = program.run(*USING_MINE, "trust=[my_layers]", "data.samples=20")
    write("my_layers.py", "open('imported', 'a').close()\n" + BOOK_LAYER)
    elsewhere = program.folder / "elsewhere"
    elsewhere.mkdir()
    done = Program(elsewhere).start("reproduce", str(run), "--trust", "my_layers")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"the run was started in {program.folder}: go there" in done.stderr
    assert not [*elsewhere.iterdir(), *program.folder.glob("imported")]


def test_a_run_that_failed_has_nothing_to_compare(
    program: Program, write: Callable[[str, str], Path]
) -> None:
    write("my_layers.py", BOOK_LAYER.replace("self.output =", "raise ValueError('no') #"))
    failed = program.start(*USING_MINE, "trust=[my_layers]")
    assert failed.returncode == 1
    [run] = [path.parent for path in program.folder.glob("outputs/*/*/run.parquet")]
    with pytest.raises(NotFoundError, match="FAILED"):
        reproduce(runner.load(run))
    assert program.start("reproduce", str(run)).returncode == 2


@pytest.mark.parametrize("arguments", [[], ["nowhere"], ["latest", "--nonsense"]])
def test_bad_calls_are_one_line(program: Program, arguments: list[str]) -> None:
    done = program.start("reproduce", *arguments)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)


def test_help(program: Program) -> None:
    done = program.start("reproduce", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "--trust MODULE" in done.stdout
