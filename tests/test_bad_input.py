"""Bad input gives one line that names the key and the value, exit code 2, and no directory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Program

# What is typed -> words that the line must have, the key and the value among them.
REFUSED: dict[tuple[str, ...], tuple[str, ...]] = {
    ("data.samples=0",): ("data.samples", "0"),
    ("data.samples=-5",): ("data.samples", "-5"),
    ("data.samples=1.5",): ("data.samples", "1.5", "whole number"),
    ("data.samples=abc",): ("data.samples", "abc", "whole number"),
    ("data.samples=null",): ("data.samples", "null"),
    ("data.samples=[1,2]",): ("data.samples", "[1,2]"),
    ("data.samples=1000000000000",): ("data.samples", "1000000000000", "memory"),
    ("data.samples=1,2",): ("data.samples", "1,2", "-m"),
    ("data.samples=(",): ("data.samples", "("),
    ("data.clases=3",): ("data.clases", "3", "did you mean classes"),
    ("data.classes=0",): ("data.classes", "0"),
    ("data.classes=257",): ("data.classes", "257"),
    ("dta.samples=3",): ("dta.samples", "3", "did you mean data"),
    ("data=spirals",): ("data=spirals", "did you mean spiral"),
    ("data=null",): ("data", "null"),
    ("data=table",): ("data.path",),
    ("data=table", "data.path=nowhere.csv"): ("data.path", "nowhere.csv"),
    ("layers=two_dens",): ("layers", "two_dens", "did you mean two_dense"),
    ("layers.dense1.n_neurons=0",): ("layers.dense1.n_neurons", "0"),
    ("layers.dense1.n_neurons=null",): ("layers.dense1.n_neurons", "null"),
    ("layers.dense1.n_neuron=3",): ("layers.dense1.n_neuron", "3", "did you mean n_neurons"),
    ("+layers.dense1.n_neuron=3",): ("layers.dense1.n_neuron", "3", "did you mean n_neurons"),
    ("layers.dense2.n_inputs=4",): ("layers.dense2.n_inputs", "4", "3"),
    ("layers.dense1=null",): ("layers.dense1", "null"),
    ("layers.dense1.weights=[[1,nan],[1,2],[1,2]]",): ("layers.dense1.weights", "nan"),
    ("layers.dense1.weights=[[1,2],[1],[1,2]]",): ("layers.dense1.weights",),
    ("layers.dense1.weights=abc",): ("layers.dense1.weights", "abc"),
    ("layers.dense1.biases=[1,2]",): ("layers.dense1.biases", "2", "3"),
    ("layers.dense1.weight_init=xavier",): ("layers.dense1.weight_init", "xavier"),
    ("layers.dense1.weight_scale=inf",): ("layers.dense1.weight_scale", "inf"),
    ("layers=book_two_layers",): ("layers.dense1", "4", "2"),
    ("layers=mlp", "layers.mlp.depth=0"): ("layers.mlp.depth", "0"),
    ("layers=mlp", "layers.mlp.activation=gelu"): ("layers.mlp.activation", "gelu"),
    ("layers=mlp", "+layers.mlp_dense1={_target_:runner.layers.ReLU}"): (
        "mlp_dense1",
        "two layers",
    ),
    ("+layers.x={n_neurons:3}",): ("layers.x", "_target_"),
    ("+layers.x={_target_:runner.layers.Dens}",): ("layers.x._target_", "did you mean"),
    ("+layers.x={_target_:os.system}",): ("layers.x._target_", "os.system", "trust=[os]"),
    ("+layers.x={_target_:nowhere.X}", "trust=[nowhere]"): ("layers.x._target_", "nowhere.X"),
    ("seeds.seed=-1",): ("seeds.seed", "-1"),
    ("seeds.seed=4294967296",): ("seeds.seed", "4294967296"),
    ("seeds=independent", "seeds.layers=-1"): ("seeds.layers", "-1"),
    ("numerics=float16",): ("numerics", "float16", "float32"),
    ("numerics.rule=float16",): ("numerics.rule", "float16"),
    ("save.codec=zip",): ("save.codec", "zip"),
    ("save=first", "save.rows=0"): ("save.rows", "0"),
    ("batch_size=0",): ("batch_size", "0"),
    ("hydra.run.dir=",): ("hydra.run.dir",),
    ("hydra.run.dir=/dev/null/there",): ("hydra.run.dir", "there"),
    ("layers={}",): ("layers={}", "changes nothing"),
    ("++layers={ }",): ("layers={}", "changes nothing"),
    ("tags=[a,null]",): ("tags[1]", "null"),
    ("hydra.job.env_set.A=b",): ("hydra.job.env_set.A", "+hydra.job.env_set.A"),
    ("name=é",): ("name", "é", "quotes"),
    ("=3",): ("=3", "no key"),
    ("experiment=deep_tan",): ("experiment=deep_tan", "did you mean deep_tanh"),
    ("-cp", "nowhere"): ("--config-path", "nowhere"),
    ("layers=mlp", "layers.mlp.width=10000000"): ("layers.mlp.width", "10000000", "memory"),
    ("data=normal", "data.features=100000000000"): ("data.features", "100000000000"),
    ("layers.dense1.n_neurons=100000000000",): ("layers.dense1.n_neurons", "100000000000"),
    ("name=${nothing}",): ("name", "${nothing}"),
    ("name=${oc.env:NO_SUCH_VARIABLE}",): ("name", "NO_SUCH_VARIABLE"),
    ("~layers.dense3",): ("layers.dense3",),
    ("--experimental-rerun", "config.pickle"): ("--experimental-rerun", "reproduce"),
    ("--no-such-option",): ("--no-such-option",),
    ("name=latest",): ("name", "latest"),
    ("name=../x",): ("name", "../x"),
    ("+layers.x={_target_:os.system}", "trust=[os]"): ("layers.x._target_", "policy"),
    ("layers.relu1._target_=runner.layers.ReLU",): ("layers.relu1", "+layers.relu1._target_=…"),
    ("foo=1",): ("foo=1", "is not there", "+foo=…"),
    ("tags.x=1",): ("tags.x=1", "[a,b]"),
    ("tags=[null]",): ("tags[0]=null",),
    ("ls", "--json", "--csv"): ("--csv", "--json"),
    ("shwo",): ("shwo", "show"),
}


@pytest.mark.parametrize("arguments", REFUSED, ids=" ".join)
def test_refused(program: Program, arguments: tuple[str, ...]) -> None:
    done = program.start(*arguments)
    assert done.returncode == 2, (done.stdout, done.stderr)
    _one_line(done.stderr, REFUSED[arguments])
    assert done.stdout == ""
    assert program.outputs == []


def _one_line(text: str, words: tuple[str, ...]) -> None:
    lines = text.splitlines()
    assert len(lines) == 1, text
    assert len(lines[0]) <= 200, lines[0]
    for word in words:
        assert word in lines[0], lines[0]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        (
            "twice",
            "a: &d {_target_: runner.layers.ReLU}\na: *d\n",
            ("twice.yaml", "duplicate key a"),
        ),
        ("up", '"../up": {_target_: runner.layers.ReLU}\n', ("../up",)),
        (
            "not_finite",
            "a: {_target_: runner.layers.Dense, weights: [[.nan, 1]]}\n",
            ("layers.a.weights",),
        ),
        ("typo", "a: {_target_: runner.layers.Dense, n_neuron: 3}\n", ("layers.a.n_neuron",)),
        ("text", "a: {_target_: runner.layers.Dense, n_neurons: many}\n", ("n_neurons", "many")),
        ("broken", "a: [1\n", ("broken.yaml",)),
    ],
)
def test_refused_in_a_file(program: Program, name: str, text: str, words: tuple[str, ...]) -> None:
    folder = program.folder / "mine" / "layers"
    folder.mkdir(parents=True)
    (folder / f"{name}.yaml").write_text(text)
    done = program.start("-cd", "mine", f"layers={name}")
    assert done.returncode == 2, (done.stdout, done.stderr)
    _one_line(done.stderr, words)
    assert program.outputs == []


@pytest.mark.parametrize(
    ("text", "word"),
    [("", "the table is empty"), ("a,b\n", "empty"), ("a,b\n1,x\n", "b"), ("a,b\n1,\n", "b")],
)
def test_a_table_that_cannot_be_fed(program: Program, text: str, word: str) -> None:
    (program.folder / "t.csv").write_text(text)
    done = program.start("data=table", "data.path=t.csv")
    assert done.returncode == 2, (done.stdout, done.stderr)
    _one_line(done.stderr, ("data.", word))
    assert program.outputs == []


def test_a_secret_is_in_no_message(program: Program) -> None:
    done = program.start("data.samples=${oc.env:SECRET}", env={"SECRET": "hunter2"})
    assert done.returncode == 2
    assert "hunter2" not in done.stderr + done.stdout
    _one_line(done.stderr, ("data.samples",))


def test_outputs_that_cannot_be_written(program: Program) -> None:
    # Root may write to a read-only folder, so a file stands where the folder would be.
    (program.folder / "outputs").write_text("")
    done = program.start()
    assert done.returncode == 3, (done.stdout, done.stderr)
    _one_line(done.stderr, ("outputs",))


def test_read_only_outputs(tmp_path: Path) -> None:
    if os.geteuid() == 0 and not Path("/usr/sbin/setpriv").exists() and not _can_drop():
        pytest.skip("root writes everywhere, and there is no way to step down")
    folder = tmp_path / "work"
    (folder / "outputs").mkdir(parents=True)
    for part in (tmp_path, *tmp_path.parents):
        if part.owner() == "root" and part != Path("/"):
            part.chmod(part.stat().st_mode | 0o055)
    (folder / "outputs").chmod(0o555)
    prefix = ["setpriv", "--reuid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    done = subprocess.run(
        [*prefix, sys.executable, "-B", "-m", "runner"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parent.parent)},
    )
    unreadable = "Permission denied" in done.stderr or "No module named runner" in done.stderr
    if unreadable and "runner:" not in done.stderr:
        pytest.skip("the interpreter itself cannot be read by another user")
    assert done.returncode == 3, (done.stdout, done.stderr)
    _one_line(done.stderr, ("outputs",))
    assert list((folder / "outputs").iterdir()) == []


def _can_drop() -> bool:
    return subprocess.run(["which", "setpriv"], capture_output=True, check=False).returncode == 0
