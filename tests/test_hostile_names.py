"""Names of layers, jobs and directories lead nowhere but into the run: 0 writes outside.

1,000 names are tried where they are checked, some of them through the whole program; with
``RUNNER_FULL=1`` all of them.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from runner.app.allowed import check_job_directory, is_below
from runner.errors import ConfigError, RunnerError
from runner.forward.network import plan
from tests.warm import Warm

PARTS = [
    "..",
    ".",
    "",
    "/",
    "//",
    "~",
    "a",
    "layers",
    ".staging",
    ".claim",
    "run.parquet",
    "SHA256SUMS",
    "\\",
    "..\\",
    "%2e%2e",
    "..%2f",
    "\x00",
    "\n",
    "\r",
    "\t",
    "\x1b[2J",
    "\x7f",
    "\u202e",
    "\u2025",
    "\uff0e\uff0e",
    "\uff0f",
    "\u2044",
    "CON",
    "nul.",
    "a ",
    " a",
    "-rf",
    "--yes",
    "$HOME",
    "${oc.env:HOME}",
    "`id`",
    "$(id)",
    ";id",
    "|id",
    "&",
    "*",
    "?",
    "é",
    "e\u0301",
    "😀",
    "a" * 90,
    "a" * 300,
    "\udcff",
    "tmp",
    "etc",
    "proc/self",
    "dev/null",
    ".hydra",
    "latest",
    "outputs",
    "0",
    "-1",
    "{}",
    "[]",
    "'",
    '"',
]


def hostile() -> list[str]:
    rng = random.Random(6)
    plain = ["../x", "../../../../../../../../tmp/x", "/tmp/x", "/", "..", ".", "", "a/../../x"]
    found = dict.fromkeys(plain)
    while len(found) < 1000:
        between, most = ("/", 5) if rng.random() < 0.6 else ("", 4)
        found[between.join(rng.choices(PARTS, k=rng.randint(1, most)))] = None
    return list(found)


NAMES = hostile()
CALLED = NAMES if os.environ.get("RUNNER_FULL") else NAMES[::125]


def test_names_of_layers() -> None:
    root = Path("/run/layers")
    passed = 0
    for name in NAMES:
        try:
            [made] = plan({name: {"_target_": "runner.layers.ReLU"}}, 2)
        except ConfigError:
            continue
        passed += 1
        path = root / f"00-{made.name}.parquet"
        assert path.parent == root
        assert Path(os.path.normpath(path)) == path
        assert len(path.name.encode()) < 255
        assert path.name.isprintable()
    assert 0 < passed < len(NAMES) / 2


def test_names_of_jobs() -> None:
    sweep = "/outputs/multirun/sweep"
    passed = 0
    for name in NAMES:
        try:
            check_job_directory(sweep, name)
        except ConfigError:
            continue
        passed += 1
        assert is_below(Path(sweep, name), Path(sweep))
        assert not os.path.relpath(os.path.join(sweep, name), sweep).startswith(".")
    assert passed


def _quoted(name: str) -> str:
    return "'" + name.replace("\\", "\\\\").replace("'", "\\'") + "'"


@pytest.mark.parametrize(
    "words",
    [
        ("+layers={{{}: {{_target_: runner.layers.ReLU}}}}",),
        ("name={}",),
        ("hydra.job.name={}",),
        ("hydra.output_subdir={}",),
        ("hydra.job_logging.handlers.file.filename={}",),
        ("-m", "seeds.seed=0", "hydra.sweep.subdir={}", "hydra.launcher.n_jobs=1"),
        ("-m", "hydra.sweep.subdir={}", "hydra/sweeper=basic", "hydra/launcher=basic"),
    ],
    ids=lambda words: words[-1] if words[0] != "-m" else f"subdir, {words[-1]}",
)
def test_nothing_is_written_outside(tmp_path: Path, warm: Warm, words: tuple[str, ...]) -> None:
    """The program stands deep in a folder, of which nothing but ``outputs`` may change."""
    home = tmp_path / "a" / "b" / "c"
    home.mkdir(parents=True)
    for name in CALLED:
        if "\x00" in name:
            continue  # no system hands that to a program
        arguments = [word.format(_quoted(name)) for word in words]
        done = warm(["data=book_sample", "layers=one_dense", *arguments], home)
        assert done.code in (0, 1, 2), (name, done.stderr)
        assert "Traceback" not in done.stderr, (name, done.stderr)
        assert "\x1b" not in done.stderr + done.stdout
        assert [p.name for p in tmp_path.iterdir()] == ["a"], name
        assert [p.name for p in (tmp_path / "a").iterdir()] == ["b"], name
        assert {p.name for p in home.iterdir()} <= {"outputs"}, name


def test_the_names_are_a_thousand() -> None:
    assert len(set(NAMES)) == 1000
    with pytest.raises(RunnerError):
        plan({"../x": {"_target_": "runner.layers.ReLU"}}, 2)
