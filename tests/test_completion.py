"""TAB in real shells, and what is offered there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pexpect
import pytest
from omegaconf import OmegaConf

from runner.app.compose import argument_parser, compose, hydra_session
from runner.cli import VERBS
from runner.completion.answer import answer
from runner.completion.overrides import OPTIONS
from runner.completion.tree import Folders, tree
from tests.conftest import ROOT, Program

CONF = ROOT / "conf"
SHELLS = {"bash": ["--norc", "--noprofile"], "zsh": ["-f"], "fish": ["--no-config"]}
TURN_ON = {
    "bash": 'eval "$(runner -sc install=bash)"',
    "zsh": 'eval "$(runner -sc install=zsh)"',
    "fish": "runner -sc install=fish | source",
}


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run that has a name, and a program called ``runner``.

    It completes as ours does, by ours; started with anything else it notes down the words it got.
    """
    folder = tmp_path_factory.mktemp("stored")
    Program(folder).run("data.samples=5", "name=try-one")
    script = folder / "bin" / "runner"
    script.parent.mkdir()
    script.write_text(
        "#!/bin/sh\n"
        f'case "$1" in -sc) exec "{sys.executable}" -m runner "$@" ;; esac\n'
        f'printf "%s\\n" "$@" > "{folder}/told"\n'
    )
    script.chmod(0o755)
    return folder


@pytest.fixture
def inside(stored: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(stored)
    return stored


def environment(folder: Path) -> dict[str, str]:
    path = f"{folder / 'bin'}:{os.environ['PATH']}"
    return {**os.environ, "PYTHONPATH": str(ROOT), "PATH": path}


class Shell:
    """A shell on a terminal of its own."""

    def __init__(self, name: str, folder: Path) -> None:
        env = {**environment(folder), "HOME": str(folder), "TERM": "dumb", "PS1": "$ "}
        env.pop("PROMPT_COMMAND", None)
        self._child: Any = pexpect.spawn(
            name,
            [*SHELLS[name], "-i"],
            cwd=str(folder),
            env=env,
            encoding="utf-8",
            dimensions=(50, 160),
            timeout=30,
        )
        self.tilde = "\\~" if name == "zsh" else "~"
        self.do(TURN_ON[name])

    def do(self, line: str) -> None:
        """Types a line, its TABs included, and waits until it is done."""
        self._child.send(f"{line}\r")
        self._child.sendline("echo DO''NE")
        self._child.expect_exact("DONE")

    def close(self) -> None:
        self._child.close(force=True)


@pytest.fixture(scope="module", params=SHELLS)
def shell(request: pytest.FixtureRequest, stored: Path) -> Iterator[Shell]:
    if shutil.which(request.param) is None:
        pytest.skip(f"there is no {request.param} here")
    opened = Shell(request.param, stored)
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("layers=tw\t", ["layers=two_dense"]),
        ("-m data.sa\t1,2", ["-m", "data.samples=1,2"]),
        ("show tr\t", ["show", "try-one"]),
        ("~layers.dense2.n_n\t", ["~layers.dense2.n_neurons"]),
        ("verify out\tlat\t", ["verify", "outputs/latest/"]),
    ],
)
def test_a_shell_completes(shell: Shell, stored: Path, typed: str, words: list[str]) -> None:
    # zsh takes a ~ for somebody's home, whoever completes.
    shell.do(f"runner {typed.replace('~', shell.tilde)}")
    assert (stored / "told").read_text().split() == words


def offered(line: str) -> list[str]:
    return [candidate.word for candidate in answer(line)]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("runner layers=", [path.stem for path in sorted((CONF / "layers").glob("*.yaml"))]),
        ("runner experiment=b", ["book_chapter_3", "book_chapter_4"]),
        ("runner -m layers=mlp,one_dense,t", ["mlp,one_dense,two_dense"]),
        ("runner data.", ["data.samples=", "data.classes="]),
        ("runner data=normal data.", ["data.samples=", "data.features="]),
        ("runner data=normal,spiral data.", ["data.samples=", "data.features=", "data.classes="]),
        ("runner seeds=independent seeds.", ["seeds.data=", "seeds.layers="]),
        ("runner experiment=deep_tanh layers.", ["layers.mlp."]),
        ("runner layers=one_dense experiment=deep_tanh layers.", ["layers.dense1.", "layers.mlp."]),
        ("runner layers=mlp layers.mlp.activation=l", ["leaky_relu", "linear"]),
        ("runner layers.dense1.weight_init=h", ["he"]),
        ("runner save.codec=z", ["zstd"]),
        ("runner data.samples=", ["100"]),
        ("runner ++data.cl", ["++data.classes="]),
        ("runner ~experi", ["~experiment"]),
        ("runner hydra/sw", ["hydra/sweeper="]),
        ("runner hydra.sweeper.skip_existing=", ["true", "false"]),
        ("runner hydra/launcher=dask hydra.launcher.b", ["hydra.launcher.batch_size="]),
        ("runner --cfg ", ["job", "hydra", "all"]),
        ("runner --inf", ["--info"]),
        ("runner sho", ["show"]),
        ("runner show l", ["latest"]),
        ("runner show t", ["try-one"]),
        ("runner compare try-one la", ["latest"]),
        ("runner compare latest try-one ", []),
        ("runner compare latest --similarity debi", ["debiased"]),
        ("runner ls --sort -seeds.", ["-seeds.seed"]),
        ("runner ls --columns name,seeds.", ["name,seeds.seed"]),
        ("runner reproduce --tr", ["--trust"]),
        ("runner ls out", ["outputs/"]),
        ("A=b command runner sho", ["show"]),
        ("runner 'layers=t", []),
        ("runner nosuchverb ", None),
        ("runner data=nosuch data.x", []),
        ("", []),
    ],
)  # fmt: skip
def test_what_is_offered(inside: Path, line: str, words: list[str] | None) -> None:
    found = offered(line)
    if words is None:
        return
    start = line.split(" ")[-1]
    head = start[: start.index("=") + 1] if "=" in start and "'" not in line else ""
    assert found == [f"{head}{word}" for word in words]


