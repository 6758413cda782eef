"""What may be instantiated: the classes of this package, and modules that the user has named."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf

import runner.data
import runner.layers
from runner.app.lookups import followed
from runner.errors import ConfigError, UntrustedError
from runner.forward.network import OURS
from runner.forward.targets import check_target
from runner.schema import BY_TARGET
from tests.conftest import ROOT, Program
from tests.warm import Warm

# Each leaves a file behind when it is so much as imported.
SIDE_EFFECT = "from pathlib import Path\nPath({mark!r}).write_text('imported')\n"

STRANGERS = [
    "os.system", "os.getpid", "posix.system", "subprocess.run", "subprocess.Popen",
    "builtins.eval", "builtins.exec", "builtins.__import__", "builtins.open", "pickle.loads",
    "pickle.load", "marshal.loads", "shutil.rmtree", "pathlib.Path.unlink",
    "importlib.import_module",
    "runpy.run_path", "code.interact", "webbrowser.open", "urllib.request.urlopen",
    "socket.create_connection", "http.client.HTTPConnection", "ctypes.CDLL", "numpy.load",
    "numpy.fromfile", "numpy.f2py.compile", "pandas.read_pickle", "pandas.eval", "joblib.load",
    "distutils.spawn.spawn", "multiprocessing.Process", "asyncio.run", "types.FunctionType",
    "hydra.utils.instantiate", "hydra.utils.get_method", "hydra._internal.utils._locate",
    "omegaconf.OmegaConf.load", "yaml.unsafe_load", "logging.config.listen", "pydoc.locate",
    "sys.exit", "antigravity.fly", "evil.X", "evil", "evil.deeper.X", "evil.X.method",
]  # fmt: skip
OURS_BUT_NO_LAYER = [
    "runner.run", "runner.load", "runner.runs", "runner.compare", "runner.__main__.main",
    "runner.layers.Layer", "runner.layers.dense.Dense", "runner.layers.dense.np.load",
    "runner.layers.__init__.Dense", "runner.data.make", "runner.data.plan",
    "runner.data.nnfs_rules",
    "runner.data.table.table", "runner.data.columns.open_npz", "runner.store.claim.remains.remove",
    "runner.store.claim.shutil.rmtree", "runner.app.cache.os.system", "runner.cli.main",
    "runner.errors.RunnerError", "runner.sweep.pool.Pool",
]  # fmt: skip


_NO_DATASETS = (
    "Dataset",
    "Rows",
    "Shape",
    "Source",
    "lent_stream",
    "make",
    "nnfs_rules",
    "plan",
    "source",
)


def test_the_list_is_exactly_the_public_layers_and_datasets() -> None:
    layers = {f"runner.layers.{name}" for name in runner.layers.__all__} - {"runner.layers.Layer"}
    data = {f"runner.data.{name}" for name in runner.data.__all__}
    data -= {f"runner.data.{name}" for name in _NO_DATASETS}
    assert set(OURS) == layers
    assert {target for target in BY_TARGET if ".data." in target} == data


@pytest.mark.parametrize(
    "target", [*STRANGERS, *OURS_BUT_NO_LAYER, "__main__.X", "é.X", "a..b", ""]
)
@pytest.mark.parametrize("trust", [[], ["mine", "o", "runner", "evi"]])
def test_every_other_target_is_refused(target: str, trust: list[str]) -> None:
    with pytest.raises((ConfigError, UntrustedError)):
        check_target("layers.x", target, OURS, trust)


@pytest.fixture
def evil(program: Program) -> Program:
    """A folder with a module whose import is seen."""
    mark = str(program.folder / "imported")
    (program.folder / "evil").mkdir()
    (program.folder / "evil" / "__init__.py").write_text(SIDE_EFFECT.format(mark=mark))
    (program.folder / "evil" / "config.yaml").write_text("defaults: [schema]\n")
    (program.folder / "search").mkdir()
    (program.folder / "search" / "main.yaml").write_text(
        "defaults: [schema, {data: spiral}]\nhydra: {searchpath: ['pkg://evil']}\n"
    )
    (program.folder / "search" / "registers.yaml").write_text(
        "defaults: [schema, {data: spiral}]\nhydra: {searchpath: ['structured://evil']}\n"
    )
    overlays = program.folder / "mine" / "experiment"
    overlays.mkdir(parents=True)
    for name, node in {
        "callback": "callbacks: {a: {_target_: evil.X}}",
        "handler": "job_logging: {handlers: {a: {class: evil.X}}}",
    }.items():
        (overlays / f"{name}.yaml").write_text(f"# @package _global_\nhydra: {{{node}}}\n")
    return program


EVIL = "{_target_: evil.X}"


@pytest.mark.parametrize(
    "arguments",
    [
        (f"+layers.x={EVIL}",),
        ("layers.dense1._target_=evil.X",),
        ("data._target_=evil.X",),
        (f"layers.dense1.weights={EVIL}",),
        ("+layers.x={_target_: runner.layers.ReLU, a: [{b: {_target_: evil.X}}]}",),
        ("+layers.x={_target_: mine.X, _recursive_: true, a: {_target_: evil.X}}", "trust=[mine]"),
        ("+layers.x={_target_: mine.X, a: {_target_: evil.X}}", "trust=[mine]"),
        ("+layers.x={_target_: mine.X, _args_: [{_target_: evil.X}]}", "trust=[mine]"),
        (f"+hydra.callbacks.a={EVIL}",),
        (f"+hydra.callbacks.a={{_target_: hydra.experimental.callbacks.X, b: {EVIL}}}",),
        ("+hydra.job_logging.handlers.a={class: evil.X}",),
        ("+hydra.job_logging.handlers.a={(): evil.X}",),
        ("+hydra.job_logging.formatters.a={class: evil.X}",),
        ("hydra.job_logging.handlers.console.stream=ext://evil.X",),
        ("-m", "seeds.seed=0,1", "hydra.launcher._target_=evil.X"),
        ("-m", "seeds.seed=0,1", "hydra.sweeper._target_=evil.X"),
        ("-m", "seeds.seed=0,1", f"+hydra.launcher.a={EVIL}"),
        ("-m", "seeds.seed=0,1", f"+hydra.callbacks.a={EVIL}"),
        ("-m", "seeds.seed=0,1", f"+layers.x={EVIL}"),
        ("-m", "seeds.seed=0,1", "+hydra.hydra_logging.handlers.a={class: evil.X}"),
        ("-cp", "search", "-cn", "main"),
        (f"+x={EVIL}", "+hydra.callbacks.a=${x}"),
        ("+x={class: evil.X}", "+hydra.job_logging.handlers.a=${x}"),
        ("+x={a: {class: evil.X}}", "hydra.job_logging.handlers=${x}"),
        ("name='ext://evil.X'", "hydra.job_logging.handlers.console.stream=${name}"),
        ("-m", "seeds.seed=0,1", f"+x={EVIL}", "+hydra.launcher.a=${x}"),
        ("-m", "seeds.seed=0,1", "+x=evil.X", "hydra.sweeper._target_=${x}"),
        ("-m", "seeds.seed=0,1", "+hydra.sweeper.custom_search_space=evil.f"),
        ("--hydra-help", "+hydra.hydra_logging.handlers.a={class: evil.X}"),
        ("--cfg", "all", f"+hydra.callbacks.a={EVIL}"),
        ("--info", "all", "+hydra.hydra_logging.handlers.a={class: evil.X}"),
        ("-cd", "mine", "-m", "experiment=callback,handler",
         "hydra/sweeper=basic", "hydra/launcher=basic"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_nothing_is_imported_before_it_is_refused(
    evil: Program, warm: Warm, arguments: tuple[str, ...]
) -> None:
    (evil.folder / "mine.py").write_text("class X:\n    def __init__(self, a=0):\n        pass\n")
    done = warm(arguments, evil.folder)
    assert done.code == 2, done.stderr
    [line] = done.stderr.splitlines()
    assert any(word in line for word in ("evil", "_args_", "_recursive_", "_target_")), line
    assert not (evil.folder / "imported").exists()
    assert [path for path in evil.outputs if path.is_file()] == []


@pytest.fixture
def stranger(evil: Program, warm: Warm) -> Path:
    """A run that came from somebody else, and says that it trusts itself."""
    directory = Path(warm(["data=book_sample", "layers=one_dense"], evil.folder).stdout.strip())
    config = (directory / ".hydra" / "config.yaml").read_text()
    config = config.replace("trust: []", "trust: [evil, os]")
    config += "hydra: {callbacks: {a: {_target_: evil.X}}, run: {dir: elsewhere}}\n"
    config = config.replace("layers:\n", "layers:\n  x:\n    _target_: evil.X\n")
    (directory / ".hydra" / "config.yaml").write_text(config)
    return directory


@pytest.mark.parametrize("way", ["-cp", "-cd", "copied"])
def test_what_came_with_a_run_trusts_nobody(
    evil: Program, warm: Warm, stranger: Path, way: str
) -> None:
    folder = stranger / ".hydra"
    if way == "copied":
        folder = shutil.copytree(folder, evil.folder / "copied")
    arguments = ["-cp", str(folder)]
    if way == "-cd":
        (folder / "config.yaml").rename(folder / "theirs.yaml")
        arguments = ["-cd", str(folder), "-cn", "theirs"]
    done = warm(arguments, evil.folder)
    assert done.code == 2, (done.stdout, done.stderr)
    [line] = done.stderr.splitlines()
    assert "layers.x._target_=evil.X" in line
    assert "trust=[evil]" in line
    assert not (evil.folder / "imported").exists()
    assert not (evil.folder / "elsewhere").exists()


@pytest.mark.parametrize(
    "target",
    [
        "hydra.experimental.callbacks.pickle.load",
        "hydra_plugins.runner_sweeper.ConfigStore.instance",
        "hydra._internal.core_plugins.basic_launcher.Path.cwd",
    ],
)
def test_what_is_hydras_lends_its_trust_to_no_other(
    program: Program, warm: Warm, target: str
) -> None:
    done = warm([f"+hydra.callbacks.a={{_target_: {target}}}"], program.folder)
    assert done.code == 2, done.stderr
    assert "would be imported" in done.stderr


def test_a_package_of_configuration_is_trusted_or_refused(evil: Program, warm: Warm) -> None:
    for arguments in (
        ["hydra.searchpath=[pkg://evil]"],
        ["-m", "hydra.searchpath=[pkg://evil]", "seeds.seed=0,1"],
        ["-cp", "pkg://evil"],
        ["--cfg", "job", "hydra.searchpath=[pkg://evil]"],
        ["hydra.searchpath=[pkg://evil]", "trust=[evi]"],
        ["hydra.searchpath=[pkg\\://evil]"],  # as Hydra reads it, not as it is typed
        ["hydra.searchpath=[structured://evil]"],
        ["-m", "hydra.searchpath=[structured://evil]", "seeds.seed=0,1"],
        ["-cp", "structured://evil"],
        ["--info", "searchpath", "hydra.searchpath=[structured://evil]"],
    ):
        done = warm(arguments, evil.folder)
        assert done.code == 2, done.stderr
        assert done.stderr.endswith(
            "://evil: would be imported; if you mean it, add trust=[evil]\n"
        )
        assert not (evil.folder / "imported").exists()
    done = warm(["-cp", "search", "-cn", "registers"], evil.folder)
    assert done.code == 2, done.stderr
    assert "would be imported because a file says so" in done.stderr
    assert not (evil.folder / "imported").exists()
    done = warm(["hydra.searchpath=[pkg://evil]", "trust=[evil]"], evil.folder)
    assert done.code == 0, done.stderr
    assert (evil.folder / "imported").exists()


def test_a_trusted_package_of_configuration_serves_a_sweep(evil: Program, warm: Warm) -> None:
    said = ["hydra.searchpath=[pkg://evil]", "trust=[evil]", "data=book_sample"]
    done = warm(["-m", *said, "seeds.seed=0,1", "hydra.launcher.n_jobs=1"], evil.folder)
    assert done.code == 0, done.stderr


def test_a_place_that_is_not_there_is_refused_not_warned_of(program: Program) -> None:
    done = program.start("hydra.searchpath=[file:///no/such]", strict=False)
    assert done.returncode == 2
    assert done.stderr == (
        "runner: hydra.searchpath=file:///no/such: no such folder or package: name one\n"
    )


def test_a_plugin_in_the_current_folder_is_imported_only_by_who_trusts(evil: Program) -> None:
    """The console script has not the folder on its path, as ``python -m`` has."""
    script = Path(sys.executable).with_name("runner")
    if not script.exists():
        pytest.skip("the package is not installed here, only its tree")
    shutil.copytree(evil.folder / "evil", evil.folder / "hydra_plugins" / "evil")
    done = subprocess.run([script], cwd=evil.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not (evil.folder / "imported").exists()


def test_a_sweep_is_taken_up_only_by_who_trusts_it(program: Program) -> None:
    (program.folder / "mine.py").write_text(
        "class X:\n    def forward(self, inputs):\n        return inputs\n"
    )
    said = ["data=book_sample", "+layers.x={_target_: mine.X}", "trust=[mine]", "seeds.seed=0,1"]
    sweep = program.run("-m", *said, "hydra.launcher.n_jobs=1")
    shutil.rmtree(sweep / "1")
    again = ("-m", f"hydra.sweeper.resume={sweep}")
    done = program.start(*again)
    assert done.returncode == 2, done.stderr
    assert "trust=[mine]: was said when the sweep was begun" in done.stderr
    assert program.start(*again, "trust=[mine]").returncode == 0
    assert (sweep / "1" / "run.parquet").exists()


@pytest.mark.parametrize("target", ["reach.os.getpid", "reach.getpid", "reach.inner.sep.join"])
def test_a_trusted_module_lends_its_trust_to_no_other(
    program: Program, warm: Warm, target: str
) -> None:
    (program.folder / "reach.py").write_text(
        "import os\nimport os.path as inner\nfrom os import getpid\n"
    )
    done = warm([f"+layers.x={{_target_: {target}}}", "trust=[reach]"], program.folder)
    assert done.code == 2, done.stderr
    [line] = done.stderr.splitlines()
    assert "is of the module" in line
    assert program.outputs == []


@pytest.mark.parametrize(
    ("target", "trust", "word"),
    [
        ("pack.sub.mod.X", "pack.sub.mod", ""),
        ("pack.sub.mod.X.Inner", "pack.sub.mod", ""),
        ("pack.sub.X", "pack.sub", ""),
        ("pack.sub.mod.Other", "pack.sub.mod", "add trust=[pack.sub.other]"),
        ("pack.sub.mod.Other", "pack.sub.mod,pack.sub.other", ""),
        ("pack.sub.X", "pack.sub.mod", "add trust=[pack.sub]"),
        ("pack.sub.default_rng", "pack", "is of the module numpy.random"),
        ("pack.sub.bound", "pack", "is of the module math"),
    ],
)
def test_trust_goes_as_deep_as_it_was_said(
    program: Program, warm: Warm, target: str, trust: str, word: str
) -> None:
    other = "class {}:\n    def forward(self, inputs):\n        return inputs\n"
    for name, text in {
        "__init__": "",
        "sub/__init__": "from functools import partial\nfrom math import hypot\n"
        "from numpy.random import default_rng\nfrom .mod import X\nbound = partial(hypot)\n",
        "sub/mod": "from .other import Other\n" + other.format("X") + "    class Inner(Other):\n"
        "        pass\n",
        "sub/other": other.format("Other"),
    }.items():
        path = program.folder / "pack" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    done = warm([f"+layers.x={{_target_: {target}}}", f"trust=[{trust}]"], program.folder)
    assert done.code == (2 if word else 0), done.stderr
    assert word in done.stderr


def test_the_policy_is_asked_before_anything_is_loaded(tmp_path: Path) -> None:
    """In a fresh process, none of the modules that the targets name is there afterwards."""
    code = (
        "import json, sys\n"
        "from runner.forward.targets import check_target\n"
        "from runner.forward.network import OURS\n"
        "before = set(sys.modules)\n"
        f"for target in {STRANGERS!r}:\n"
        "    try:\n"
        "        check_target('layers.x', target, OURS, [])\n"
        "    except Exception:\n"
        "        continue\n"
        "    raise SystemExit(target)\n"
        "print(json.dumps(sorted(set(sys.modules) - before)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert not {name.partition(".")[0] for name in json.loads(done.stdout)} - {"difflib"}


LOGGING = """
version: 1
{more}
handlers:
  console: {{class: logging.FileHandler, delay: true, filename: a.log{last}}}
