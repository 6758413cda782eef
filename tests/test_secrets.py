"""What comes from the environment is in no file of a run, in no log and in no message."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import runner
from runner.errors import ConfigError, UsageError
from runner.job.secrecy import Secrets
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
    assert row["params.data.samples"] == "${oc.decode:${oc.env:COUNT}}"
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
