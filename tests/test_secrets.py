"""What comes from the environment is in no file of a run, in no log and in no message."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import runner
from runner.errors import ConfigError, UsageError
from runner.job.secrecy import Secrets, literal_secrets
from tests.conftest import Program

SECRET = "hunter2-correct-horse-battery-staple-0123456789"
ENV = {"SECRET": SECRET, "COUNT": "7"}

CODE = """
class Uses:
    def __init__(self, token):
        self.token = token

    def forward(self, inputs):
        if {fails}:
            raise ValueError(f"refused: {{self.token}} at {{self.token[:20]}}…")
        return inputs
"""


def nowhere_below(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert SECRET.encode() not in data, path
            assert SECRET[:12].encode() not in data, path
            if path.suffix == ".parquet":  # where a codec or an encoding may hide it
                text = repr(pq.read_table(path).to_pylist()) + repr(pq.read_schema(path).metadata)
                assert SECRET not in text, path


def test_a_run(program: Program) -> None:
    (program.folder / "mine.py").write_text(CODE.format(fails=False))
    done = program.start(
        "name=${oc.env:SECRET}",
        "tags=[a,'${name}']",
        'data.samples="${oc.decode:${oc.env:COUNT}}"',
        "+layers.mine={_target_: mine.Uses, token: '${tags[1]}-more'}",
        "trust=[mine]",
        env=ENV,
    )
    assert done.returncode == 0, done.stderr
    assert SECRET not in done.stdout + done.stderr
    run = runner.load(done.stdout.strip())
    nowhere_below(program.folder / "outputs")
    row = pq.read_table(run.path / "run.parquet").to_pylist()[0]
    assert row["name"] == row["params.name"] == "${oc.env:SECRET}"
    assert row["tags"] == ["a", "${name}"]
    assert row["params.layers.mine.token"] == "${tags[1]}-more"
    # No number, and none that it wasn't: the text is in the configuration.
    assert row["params.data.samples"] is None
    assert pq.read_schema(run.path / "run.parquet").field("params.data.samples").type == pa.int64()
    assert run.config["data"]["samples"] == "${oc.decode:${oc.env:COUNT}}"
    shown = program.start("show", str(run.path)).stdout
    assert "${oc.decode:${oc.env:COUNT}}" in shown
    assert json.loads(row["config"])["name"] == "${oc.env:SECRET}"
    assert run.inputs.shape == (21, 2)  # and yet it was used
    assert SECRET not in program.start("show", "latest").stdout


def test_a_layer_that_fails(program: Program) -> None:
    (program.folder / "mine.py").write_text(CODE.format(fails=True))
    done = program.start(
        "+layers.mine={_target_: mine.Uses, token: '${oc.env:SECRET}'}", "trust=[mine]", env=ENV
    )
    assert done.returncode == 1
    assert "refused: ${oc.env:SECRET} at ${oc.env:SECRET}…" in done.stderr
    assert SECRET[:8] not in done.stdout + done.stderr
    nowhere_below(program.folder / "outputs")
    [directory] = program.folder.glob("outputs/2*/*")
    assert runner.load(directory).metadata["status"] == "FAILED"


@pytest.mark.parametrize(
    "arguments",
    [
        ("data=table", "data.path=${oc.env:SECRET}.csv"),
        ("data.samples=${oc.env:SECRET}",),
        ("+data.kind=${oc.env:SECRET}",),
        ("save.codec=${oc.env:SECRET}",),
        ("layers.dense1.weight_init=${oc.env:SECRET}",),
        ("layers.dense1.weights=[['${oc.env:SECRET}']]",),
        ("name=${oc.env:SECRET}", "numerics.rule=${name}"),
        ("+layers.x={_target_: '${oc.env:SECRET}'}",),
        ("trust=['${oc.env:SECRET}']",),
    ],
    ids=" ".join,
)
def test_refused(program: Program, arguments: tuple[str, ...]) -> None:
    done = program.start(*arguments, env=ENV)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
    assert SECRET[:8] not in done.stderr
    assert SECRET[-8:] not in done.stderr
    assert "${" in done.stderr or "data.kind" in done.stderr
    assert program.outputs == []


@pytest.mark.parametrize("raw", ["experiments/of/${X}", "${X}/of/experiments", "${X}"])
def test_hide_where_the_place_begins_or_ends_as_the_value_does(raw: str) -> None:
    value = raw.replace("${X}", SECRET)
    secrets = Secrets({"a": value}, {"a": raw})
    assert secrets.hide(f"a={value}: is wrong") == f"a={raw}: is wrong"
    for cut in (f"a={value[:-3]}…", f"…{value[3:]}: is wrong"):
        assert SECRET[:-3] not in secrets.hide(cut)
        assert SECRET[3:] not in secrets.hide(cut)
        assert raw in secrets.hide(cut)


def test_hide() -> None:
    secrets = Secrets({"a": {"b": SECRET}, "n": 3}, {"a": {"b": "${X}"}, "n": "${N}"})
    assert (
        secrets.hide(f"3 of {SECRET}, {SECRET[:15]}… and …{SECRET[-15:]}")
        == "3 of ${X}, ${X}… and …${X}"
    )
    error = ConfigError("n", 3, f"needs more than {SECRET}")
    secrets.hide_in(error)
    assert str(error) == "n=${N}: needs more than ${X}"
    usage = UsageError(f"no {SECRET}")
    secrets.hide_in(usage)
    assert str(usage) == "no ${X}"
    same = ConfigError("other", "text", "is wrong")
    secrets.hide_in(same)
    assert str(same) == "other=text: is wrong"


VALUES = ("+layers.mine={_target_: mine.Uses, token: '${oc.env:SECRET}'}", "trust=[mine]")
PLACE = "outputs/${oc.env:PLACE}/run"


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize(
    "arguments",
    [
        (*VALUES, f"hydra.run.dir={PLACE}"),
        (*VALUES, f"hydra.run.dir={PLACE}", "hydra.job.chdir=true"),
        ("-m", *VALUES, "seeds.seed=0,1", "hydra.launcher.n_jobs=1"),
        ("-m", *VALUES, "seeds.seed=0,1", f"hydra.sweep.dir={PLACE}", "hydra.launcher.n_jobs=2"),
        ("-m", *VALUES, "seeds.seed=0,1", "hydra/launcher=basic", "hydra/sweeper=basic"),
    ],
    ids=" ".join,
)
def test_planted(program: Program, arguments: tuple[str, ...], fails: bool) -> None:
    """A secret in a layer's argument, and a folder's name from the environment: in no file."""
    (program.folder / "mine.py").write_text(CODE.format(fails=fails))
    place = "kept-in-a-folder-of-mine"
    done = program.start(*arguments, env={**ENV, "PLACE": place})
    assert done.returncode == fails, done.stderr
    assert SECRET[:12] not in done.stdout + done.stderr
    nowhere_below(program.folder / "outputs")
    nowhere_below(Path(program.folder))
    runs = list(program.folder.glob("outputs/**/run.parquet"))
    assert runs
    if "hydra/sweeper=basic" not in arguments:
        for file in (path for path in program.folder.rglob("*") if path.is_file()):
            assert place.encode() not in file.read_bytes(), file
    shown = program.start("show", str(runs[0].parent), "--json").stdout
    shown += program.start("ls", "--json").stdout + program.start("ls", "--csv").stdout
    assert SECRET[:12] not in shown


BY_HYDRA = ("hydra/sweeper=basic", "hydra/launcher=basic")


def test_a_directory_gives_no_secret_away(program: Program) -> None:
    env = {"API_TOKEN": SECRET}
    for arguments in (
        ("hydra.run.dir=outputs/${oc.env:API_TOKEN}",),
        ("name=${oc.env:API_TOKEN}", "hydra.run.dir=outputs/${name}"),
        ("-m", "seeds.seed=0,1", "hydra.sweep.dir=outputs/${oc.env:API_TOKEN}"),
        ("-m", "seeds.seed=0,1", "hydra.sweep.subdir=${oc.env:API_TOKEN}/${hydra.job.num}"),
        ("-m", "name=${oc.env:API_TOKEN}", "hydra.sweep.subdir=${name}"),
        ("-m", "name=${oc.env:API_TOKEN}", "hydra.sweep.subdir=${name}", *BY_HYDRA),
        ("hydra.job_logging.handlers.file.filename=${oc.env:API_TOKEN}.log",),
        ("name=${oc.env:API_TOKEN}", "hydra.job_logging.formatters.simple.format=${name}"),
    ):
        done = program.start(*arguments, env=env)
        assert done.returncode == 2, done.stderr
        [line] = done.stderr.splitlines()
        assert "API_TOKEN looks like a secret" in line
        assert SECRET[:8] not in line
        assert program.outputs == []


@pytest.mark.parametrize("option", ["hydra.sweeper.filter=\"'${oc.env:SECRET}'='x'\"", "resume"])
def test_an_option_of_a_sweep_gives_no_secret_away(program: Program, option: str) -> None:
    option = "hydra.sweeper.resume=${oc.env:SECRET}" if option == "resume" else option
    done = program.start("-m", "seeds.seed=0,1", option, env=ENV)
    assert done.returncode == 2, done.stderr
    [line] = done.stderr.splitlines()
    assert SECRET[:8] not in line
    assert "${oc.env:SECRET}" in line


LOGS = """
import logging