def test_the_first_word(inside: Path) -> None:
    found = offered("runner ")
    assert found[: len(VERBS)] == list(VERBS)
    assert {"layers=", "data.", "batch_size=", "hydra.", "hydra/"} <= set(found)
    assert not set(VERBS) & set(offered("runner -m "))


def test_every_option_of_every_verb_is_offered(inside: Path) -> None:
    for verb in VERBS:
        words = offered(f"runner {verb} --")
        shown = Program(inside).start(verb, "--help").stdout
        assert words
        assert all(word in shown for word in words), verb


def leaves(node: Any, key: str = "") -> Iterator[str]:
    if isinstance(node, dict) and node:
        for name, value in node.items():
            yield from leaves(value, f"{key}.{name}" if key else str(name))
    else:
        yield key


def choices() -> Iterator[list[str]]:
    """Every option of every group at least once, and overlays that choose some of them."""
    groups = ("data", "layers", "seeds", "numerics", "save")
    options = {
        group: sorted(path.stem for path in (CONF / group).glob("*.yaml")) for group in groups
    }
    for i in range(max(map(len, options.values()))):
        yield [f"{group}={names[i % len(names)]}" for group, names in options.items()]
    yield from ([f"experiment={path.stem}"] for path in (CONF / "experiment").glob("*.yaml"))
    yield ["experiment=deep_tanh", "layers=one_dense"]
    yield []


def test_the_keys_are_those_that_hydra_composes() -> None:
    folders = Folders([CONF])
    with hydra_session() as hydra:
        for words in choices():
            cfg = compose(hydra, None, words, multirun=False)
            composed: Any = OmegaConf.to_container(cfg, resolve=False)
            del composed["hydra"]
            chosen = [(group, [option]) for group, _, option in (w.partition("=") for w in words)]
            found = tree(folders, chosen)
            found.pop("hydra")
            assert sorted(leaves(found)) == sorted(leaves(composed)), words


def test_the_options_are_hydras() -> None:
    known = {name for action in argument_parser()._actions for name in action.option_strings}
    missing = {name for name in known - set(OPTIONS) if name.startswith("--")}
    assert missing == {"--experimental-rerun"}  # which is refused
    assert set(OPTIONS) <= known


def test_a_folder_of_ones_own(
    inside: Path, write: Callable[[str, str], Path], tmp_path: Path
) -> None:
    write("mine/data/mine.yaml", "# What I measured.\ndefaults:\n  - table\npath: x.csv\nrows: 3\n")
    write("mine/layers/odd.yaml", "odd: {_target_: my.Layer, strength: 1}\n")
    write("mine/layers/broken.yaml", "a: [")
    line = f"runner -cd {tmp_path / 'mine'}"
    assert offered(f"{line} data=m") == ["data=mine"]
    assert answer(f"{line} data=m")[0].about == "What I measured."
    assert offered(f"{line} data=mine data.") == [
        *("data.path=", "data.features=", "data.target=", "data.rows="),
    ]
    assert offered(f"{line} layers=odd layers.odd.s") == ["layers.odd.strength="]
    assert offered(f"{line} layers=broken layers.") == []
    assert offered(line.removesuffix("ne")) == [f"{tmp_path / 'mine'}/"]


def test_what_a_shell_would_act_on_is_escaped(program: Program) -> None:
    program.run("data.samples=5", 'name="z b;$(touch x)"')
    line = {"COMP_LINE": "runner show z", "COMP_POINT": "13"}
    shown = program.start("-sc", "query=bash", env=line).stdout
    assert shown == "z\\ b\\;\\$\\(touch\\ x\\) \n"


def test_a_query_never_complains(program: Program) -> None:
    damaged = program.folder / "outputs" / "x"
    damaged.mkdir(parents=True)
    (damaged / "run.parquet").write_bytes(b"no")
    for line in ("runner show ", "runner ls --sort ", "runner -cd /nowhere data=", "runner \\"):
        done = program.start("-sc", "query=bash", env={"COMP_LINE": line})
        assert (done.returncode, done.stderr) == (0, ""), line


@pytest.mark.parametrize("words", ["", "install=tcsh", "bash", "install=bash query=zsh"])
def test_refused(program: Program, words: str) -> None:
    done = program.start("-sc", *words.split())
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)


@pytest.mark.parametrize("name", SHELLS)
def test_it_is_turned_off_again(stored: Path, name: str) -> None:
    if shutil.which(name) is None:
        pytest.skip(f"there is no {name} here")
    off = TURN_ON[name].replace("install", "uninstall")
    done = subprocess.run(
        [name, *SHELLS[name], "-c", f"{TURN_ON[name]}\n{off}\n"],
        env=environment(stored),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
