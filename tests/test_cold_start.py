"""What a run that was composed before loads: nothing that it does not use."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

LIBRARIES = {"nnfs", "numpy", "runner", "threadpoolctl"}
"""All that a small run is made of; a large one has pyarrow besides."""

# Loaded where they happen to be installed: by Python itself, and by pyarrow (cloudpickle).
_OF_THE_MACHINE = (
    *("_cython", "cython_runtime", "_distutils_hack", "cloudpickle", "coverage"),
    *("sitecustomize", "usercustomize"),
)

NOT_USED = {
    *("argparse", "asyncio", "cProfile", "concurrent.futures", "difflib", "email", "html", "http"),
    *("importlib.metadata", "importlib.resources", "logging.config", "logging.handlers"),
    *("multiprocessing", "numpy.ma", "numpy.testing", "pyarrow.compute", "pyarrow.csv"),
    *("pyarrow.dataset", "pyarrow.fs", "pyarrow.parquet", "sqlite3", "subprocess", "tempfile"),
    *("unittest", "xml", "runner.app.compose", "runner.cli", "runner.sweep"),
}
"""Modules that take a millisecond or more, and were once on the way of a run or nearly so."""

_CODE = """
import sys
from runner.__main__ import main
assert main(sys.argv[1:]) == 0
print("LOADED", *sys.modules)
"""


def loaded_by(folder: Path, cache: Path, *arguments: str) -> set[str]:
    """All modules that a fresh Python has loaded after a run."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", _CODE, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(cache)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.partition("LOADED ")[2].split())


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The modules of the second of two equal runs."""
    folder, cache = tmp_path_factory.mktemp("work"), tmp_path_factory.mktemp("cache")
    first = loaded_by(folder, cache, "layers=two_dense", "data.samples=100")
    assert {"hydra", "omegaconf"} <= first
    return loaded_by(folder, cache, "layers=two_dense", "data.samples=100")


def test_second_run_needs_no_hydra(loaded: set[str]) -> None:
    assert loaded.isdisjoint({"hydra", "omegaconf", "yaml", "antlr4"})


def test_no_other_library_is_loaded(loaded: set[str]) -> None:
    theirs = {name.partition(".")[0] for name in loaded} - set(sys.stdlib_module_names)
    theirs = {name for name in theirs if not name.startswith(("__", *_OF_THE_MACHINE))}
    assert theirs == LIBRARIES


def test_nothing_is_loaded_that_is_not_used(loaded: set[str]) -> None:
    assert loaded.isdisjoint(NOT_USED)