class Logs:
    def __init__(self, token):
        self.token = token

    def forward(self, inputs):
        logging.getLogger("mine").warning("with %s", self.token)
        return inputs

def data(token):
    raise ValueError(f"refused: {token}")
"""


@pytest.mark.parametrize(
    "others",
    [(), ("hydra.job.chdir=true",), ("hydra.job.env_copy=[SECRET]",), ("-m", "seeds.seed=0")],
    ids=" ".join,
)
def test_a_log_gives_no_secret_away(program: Program, others: tuple[str, ...]) -> None:
    (program.folder / "mine.py").write_text(LOGS)
    layer = "+layers.x={_target_: mine.Logs, token: '${oc.env:SECRET}'}"
    done = program.start(*others, layer, "trust=[mine]", env=ENV)
    assert done.returncode == 0, done.stderr
    assert SECRET[:8] not in done.stdout + done.stderr
    nowhere_below(program.folder / "outputs")
    [log] = program.folder.glob("outputs/**/runner.log")
    assert "with ${oc.env:SECRET}" in log.read_text()


def test_data_of_the_readers_that_fail_give_no_secret_away(program: Program) -> None:
    (program.folder / "mine.py").write_text(LOGS)
    data = ("data._target_=mine.data", "+data.token=${oc.env:SECRET}", "trust=[mine]")
    done = program.start(*data, env=ENV)
    assert done.returncode == 1, done.stderr
    assert "ValueError: refused: ${oc.env:SECRET}" in done.stderr
    assert SECRET[:8] not in done.stderr


@pytest.mark.parametrize("many", [(), ("-m",)])
def test_what_was_typed_is_warned_of(program: Program, many: tuple[str, ...]) -> None:
    typed = ["data=book_sample", "layers=one_dense", f"name={SECRET}", "+my.api_key=abcd"]
    done = program.start(*many, *typed, env={"MY_PASSWORD": SECRET})
    assert done.returncode == 0, done.stderr
    warnings = [line for line in done.stderr.splitlines() if line.startswith("warning: ")]
    assert warnings[0].startswith("warning: name was typed with the value of MY_PASSWORD")
    assert "my.api_key looks like a secret" in warnings[1]
    assert len(warnings) == 2
    assert SECRET not in done.stderr


def test_what_is_no_secret_is_not_warned_of() -> None:
    values = {"name": "tokens", "layers.a.n_tokens": "5", "key": "abc", "my.token": "${oc.env:T}"}
    environment = {"TOKEN": "short", "PATH": "/usr/bin", "HOME": "tokens"}
    assert list(literal_secrets(values, environment)) == []


def test_a_terminal_is_not_steered(program: Program) -> None:
    """Text from a stored run with control characters goes out spelt, in every form."""
    directory = program.run("data=book_sample", "layers=one_dense", "name=plain")
    row = pq.read_table(directory / "run.parquet")
    evil = "\x1b]0;owned\x07\x9b31m\u202e\nforged line"
    for name in ("name", "error"):
        at = row.column_names.index(name)
        row = row.set_column(at, row.schema.field(name), pa.array([evil], pa.string()))
    pq.write_table(row, directory / "run.parquet")
    digest = hashlib.sha256((directory / "run.parquet").read_bytes()).hexdigest()
    sums = (directory / "SHA256SUMS").read_text().splitlines()
    sums = [s if not s.endswith("  run.parquet") else f"{digest}  run.parquet" for s in sums]
    (directory / "SHA256SUMS").write_text("\n".join(sums) + "\n")
    path = str(directory)
    for call in (("show", path), ("show", path, "--json"), ("ls",), ("ls", "--json"),
                 ("ls", "--csv"), ("compare", path, path), ("rm", path)):  # fmt: skip
        done = program.start(*call)
        text = done.stdout + done.stderr
        assert not any(c in text for c in "\x1b\x07\x9b\u202e"), call
        assert not any(line.startswith("forged") for line in text.splitlines()) or "--csv" in call
    assert json.loads(program.start("show", path, "--json").stdout)["name"] == evil
