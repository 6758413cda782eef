"""Who may import whom, and what a fresh process loads."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import runner

ROOT = Path(runner.__file__).parent

FLOORS = (
    {"__main__", "sweep"},
    {"completion"},
    {"app", "cli"},
    {"arguments", "ending"},
    {"export"},
    {"job", "console"},
    {"report"},
    {"forward"},
    {"analysis", "layers"},
    {"store", "data", "provenance", "schema"},
    {"numerics", "limits"},
    {"errors", "lazy"},
)
"""From the roof down: a wing imports from lower floors only, not from its neighbours."""

FLOOR_OF = {wing: floor for floor, wings in enumerate(FLOORS) for wing in wings}

ALONE = {
    "hydra": ("app/", "sweep/"),
    "omegaconf": ("app/", "sweep/"),
    "nnfs": ("data/_nnfs.py",),
    "sklearn": ("data/toy.py",),
    "mlflow": ("export/mlflow_store.py",),
    "pyarrow": ("store/", "data/arrow.py"),
}
"""Library -> the only places that import it."""

NEVER_AT_THE_TOP = {
    "pandas",
    "sklearn",
    "matplotlib",
    "duckdb",
    "distributed",
    "mlflow",
    "optuna",
} | {*("jinja2", "vl_convert")}
"""Libraries that only those functions load that need them."""


class Import(NamedTuple):
    """One imported name: dotted, where, and how."""

    name: str
    line: int
    for_types: bool  # under `if TYPE_CHECKING:`, so that nothing is loaded
    in_function: bool


def imports(source: str, package: str) -> Iterator[Import]:
    """Every import of a module, also in functions and by ``import_module`` of a fixed name.

    What is taken from the package's head, ``runner.load``, counts as imported.
    """
    todo: list[tuple[ast.AST, bool, bool]] = [(ast.parse(source), False, False)]
    while todo:
        node, for_types, in_function = todo.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            todo += [(child, True, in_function) for child in node.body]
            todo += [(child, for_types, in_function) for child in node.orelse]
            continue
        for name in _names(node, package):
            yield Import(name, getattr(node, "lineno", 0), for_types, in_function)
        in_function |= isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        todo += [(child, for_types, in_function) for child in ast.iter_child_nodes(node)]


def _names(node: ast.AST, package: str) -> list[str]:
    if isinstance(node, ast.Import):
        # By another name, what is taken from the package's head could not be followed.
        renamed = [f"{alias.name}.{alias.asname}" for alias in node.names if alias.asname]
        return [alias.name for alias in node.names] + [r for r in renamed if r[:7] == "runner."]
    if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "runner":
        return [f"runner.{node.attr}"]
    if isinstance(node, ast.ImportFrom):
        base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
        stem = ".".join([*base, *([node.module] if node.module else [])])
        return [f"{stem}.{alias.name}" for alias in node.names]
    if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
        return [arg.value for arg in node.args[:1] if _is_text(arg)]  # type: ignore[attr-defined]
    return []


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


WHOLLY = {"pandas": "store/index/frame.py"}
"""Library -> a module that is about it, and is itself imported in functions alone."""


def wing(path: Path) -> str:
    """The wing that a module's path, relative to the package, lies in."""
    return path.parts[0].removesuffix(".py")


def complaints(path: Path, source: str) -> list[str]:
    """What the module imports against the rules, as lines that say where."""
    found = []
    package = ".".join(("runner", *path.parent.parts))
    here = FLOOR_OF.get(wing(path))
    for item in imports(source, package):
        where = f"runner/{path}:{item.line}: {wing(path)} imports {item.name}"
        head, *rest = item.name.split(".")
        if head == "runner" and rest and rest[0] not in ("__version__", "__file__", wing(path)):
            there = FLOOR_OF.get(rest[0])
            if there is None:
                found.append(f"{where}, which is no wing: take it from where it lives")
            elif here is None or there <= here:
                found.append(f"{where}, which is not on a lower floor")
        if item.for_types:
            continue
        if head in ALONE and not str(path).startswith(ALONE[head]):
            found.append(f"{where}, which only {' and '.join(ALONE[head])} may")
        at_the_top = not item.in_function and WHOLLY.get(head) != str(path)
        if head in NEVER_AT_THE_TOP and at_the_top:
            found.append(f"{where} at its top: import it where it is used")
    return found


def modules() -> list[Path]:
    """The package's modules but its head, which hands out names of every floor when asked."""
    paths = [path.relative_to(ROOT) for path in sorted(ROOT.rglob("*.py"))]
    return [path for path in paths if path != Path("__init__.py") and "plugin" not in path.parts]


def test_every_wing_has_a_floor() -> None:
    assert {wing(path) for path in modules()} <= set(FLOOR_OF)