root: {{handlers: [console]}}
"""


@pytest.mark.parametrize(
    ("more", "last", "word"),
    [
        ("filters: {f: {(): logging.FileHandler, filename: /there.log}}", "", "filters.f.filename"),
        ("", ", '.': {baseFilename: there.log}", "baseFilename"),
        ("", ", stream: 'ext://sys.modules'", "sys.modules"),
    ],
)
def test_a_log_is_set_up_in_no_roundabout_way(
    program: Program, warm: Warm, more: str, last: str, word: str
) -> None:
    folder = program.folder / "mine" / "hydra" / "job_logging"
    folder.mkdir(parents=True)
    (folder / "odd.yaml").write_text(LOGGING.format(more=more, last=last))
    done = warm(["-cd", "mine", "hydra/job_logging=odd"], program.folder)
    assert done.code == 2, done.stderr
    [line] = done.stderr.splitlines()
    assert word in line
    assert program.outputs == []


# What of Hydra's own node is no mapping, or leads elsewhere.
ODD = {
    "hydra.run=${data}": "hydra.run=${data}",
    "hydra.launcher=null": "hydra.launcher=null",
    "hydra.callbacks=${data}": "hydra.callbacks=${data}",
    "hydra.verbose=${data}": "hydra.verbose",
    "hydra.job.chdir=${data}": "hydra.job.chdir",
    "hydra.job.env_set=${data}": "hydra.job.env_set",
    "hydra.job.env_copy=[NO_SUCH]": "hydra.job.env_copy=NO_SUCH",
    "hydra.job_logging=${data}": "hydra.job_logging=${data}",
    "hydra.job_logging.handlers=5": "hydra.job_logging=…",
    "hydra.job_logging.version=2": "version: 1",
    "~hydra.job_logging.root": "a root",
}


@pytest.mark.parametrize("override", ODD)
def test_a_node_of_hydras_that_is_none(program: Program, warm: Warm, override: str) -> None:
    done = warm([override], program.folder)
    assert done.code == 2, done.stderr
    [line] = done.stderr.splitlines()
    assert ODD[override] in line
    assert len(line) <= 200
    assert program.outputs == []


def test_a_chain_of_lookups_has_an_end() -> None:
    links = {f"x{n}": {"a": f"${{x{n + 1}}}"} for n in range(100)}
    cfg = OmegaConf.create({**links, "x100": 1})
    assert followed(cfg._get_node("x90"), "x90")["a"]["a"]["a"]["a"]["a"] == {
        "a": {"a": {"a": {"a": {"a": 1}}}}
    }
    with pytest.raises(ConfigError, match="levels deep"):
        followed(cfg._get_node("x0"), "x0")
