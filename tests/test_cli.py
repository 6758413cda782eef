"""The verbs that find runs again, started as a person would."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import runner
from runner.__main__ import main
from runner.cli import VERBS
from runner.errors import DamagedError
from tests.conftest import ROOT, Program


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """Three runs, and one that failed."""
    program = Program(tmp_path_factory.mktemp("stored"))
    for seed in (10, 9, 2):
        program.run(f"seeds.seed={seed}", "layers=book_chapter_4", f"name=run-{seed}", "tags=[t]")
    failing = ("+layers.x={_target_: collections.Counter, n_neurons: 3}", "trust=[collections]")
    assert program.start(*failing).returncode == 1
    return program


@pytest.fixture
def copied(stored: Program, tmp_path: Path) -> Program:
    """The same runs, to be changed."""
    shutil.copytree(stored.folder / "outputs", tmp_path / "outputs", symlinks=True)
    return Program(tmp_path)


def listed(program: Program, *arguments: str) -> list[dict[str, Any]]:
    done = program.start("ls", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_ls(stored: Program) -> None:
    lines = stored.start("ls").stdout.splitlines()
    assert lines[0].split()[:4] == ["run_id", "status", "name", "start_time"]
    assert [line.split()[1] for line in lines[1:]] == ["FAILED", *["FINISHED"] * 3]
    assert [row["name"] for row in listed(stored)] == [None, "run-2", "run-9", "run-10"]
    assert listed(stored, "outputs") == listed(stored)
    assert re.match(r"\d{4}-\d\d-\d\dT.*\+00:00$", listed(stored)[0]["start_time"])


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        ("seeds.seed BETWEEN 1 AND 9", ["run-2", "run-9"]),
        ("params.seeds.seed = 10 AND status = 'FINISHED'", ["run-10"]),
        ("name LIKE 'run-%' AND metrics.accuracy > 0", ["run-2", "run-9", "run-10"]),
        ("status = 'FAILED'", [None]),
        ("1 = 0", []),
    ],
)
def test_where(stored: Program, condition: str, names: list[str | None]) -> None:
    assert [row["name"] for row in listed(stored, "--where", condition)] == names


def test_columns_and_sort(stored: Program) -> None:
    rows = listed(stored, "--columns", "name, seeds.seed,loss", "--sort", "seeds.seed")
    assert list(rows[0]) == ["name", "seeds.seed", "loss"]
    # By number, not by letter; the failed one has the seed 0.
    assert [row["name"] for row in rows] == [None, "run-2", "run-9", "run-10"]
    down = listed(stored, "--where", "name IS NOT NULL", "--sort", "-seeds.seed")
    assert [row["name"] for row in down] == ["run-10", "run-9", "run-2"]


def test_csv(stored: Program) -> None:
    text = stored.start("ls", "--csv", "--columns", "name,seeds.seed,overrides").stdout
    rows = list(csv.reader(io.StringIO(text)))
    assert rows[0] == ["name", "seeds.seed", "overrides"]
    assert rows[2] == ["run-2", "2", "seeds.seed=2 layers=book_chapter_4 name=run-2 tags=[t]"]
    assert len(rows) == 5


def test_show(stored: Program) -> None:
    text = stored.start("show", "run-9").stdout
    for words in (
        "FINISHED",
        "tags: t",
        "activation2  Softmax",
        "accuracy",
        "seeds.seed",
        "env.numpy",
    ):
        assert words in text
    shown = json.loads(stored.start("show", "run-9", "--json").stdout)
    assert shown["config"]["seeds"] == {"seed": 9}
    assert shown["layers"][0]["name"] == "dense1"
    assert shown["metrics.accuracy"] > 0
    failed = stored.start("show", "latest").stdout  # the newest that finished
    assert "run-2" in failed


def test_verify(copied: Program) -> None:
    assert copied.start("verify").returncode in (0, 2)
    whole = copied.start("verify", "outputs")
    assert (whole.returncode, whole.stderr) == (0, "")
    path = Path(listed(copied, "--where", "name = 'run-9'")[0]["path"])
    layer = copied.folder / path / "layers" / "02-dense2.parquet"
    data = bytearray(layer.read_bytes())
    data[len(data) // 2] ^= 1
    layer.write_bytes(data)
    shown = copied.start("show", "run-9")
    assert (shown.returncode, shown.stdout, shown.stderr.count("\n")) == (2, "", 1)
    assert "02-dense2.parquet: is not what was written" in shown.stderr
    for asked in ("outputs", "run-9", str(path)):
        found = copied.start("verify", asked)
        assert found.returncode == 1
        assert "02-dense2.parquet" in found.stdout
    [finding] = json.loads(copied.start("verify", "outputs", "--json").stdout)
    assert finding["path"].endswith("02-dense2.parquet")
    with pytest.raises(DamagedError):
        _ = runner.load(copied.folder / path).layers["dense2"].outputs


def test_rm_asks(copied: Program) -> None:
    refused = copied.start("rm", "run-2")
    assert refused.returncode == 2
    assert "--yes" in refused.stderr
    assert ask(copied, "rm", "run-2", answer="n") == 2
    assert len(listed(copied)) == 4
    assert ask(copied, "rm", "run-2", answer="y") == 0
    assert [row["name"] for row in listed(copied)] == [None, "run-9", "run-10"]
    # What `latest` pointed to is gone: it is the next one now.
    assert json.loads(copied.start("show", "latest", "--json").stdout)["name"] == "run-9"
    latest = copied.folder / "outputs" / "latest"
    assert runner.load(latest).metadata["name"] == "run-9"
    assert copied.start("rm", "--yes", "run-9", "run-10").returncode == 0
    assert not latest.is_symlink()


def test_a_sweep_and_its_jobs(program: Program) -> None:
    """`latest` is a sweep: its jobs have names, and so has the way to them."""
    program.run("data.samples=5")
    sweep = program.run("-m", "data.samples=5", "seeds.seed=3,4")
    for verb in ("show", "reproduce"):
        done = program.start(verb, "latest")
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
        assert "a sweep of 2 jobs: name one, like latest/0; `runner ls latest`" in done.stderr
    path = os.path.relpath(sweep, program.folder)  # with room for one that can be typed
    told = program.start("show", path).stderr
    assert told.endswith(f"a sweep of 2 jobs: name one, like {path}/0\n")
    shown = json.loads(program.start("show", "latest/1", "--json").stdout)
    assert shown["config"]["seeds"] == {"seed": 4}
    assert listed(program, "latest", "--columns", "seeds.seed", "--sort", "seeds.seed") == [
        {"seeds.seed": 3},
        {"seeds.seed": 4},
    ]
    assert "latest is a sweep of 2 jobs: 0, 1" in program.start("show", "latest/2").stderr
    assert f"{sweep.name}/0" in program.start("show", str(sweep)).stderr
    # A job of it is taken away, then it: `latest` follows.
    latest = program.folder / "outputs" / "latest"
    assert program.start("rm", "--yes", "latest/0").returncode == 0
    assert latest.resolve() == sweep.resolve()
    program.run("data.samples=6")
    assert program.start("rm", "--yes", "latest").returncode == 0
    assert latest.resolve() == sweep.resolve()
    assert program.start("rm", "--yes", "latest").returncode == 0
    assert runner.load(latest).config["data"]["samples"] == 5


def test_json_is_one_document_of_valid_json(program: Program) -> None:
    """Where values are NaN or infinite, too."""
    hot = ("layers=mlp", "layers.mlp.depth=3", "layers.mlp.activation=relu", "data.samples=5")
    sweep = program.run("-m", *hot, "layers.mlp.weight_scale=0.1,1e25", "numerics=float32")
    cold, warm = (str(sweep / name) for name in "01")

    def refuse(name: str) -> None:
        raise AssertionError(name)

    for call in (
        ("ls",),
        ("ls", str(sweep)),
        ("show", warm, "--theory"),
        ("compare", cold, warm),
        ("compare", warm, "--similarity"),
        ("compare", str(sweep), "--by", "layers.mlp.weight_scale", "--statistics", "all"),
        ("verify",),
        ("reproduce", warm),
    ):
        done = program.start(*call, "--json")
        assert done.returncode in (0, 1), done.stderr
        json.loads(done.stdout, parse_constant=refuse)
    assert all(isinstance(row["config"], dict) for row in listed(program) if "number" not in row)


def ask(program: Program, *arguments: str, answer: str) -> int:
    """Starts it on a terminal, and answers."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "runner", *arguments],
        cwd=program.folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.write(ours, f"{answer}\n".encode())
    _, err = process.communicate(timeout=60)
    os.close(ours)
    os.close(theirs)
    assert "[y/N]" in err
    return process.returncode


