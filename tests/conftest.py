"""What the tests share: the program started for real, in a folder of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from tests.warm import Warm

ROOT = Path(__file__).resolve().parent.parent


BOOK_LAYER = """
import numpy as np

class Layer_Dense:
    def __init__(self, n_inputs, n_neurons):
        self.weights = 0.1 * np.random.randn(n_inputs, n_neurons)
        self.biases = np.zeros((1, n_neurons))

    def forward(self, inputs):
        self.output = np.dot(inputs, self.weights) + self.biases
"""
"""A class of the reader's, as the book writes it, at the scale that is our default."""


class Program:
    """Starts ``python -m runner`` in a folder, as a person would."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def start(
        self, *arguments: str, env: dict[str, str] | None = None, strict: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Runs it to its end; stdout and stderr as text. Strict: warnings are errors."""
        warnings = ("-W", "error") if strict else ()
        return self._python(*warnings, "-m", "runner", *arguments, env=env)

    def execute(self, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Python of the test's, in a process of its own, to its end."""
        return self._python("-c", code, *arguments)

    def _python(
        self, *arguments: str, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def begin_sweep(self, *arguments: str) -> subprocess.Popen[str]:
        """Starts a sweep in a process group of its own, and does not wait for it."""
        return subprocess.Popen(
            [sys.executable, "-m", "runner", "-m", *arguments],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, env: dict[str, str] | None = None) -> Path:
        """A run that has to succeed; gives its directory."""
        done = self.start(*arguments, env=env)
        assert done.returncode == 0, done.stderr
        return Path(done.stdout.splitlines()[-1])

    @property
    def outputs(self) -> list[Path]:
        """Everything below ``outputs``."""
        return sorted(self.folder.glob("outputs/**/*"))


def alive_in(group: int) -> list[int]:
    """The processes of a group that are at work: no zombies."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] not in "ZX":
            found.append(int(stat.parent.name))
    return found


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What this machine can't do is skipped and listed; under ``.ci/run --full`` it fails."""
    report = yield
    if report.skipped and os.environ.get("RUNNER_FULL") and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if "the extra optuna" in reason:  # .ci/run tests it in an environment of its own
            return report
        report.outcome = "failed"
        report.longrepr = f"not tested here, and --full asks for it: {reason}"
    return report


@pytest.fixture(autouse=True, scope="session")
def _cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keeps what the tests compose out of the cache of whoever runs them."""
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warm]:
    """The program as a process to be forked, for tests that call it hundreds of times."""
    started = Warm(tmp_path_factory.mktemp("warm"))
    yield started
    started.close()


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """The program, in an empty folder."""
    return Program(tmp_path)


@pytest.fixture
def there(stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the outputs that a module has ``stored``, to be changed; we are in the folder."""
    shutil.copytree(stored / "outputs", tmp_path / "outputs", symlinks=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    """Writes a text file below the test's folder."""

    def to(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return to
