"""It is a Hydra application: the same files, the same hooks, the same questions."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import runner
from runner.errors import ConfigError, UnknownKeyError
from tests.conftest import ROOT, Program

BARE = f"""
import hydra
from runner.app.compose import register_configs

register_configs()

@hydra.main(version_base="1.3", config_path={str(ROOT / "conf")!r}, config_name="config")
def main(cfg):
    pass

main()
"""
"""The least that one writes with Hydra, on the same configuration."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Program:
    program = Program(tmp_path_factory.mktemp("hydra"))
    (program.folder / "bare.py").write_text(BARE)
    (program.folder / "watch.py").write_text(WATCH)
    return program


def bare(folder: Path, *overrides: str) -> None:
    call = [sys.executable, str(folder / "bare.py"), *overrides]
    subprocess.run(call, cwd=folder, check=True, capture_output=True)


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("layers=book_chapter_4", "data.samples=7", "name='ä b'", "tags=[x,1]"),
        ("experiment=deep_tanh", "++layers.mlp.width=8", "save=all"),
        ("+layers.a={_target_: runner.layers.Tanh}", "seeds=independent", "name=${data.samples}"),
        ("hydra.job.chdir=true", "+hydra.job.env_set.A=b"),
        ("hydra.verbose=true", "hydra.output_subdir=.other"),
        ("hydra.job.name=mine", "hydra.run.dir=runs/${hydra.job.name}-${data.samples}"),
        (
            "hydra/sweeper=basic",
            "hydra/launcher=basic",
            "data=book_batch",
            "layers=book_two_layers",
        ),
    ],
    ids=lambda overrides: " ".join(overrides) or "defaults",
)
def test_files_equal_those_of_a_bare_application(
    folder: Program, overrides: tuple[str, ...]
) -> None:
    """To the byte, but for the directory's own name and the name of the script."""
    named = any(text.startswith("hydra.run.dir") for text in overrides)
    ours = folder.run(*overrides)
    files = read(ours)
    theirs_in = folder.folder / "theirs"
    theirs_in.mkdir(exist_ok=True)
    (theirs_in / "bare.py").write_text(BARE)
    bare(theirs_in, *overrides)
    [found] = [path.parent.parent for path in theirs_in.rglob("overrides.yaml")]
    expected = read(found)
    for path in sorted(theirs_in.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    assert files.keys() == expected.keys()
    for name, text in files.items():
        theirs = (
            expected[name]
            .replace(str(found), str(ours))
            .replace(str(theirs_in), str(folder.folder))
        )
        assert text == theirs, name
    if named:
        assert ours.parent == folder.folder / "runs"


def read(run: Path) -> dict[str, str]:
    [folder] = [path.parent for path in run.rglob("overrides.yaml")]
    return {f"{folder.name}/{path.name}": path.read_text() for path in folder.iterdir()}


WATCH = """
import os
from hydra.experimental.callback import Callback

class Watch(Callback):
    def __init__(self, leave=False):
        self.leave = leave

    def note(self, what):
        print("watch:", what)
        with open(os.environ.get("NOTES", "notes"), "a") as file:
            file.write(what + chr(10))

    def on_run_start(self, config, **kwargs):
        self.note("run start")
        if self.leave:
            raise SystemExit(5)

    def on_job_start(self, config, **kwargs):
        self.note("job start " + os.path.basename(os.getcwd()))

    def on_job_end(self, config, job_return, **kwargs):
        self.note("job end " + job_return.status.name)

    def on_run_end(self, config, job_return, **kwargs):
        self.note("run end")

class Looks:
    def forward(self, inputs):
        from hydra.core.hydra_config import HydraConfig
        self.note = HydraConfig.get().job.name
        with open("here", "w") as file:
            file.write(os.environ.get("GREETING", "none") + " " + self.note)
        return inputs
"""

CALLBACK = "+hydra.callbacks.watch={_target_: watch.Watch}"
LOOKS = ("+layers.looks={_target_: watch.Looks}", "trust=[watch]")


def test_callbacks_and_the_rest(folder: Program) -> None:
    notes = folder.folder / "notes"
    run = folder.run(
        *LOOKS,
        CALLBACK,
        "hydra.job.chdir=true",
        "+hydra.job.env_set.GREETING=hello",
        env={"NOTES": str(notes)},
    )
    assert notes.read_text().splitlines() == [
        "run start",
        f"job start {run.name}",
        "job end COMPLETED",
        "run end",
    ]
    assert (run / "here").read_text() == "hello runner"
    assert runner.load(run).metadata["status"] == "FINISHED"
    assert (folder.folder / "outputs" / "latest").resolve() == run


@pytest.mark.parametrize(
    "mode",
    [(), ("-m", "hydra.launcher.n_jobs=2"), ("-m", "hydra/sweeper=basic", "hydra/launcher=basic")],
)
def test_what_callbacks_print_is_no_result(folder: Program, mode: tuple[str, ...]) -> None:
    done = folder.start(*mode, CALLBACK, "trust=[watch]", "layers=one_dense")
    assert done.returncode == 0, done.stderr
    [line] = done.stdout.splitlines()
    assert Path(line).is_dir()
    assert "watch: job end COMPLETED" in done.stderr


def test_a_callback_that_leaves(folder: Program) -> None:
    before = set(folder.folder.glob("outputs/2*/*"))
    done = folder.start(CALLBACK.replace("Watch}", "Watch, leave: true}"), "trust=[watch]")
    assert done.returncode == 5
    assert set(folder.folder.glob("outputs/2*/*")) == before


@pytest.mark.parametrize("mode", [(), ("-m",)])
def test_a_callback_that_cannot_be_made(folder: Program, mode: tuple[str, ...]) -> None:
    before = set(folder.folder.glob("outputs/**/*"))
    for name, reason in (("Nope", "there is no Nope in watch"), ("Watch, no: 1", "TypeError")):
        done = folder.start(*mode, CALLBACK.replace("Watch}", f"{name}}}"), "trust=[watch]")
        assert (done.returncode, done.stdout) == (2, "")
        [line] = done.stderr.splitlines()
        assert f"hydra.callbacks.watch._target_=watch.{name[:4]}" in line
        assert f"cannot be made: {reason}" in line
    assert set(folder.folder.glob("outputs/**/*")) == before


def test_a_file_may_ask_for_a_sweep(folder: Program) -> None:
    """As in Hydra, where ``hydra.mode`` is a key like any other."""
    file = folder.folder / "own" / "experiment" / "grid.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(
        "# @package _global_\nhydra: {mode: MULTIRUN, sweeper: {params: {seeds.seed: '0,1'}}}\n"
    )
    asked = ("-cd", "own", "experiment=grid", "data.samples=3", "layers=one_dense")
    sweep = folder.run(*asked)
    assert list(runner.runs(sweep)["params.seeds.seed"]) == [1, 0]
    assert folder.run("-m", "-cd", "own", f"hydra.sweeper.resume={sweep}") == sweep
    more = folder.run(*asked, "seeds.seed=5,6,7", "hydra.launcher.n_jobs=1")
    assert sorted(runner.runs(more)["params.seeds.seed"]) == [5, 6, 7]
    assert runner.load(folder.run(*asked, "hydra.mode=RUN")).metadata["params.seeds.seed"] == 0
    with pytest.raises(ConfigError, match=r"hydra\.mode=MULTIRUN"):
        runner.run(list(asked[2:]), config_dir=str(folder.folder / "own"))
    one = folder.start(*asked, "seeds.seed=5,6", "hydra.mode=RUN")
    assert (one.returncode, "several values are a sweep: add -m" in one.stderr) == (2, True)


