"""A wheel built from the tree does what the checkout does, in an empty environment and folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest

TREE = Path(__file__).parents[1]
# Neither the tree nor a tester's settings may be found from inside.
CLEAN = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith(("PYTHON", "COVERAGE", "VIRTUAL_ENV"))
}


def output(*command: str | Path, cwd: Path, environment: dict[str, str] = CLEAN) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    output(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=TREE)
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a new environment that has the wheel, and the dependencies of this one.

    The dependencies come by links to what is installed here, all but the package itself, so that
    nothing is downloaded and the tree can't be found in place of the wheel.
    """
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    paths = {"base": str(folder), "platbase": str(folder)}
    there = Path(sysconfig.get_path("purelib", "venv", paths))
    for kind in ("purelib", "platlib"):
        for item in Path(sysconfig.get_path(kind)).iterdir():
            ours = item.name.startswith(("runner", "_runner", "hydra_plugins", "_virtualenv"))
            if not ours and item.suffix != ".pth" and not (there / item.name).exists():
                (there / item.name).symlink_to(item)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(there)  # what installing a pure wheel does, but for the console script
    return folder / "bin" / "python"


def digests(run: Path) -> dict[str, str]:
    """Layer name -> digest."""
    rows = pq.ParquetFile(run / "layers.parquet").read().to_pylist()
    return {row["name"]: row["digest"] for row in rows}


def test_wheel_holds_what_it_should(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    folders = {name.split("/")[0] for name in names}
    assert {name for name in folders if not name.endswith(".dist-info")} == {
        "runner",
        "hydra_plugins",
    }
    for path in (TREE / "conf").rglob("*.yaml"):
        assert f"runner/{path.relative_to(TREE).as_posix()}" in names
    assert "runner/py.typed" in names
    assert not any("plugin/" in name for name in names if name.startswith("runner/"))
    assert "hydra_plugins/__init__.py" not in names  # a namespace, shared with other plugins
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_wheel_names_the_console_script(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith("entry_points.txt")]
        assert "runner = runner.__main__:main" in archive.read(name).decode()


def test_wheel_runs_as_the_checkout_does(python: Path, tmp_path: Path) -> None:
    call = ("-m", "runner", "layers=two_dense", "data.samples=100")
    (tmp_path / "installed").mkdir()
    (tmp_path / "checkout").mkdir()
    where = output(python, "-c", "import runner; print(runner.__file__)", cwd=tmp_path).strip()
    assert Path(where).is_relative_to(python.parents[1])
    installed = output(python, *call, cwd=tmp_path / "installed").splitlines()[-1]
    checkout = output(
        sys.executable,
        *call,
        cwd=tmp_path / "checkout",
        environment={**CLEAN, "PYTHONPATH": str(TREE)},
    ).splitlines()[-1]
    first = digests(tmp_path / "installed" / installed)
    assert list(first) == ["dense1", "dense2"]
    assert first == digests(tmp_path / "checkout" / checkout)


def test_source_archive_holds_what_the_wheel_needs(tmp_path: Path, wheel: Path) -> None:
    """A wheel built from the source archive is the wheel built from the tree."""
    build = (sys.executable, "-m", "hatchling", "build")
    output(*build, "-t", "sdist", "-d", tmp_path, cwd=TREE)
    [archive] = tmp_path.glob("*.tar.gz")
    output("tar", "-xzf", archive, cwd=tmp_path)
    [source] = [path for path in tmp_path.iterdir() if path.is_dir()]
    output(*build, "-t", "wheel", "-d", tmp_path, cwd=source)
    [built] = tmp_path.glob("*.whl")
    assert built.name == wheel.name
    assert contents(built) == contents(wheel)


def test_source_archives_tests_pass_against_the_wheel(tmp_path: Path, python: Path) -> None:
    """Some of them, from the archive without its package: what they import is what is installed."""
    output(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", tmp_path, cwd=TREE)
    [archive] = tmp_path.glob("*.tar.gz")
    output("tar", "-xzf", archive, cwd=tmp_path)
    [source] = [path for path in tmp_path.iterdir() if path.is_dir()]
    shutil.rmtree(source / "runner")
    chosen = ("tests/test_golden.py", "tests/test_layers.py")
    told = output(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *chosen, cwd=source)
    assert " passed" in told


def contents(wheel: Path) -> dict[str, int]:
    """File name -> checksum."""
    return {item.filename: item.CRC for item in zipfile.ZipFile(wheel).infolist()}