def test_rm_yes(copied: Program) -> None:
    assert copied.start("rm", "--yes", "run-9", "run-10").returncode == 0
    assert [row["name"] for row in listed(copied)] == [None, "run-2"]
    assert not list(copied.folder.glob("outputs/*/.*deleted"))
    none = copied.start("rm", "--yes", "run-2", "run-9")
    assert (none.returncode, "no run run-9" in none.stderr) == (2, True)
    assert len(listed(copied)) == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("lss",), ("lss", "did you mean ls")),
        (("frobnicate",), ("frobnicate", "ls", "show")),
        (("show",), ("show", "RUN")),
        (("show", "run-3"), ("run-3", "did you mean run-")),
        (("show", "run"), ("run", "run-2")),
        (("ls", "--where", "seeds.sed = 3"), ("--where", "seeds.sed")),
        (("ls", "--where", "name ="), ("--where", "name =")),
        (("ls", "--columns", "nam"), ("--columns", "nam", "did you mean name")),
        (("ls", "--sort", "nam"), ("--sort", "nam", "did you mean name")),
        (("ls", "nowhere"), ("nowhere",)),
        (("ls", "--nope"), ("ls", "--nope")),
        (("verify", "nowhere"), ("nowhere",)),
        (("rm",), ("rm", "RUN")),
    ],
    ids=" ".join,
)
def test_refused(stored: Program, arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    done = stored.start(*arguments)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    [line] = done.stderr.splitlines()
    assert len(line) <= 200
    for word in words:
        assert word in line


@pytest.mark.parametrize(
    "verb", ["show", "ls", "verify", "rm", "report", "compare latest", "export mlflow", "reproduce"]
)
def test_a_name_that_no_file_can_have(
    stored: Program,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    verb: str,
) -> None:
    monkeypatch.chdir(stored.folder)
    assert main([*verb.split(), "x" * 300]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n"), "xxx…: " in err, len(err) <= 201) == ("", 1, True, True)


def test_before_the_first_run(program: Program) -> None:
    for verb in (("ls",), ("show", "latest"), ("verify", "outputs"), ("rm", "--yes", "x")):
        done = program.start(*verb)
        assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), verb


def test_options_stand_anywhere(stored: Program) -> None:
    done = stored.start("compare", "run-9", "--json", "run-10", "--atol", "0")
    assert (done.returncode, done.stderr) == (1, "")
    assert json.loads(done.stdout)
    done = stored.start("rm", "run-9", "--yes", "nothing")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "no run nothing" in done.stderr


def test_help_lists_the_verbs(program: Program) -> None:
    for asked in ("--help", "-h"):
        done = program.start(asked)
        assert (done.returncode, done.stderr) == (0, "")
        for verb, what in VERBS.items():
            assert re.search(rf"^  {verb} +{re.escape(what)}$", done.stdout, re.MULTILINE)
    # A list that goes on in the next line ends in a bar.
    options = re.sub(r"\|\n +", "|", done.stdout.split("overrides")[1])
    for group in ("data", "layers", "experiment", "seeds", "numerics", "save"):
        [line] = re.findall(rf"\b{group}=([\w|]+)", options)[:1]
        assert set(line.split("|")) == {
            path.stem for path in (ROOT / "conf" / group).glob("*.yaml")
        }
    for verb in VERBS:
        assert program.start(verb, "--help").stdout.startswith(f"usage: runner {verb}")


def test_version(program: Program) -> None:
    assert program.start("--version").stdout == f"runner {runner.__version__}\n"


def test_a_reader_who_leaves(stored: Program) -> None:
    call = f"{sys.executable} -m runner ls --json | head -1"
    done = subprocess.run(
        call, shell=True, cwd=stored.folder, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("[\n", "")