def test_a_file_may_say_how_a_sweep_is_to_go(folder: Program) -> None:
    """It is also read where one run is made; what is typed for one run is refused."""
    file = folder.folder / "own" / "experiment" / "spread.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(
        "# @package _global_\nhydra: {sweeper: {skip_existing: true}, launcher: {n_jobs: 1}}\n"
    )
    run = folder.run("-cd", "own", "experiment=spread", "hydra.sweeper.resume=null")
    assert runner.load(run).metadata["status"] == "FINISHED"


def test_a_relative_table_is_meant_from_where_one_stands(folder: Program) -> None:
    (folder.folder / "t.csv").write_text("a,b\n1,2\n3,4\n")
    run = folder.run("data=table", "data.path=t.csv", "hydra.job.chdir=true")
    assert runner.load(run).inputs.tolist() == [[1, 2], [3, 4]]


def test_logging_of_ones_own(folder: Program) -> None:
    simple = folder.run("hydra.verbose=true")
    assert "[INFO] - layer 1 dense2" in (simple / "runner.log").read_text()
    other = folder.run(
        "hydra.job_logging.handlers.file.filename=${hydra.runtime.output_dir}/mine.log",
        "hydra.job_logging.formatters.simple.format='%(message)s'",
    )
    assert (other / "mine.log").read_text().startswith("run ")
    assert not (other / "runner.log").exists()
    silent = folder.run("hydra/job_logging=disabled")
    assert runner.load(silent).metadata["status"] == "FINISHED"
    assert folder.start("verify", str(other)).returncode == 0