def test_imports_lead_down() -> None:
    found = [line for path in modules() for line in complaints(path, (ROOT / path).read_text())]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("store/write.py", "from runner.layers import Dense"),
        ("store/write.py", "import runner.layers.dense"),
        ("store/write.py", "from runner import layers"),
        ("store/write.py", "from ..layers import Dense"),
        ("store/write.py", "from .. import layers"),
        ("store/write.py", "def f():\n    from runner.forward import run"),
        ("store/write.py", "if TYPE_CHECKING:\n    from runner.layers import Dense"),
        ("store/write.py", "from runner.data import spiral"),
        ("store/write.py", "from runner import load"),
        ("store/write.py", "import runner\ndef f():\n    runner.plot()"),
        ("store/write.py", "import runner.errors\nrunner.layers.Dense"),
        ("store/write.py", "def f():\n    import runner as r"),
        ("store/write.py", "importlib.import_module('runner.layers')"),
        ("analysis/compare.py", "from runner.layers import Dense"),
        ("errors.py", "from runner.numerics import TILE"),
        ("layers/dense.py", "import nnfs"),
        ("data/generated.py", "import nnfs.datasets"),
        ("job/plan.py", "from omegaconf import OmegaConf"),
        ("cli.py", "def f():\n    import hydra"),
        ("forward/run.py", "import pyarrow.parquet as pq"),
        ("store/read.py", "import pandas as pd"),
        ("store/read.py", "try:\n    import pandas\nexcept ImportError:\n    pass"),
        ("elsewhere/new.py", "from runner.errors import RunnerError"),
    ],
)
def test_forbidden_imports_are_found(path: str, source: str) -> None:
    assert len(complaints(Path(path), source)) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("store/write.py", "from runner.store.layout import run_digest"),
        ("store/write.py", "from .layout import run_digest"),
        (
            "store/write.py",
            "import runner\nfrom runner.errors import WriteError\nrunner.__version__",
        ),
        ("store/read.py", "def frame():\n    import pandas as pd"),
        ("store/read.py", "if TYPE_CHECKING:\n    import pandas as pd"),
        ("app/main.py", "from runner import __version__\nimport hydra"),
        ("data/_nnfs.py", "import nnfs"),
    ],
)
def test_allowed_imports_pass(path: str, source: str) -> None:
    assert complaints(Path(path), source) == []


HEAVY = {
    *("jinja2", "vl_convert"),
    *("dask", "distributed", "duckdb", "hypothesis", "IPython", "matplotlib", "mlflow"),
    *("optuna", "pandas", "polars", "pytest", "scipy", "sklearn"),
}
"""What neither a run nor a verb that reads has a use for."""


def loaded_after(code: str, folder: Path) -> set[str]:
    """The top-level modules that a fresh Python in ``folder`` has loaded once the code has run."""
    report = "import sys; print('LOADED', *{name.partition('.')[0] for name in sys.modules})"
    # The package is found however the tests find it, and the folder is not on the path.
    done = subprocess.run(
        [sys.executable, "-P", "-c", f"{code}\n{report}"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.partition("LOADED ")[2].split())


def call(*arguments: str) -> str:
    """Code that does what the program does with these arguments."""
    return (
        f"from runner.__main__ import main; code = main({list(arguments)}); assert not code, code"
    )


def test_import_runner_loads_no_numpy(tmp_path: Path) -> None:
    loaded = loaded_after("import runner; dir(runner)", tmp_path)
    assert loaded.isdisjoint({"numpy", "pyarrow", "hydra", "omegaconf", "rich", "yaml", *HEAVY})


def test_layers_and_data_are_there_once_they_are_used(tmp_path: Path) -> None:
    code = "import runner; runner.data.spiral(2); runner.layers.Dense(2, 3); dir(runner)"
    assert loaded_after(code, tmp_path).isdisjoint({"pyarrow", "hydra", *HEAVY})


@pytest.mark.parametrize("flag", ["--version", "--help"])
def test_flags_of_ours_load_nothing(tmp_path: Path, flag: str) -> None:
    loaded = loaded_after(call(flag), tmp_path)
    assert loaded.isdisjoint({"numpy", "pyarrow", "hydra", "omegaconf", *HEAVY})


@pytest.mark.parametrize("line", ["runner ", "runner layers=", "runner data.", "runner ls --"])
def test_completion_loads_next_to_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    monkeypatch.setenv("COMP_LINE", line)
    loaded = loaded_after(call("-sc", "query=bash"), tmp_path)
    assert loaded.isdisjoint({"numpy", "pyarrow", "hydra", "omegaconf", "rich", *HEAVY})


@pytest.mark.parametrize(
    ("what", "writes"),
    [
        (("data.samples=5",), set()),
        (("data.samples=9000",), set()),
        (("data.samples=5", "save.codec=zstd"), {"pyarrow"}),
    ],
)
def test_run_loads_no_pandas(tmp_path: Path, what: tuple[str, ...], writes: set[str]) -> None:
    loaded = loaded_after(call(*what), tmp_path)
    assert {"numpy", *writes} <= loaded
    assert loaded.isdisjoint({"pyarrow", *HEAVY} - writes)


def test_verb_loads_no_hydra(tmp_path: Path) -> None:
    loaded_after(call("data.samples=5"), tmp_path)
    reading = "ls|ls --json|show latest|show latest --theory|verify outputs"
    comparing = "compare latest latest|compare latest --similarity|compare latest --by seeds.seed"
    for verb in map(str.split, f"{reading}|{comparing}".split("|")):
        loaded = loaded_after(call(*verb), tmp_path)
        assert loaded.isdisjoint({"hydra", "omegaconf", *HEAVY}), verb
