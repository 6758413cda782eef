"""CONTRIBUTING adds a layer; done here as it says, in a copy of the tree."""

from __future__ import annotations

import ast
import os
import re
import shutil
import sys
from pathlib import Path

from tests.pages import ROOT, cold, play, run
from tests.test_imports import FLOORS

REPLAYED = """
import numpy as np, runner
from runner.report.replay import Replay

stored = runner.run(["layers=elu", "layers.elu1.alpha=0.5", "layers.dense1.weight_scale=2"])
[*_, last] = Replay(stored).forward(stored.inputs)
assert np.array_equal(last, stored.layers["elu1"].outputs)
"""
"""A report makes the new layer again with every argument it was given."""

COPIED = ("runner", "conf", "tests", "pyproject.toml")


def test_the_rooms_are_those_there_are() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = text.partition("| room |")[2].partition("\n\n")[0]
    listed = re.findall(r"^\| `([\w.]+)/?` \| \S", table, re.MULTILINE)
    there = [
        path.name
        for path in (ROOT / "runner").iterdir()
        if (path / "__init__.py").exists() or path.suffix == ".py"
    ]
    assert sorted(listed) == sorted(set(there) - {"__init__.py"})


def test_every_module_is_listed_with_its_first_line() -> None:
    """Written anew with ``RUNNER_WRITE_MODULES=1``."""
    page = ROOT / "CONTRIBUTING.md"
    head, begin, rest = page.read_text(encoding="utf-8").partition("<!-- begin modules -->\n")
    listed, end, tail = rest.partition("<!-- end modules -->")
    modules = _modules()
    if os.environ.get("RUNNER_WRITE_MODULES"):
        page.write_text(f"{head}{begin}{modules}{end}{tail}", encoding="utf-8")
        return
    assert listed == modules


def _modules() -> str:
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / "runner").rglob("*.py")):
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
        assert text, f"{path} does not say what it is for"
        line = text.partition("\n")[0]
        room = path.parent.relative_to(ROOT).as_posix()
        if path.name == "__init__.py":
            found.setdefault(room, []).insert(0, f"**`{room}/`** {line}\n\n")
        else:
            found.setdefault(room, []).append(f"- `{path.name}` {line}\n")
    return "".join(f"{''.join(found[room])}\n" for room in sorted(found))


def test_the_floors_are_those_that_are_held() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    [floors] = re.findall(r"^`__main__`, .*?\n\n", text, re.MULTILINE | re.DOTALL)
    assert [set(re.findall(r"`(\w+)`", floor)) for floor in floors.split(">")] == list(FLOORS)


def test_a_layer_is_added_as_the_page_says(tmp_path: Path) -> None:
    for name in COPIED:
        source, target = ROOT / name, tmp_path / name
        target.parent.mkdir(exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)

    played = list(play(ROOT / "CONTRIBUTING.md", tmp_path, cold, tmp_path))
    assert played
    for one in played:
        assert one.right, str(one)
    assert (tmp_path / "runner" / "layers" / "elu.py").exists()
    code, printed = run([sys.executable, "-c", REPLAYED], tmp_path, {"PYTHONPATH": str(tmp_path)})
    assert code == 0, printed