def test_questions(folder: Program) -> None:
    before = set(folder.folder.rglob("outputs/*"))
    shown = folder.start("--cfg", "job", "data.samples=7")
    assert shown.returncode == 0
    assert shown.stdout.startswith("data:\n  _target_: runner.data.spiral\n  samples: 7\n")
    resolved = folder.start("--cfg", "job", "--resolve", "-p", "data", "name=${data.samples}")
    assert "samples: 100" in resolved.stdout
    for question in (("--info",), ("--info", "defaults-tree"), ("--hydra-help",), ("--cfg", "all")):
        done = folder.start(*question)
        assert done.returncode == 0, done.stderr
        assert "spiral" in done.stdout or "hydra" in done.stdout.lower()
        assert done.stderr == ""
    for asked, told in (
        (("--package", "nope"), "package 'nope' not found in config"),
        (("--resolve", "name=${oc.env:NOPE}"), "followed: no variable NOPE in the environment"),
    ):
        done = folder.start("--cfg", "job", *asked)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.endswith(f"{told}\n")
    script = folder.start("-sc", "install=bash")
    assert (script.returncode, "complete" in script.stdout) == (0, True)
    query = folder.start(
        "-sc", "query=bash", env={"COMP_LINE": "runner layers=two", "COMP_POINT": "17"}
    )
    assert query.stdout.split() == ["layers=two_dense"]
    assert set(folder.folder.rglob("outputs/*")) == before


def test_a_reader_who_leaves(folder: Program) -> None:
    """``runner --info | head -1``."""
    call = f"{sys.executable} -m runner --info | head -1"
    done = subprocess.run(
        call, shell=True, cwd=folder.folder, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("Hydra 1.3.8\n", "") or done.stderr == ""


def test_basic_sweep(folder: Program) -> None:
    done = folder.start("-m", "hydra/sweeper=basic", "hydra/launcher=basic", "seeds.seed=0,1")
    assert done.returncode == 0, done.stderr
    [line] = done.stdout.splitlines()
    sweep = Path(line)
    assert sweep.parent.parent == folder.folder / "outputs" / "multirun"
    for number in (0, 1):
        run = runner.load(sweep / str(number))
        assert run.metadata["params.seeds.seed"] == number
        assert run.metadata["overrides"] == [f"seeds.seed={number}"]


def test_basic_sweeps_of_one_moment(folder: Program) -> None:
    """A timestamp that is taken gets a number, whoever's the sweeper is."""
    call = ("-m", "hydra/sweeper=basic", "hydra/launcher=basic", "seeds.seed=0,1")
    sweeps = [folder.run(*call, "hydra.sweep.dir=stamped/${now:%Y}") for _ in range(3)]
    assert [sweep.name[4:] for sweep in sweeps] == ["", "-1", "-2"]
    assert [len(runner.runs(sweep)) for sweep in sweeps] == [2, 2, 2]


def test_rerun_is_refused(folder: Program) -> None:
    (folder.folder / "config.pickle").write_bytes(b"cos\nsystem\n(S'touch unpickled'\ntR.")
    done = folder.start("--experimental-rerun", "config.pickle")
    assert (done.returncode, "reproduce" in done.stderr) == (2, True)
    assert not (folder.folder / "unpickled").exists()


def test_a_directory_of_ones_own(folder: Program) -> None:
    new = folder.run("hydra.run.dir=a/b/new")
    assert new == folder.folder / "a/b/new"
    (folder.folder / "empty").mkdir()
    assert folder.run("hydra.run.dir=empty") == folder.folder / "empty"
    (folder.folder / "taken").mkdir()
    (folder.folder / "taken" / "mine.txt").write_text("mine")
    (folder.folder / "file").write_text("mine")
    for taken in ("a/b/new", "taken", "file", "/dev/null/none", "."):
        done = folder.start(f"hydra.run.dir={taken}")
        assert done.returncode in (2, 3), taken
        assert len(done.stderr.splitlines()) == 1
        assert len(done.stderr.strip()) <= 200
        assert Path(taken).name in done.stderr
    assert [path.name for path in (folder.folder / "taken").iterdir()] == ["mine.txt"]
    timed = folder.run("hydra.run.dir=${now:%Y}/same")
    again = folder.run("hydra.run.dir=${now:%Y}/same")
    assert (timed.name, again.name) == ("same", "same-1")


def test_nothing_is_made_inside_a_run(folder: Program) -> None:
    """Not even by somebody who stands in it: it would no longer be what was committed."""
    run = folder.run("layers=one_dense")
    inside = Program(run)
    for mode in ((), ("-m",)):
        done = inside.start(*mode, "layers=one_dense")
        assert (done.returncode, done.stdout) == (2, "")
        assert f"is in run {run.name}, which stays as it is" in done.stderr
    assert folder.start("verify", str(run)).returncode == 0
    assert inside.run(f"hydra.run.dir={folder.folder / 'elsewhere'}").is_dir()
    assert folder.start("verify", str(run)).returncode == 0


def test_a_folder_of_checksums_is_no_run(tmp_path: Path) -> None:
    """As it is made for downloads: whoever works below it is in no run."""
    (tmp_path / "SHA256SUMS").write_text(f"{'0' * 64}  image.iso\n")
    (tmp_path / "work").mkdir()
    assert Program(tmp_path / "work").run("layers=one_dense").is_dir()


def test_a_saved_configuration_composes(folder: Program) -> None:
    """As Hydra's users do it: the folder that a run has left, as the configuration."""
    first = folder.run("layers=book_chapter_4", "data.samples=9", "name=one")
    again = folder.run("-cp", str(first / ".hydra"), "-cn", "config")
    assert runner.load(again).metadata["digest"] == runner.load(first).metadata["digest"]
    both = [json.loads(runner.load(run).metadata["config"]) for run in (first, again)]
    assert both[0] == both[1]


def test_nothing_but_results_on_stdout(folder: Program) -> None:
    for arguments in ((), ("hydra.verbose=true",), ("hydra.job.chdir=true",)):
        done = folder.start(*arguments)
        assert re.fullmatch(r"/.*\n", done.stdout), arguments


@pytest.mark.parametrize("logging", ["default", "stdout"])
@pytest.mark.parametrize(
    "mode",
    [
        (),
        ("-m", "hydra.launcher.n_jobs=2"),
        ("-m", "hydra/launcher=basic"),
        ("-m", "hydra/sweeper=basic", "hydra/launcher=basic"),
    ],
)
def test_logs_that_ask_for_stdout_are_no_results(
    folder: Program, logging: str, mode: tuple[str, ...]
) -> None:
    """As Hydra's own do, which a configuration has that brings none."""
    theirs = (f"hydra/job_logging={logging}", "hydra/hydra_logging=default")
    done = folder.start(*mode, *theirs, "layers=one_dense")
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"/.*\n", done.stdout)
    assert "layer 0 dense1: mean" in done.stderr


def test_a_hint_does_not_go_through_all_that_lies_below_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be a whole disk: ``-cd /``."""
    (tmp_path / "layers" / "a" / "b").mkdir(parents=True)
    listed: list[str] = []
    listdir = os.listdir

    def noting(path: Any) -> list[str]:
        listed.append(str(path))
        return listdir(path)

    monkeypatch.setattr(os, "listdir", noting)
    for override, words in (("lyers=x", "did you mean layers"), ("data.sample=5", "mean samples")):
        with pytest.raises(UnknownKeyError, match=words):
            runner.run([override], config_dir=str(tmp_path))
    assert str(tmp_path) in listed
    assert not [path for path in listed if path.startswith(str(tmp_path / "layers" / "a"))]


def test_options_stand_anywhere(tmp_path: Path) -> None:
    program = Program(tmp_path)
    text = program.start("data.samples=3", "--cfg", "job", "seeds.seed=4").stdout
    assert re.search(r"samples: 3\n.*seed: 4\n", text, re.DOTALL)
    sweep = program.run("data.samples=3", "-m", "seeds.seed=1,2")
    assert {path.name for path in sweep.iterdir()} >= {"0", "1", "sweep.parquet"}
