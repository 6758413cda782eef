"""docs/chapter_3.ipynb, run again from top to bottom: it shows what it says it shows.

With RUNNER_WRITE_NOTEBOOK=1 what comes out is stored instead.
"""

from __future__ import annotations

import os
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("vl_convert")

NOTEBOOK = ROOT / "docs" / "chapter_3.ipynb"


def outputs(notebook: Any) -> list[list[dict[str, Any]]]:
    """Kind of content -> content, of everything that each cell put out."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [[_content(dict(out.get("data", {"": out}))) for out in cell.outputs] for cell in cells]


def _content(shown: dict[str, Any]) -> dict[str, Any]:
    """With what a drawing says and how many marks it has in its place: its looks may change."""
    if svg := shown.get("image/svg+xml"):
        elements = list(ET.fromstring(svg).iter())
        texts = [element.text or "" for element in elements if element.tag.endswith("text")]
        texts = [text for text in texts if any(map(str.isalpha, text))]  # not the axes' ticks
        shown["image/svg+xml"] = texts, sum(element.tag.endswith("path") for element in elements)
    return shown


@pytest.mark.filterwarnings("default")  # those of Jupyter's own parts are not ours
def test_the_notebook_shows_what_it_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    stored = nbformat.read(NOTEBOOK, as_version=4)
    fresh = nbformat.read(NOTEBOOK, as_version=4)
    (tmp_path / "run").mkdir()
    client = nbclient.NotebookClient(
        fresh,
        timeout=300,
        kernel_name="python3",
        record_timing=False,
        resources={"metadata": {"path": str(tmp_path / "run")}},
    )
    client.execute()
    if os.environ.get("RUNNER_WRITE_NOTEBOOK"):
        fresh.metadata = stored.metadata
        nbformat.write(fresh, NOTEBOOK)
        return
    before, after = outputs(stored), outputs(fresh)
    assert before == after
    assert sum("image/svg+xml" in shown for cell in after for shown in cell) == 4


def test_the_notebook_holds_nothing_of_the_machine() -> None:
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert not re.search(r"/(home|tmp|root|work|Users)/", text)
    assert not re.search(r"\b20\d\d-\d\d-\d\d\b", text)
    assert len(text) < 400_000
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    assert not any("execution" in cell.metadata for cell in cells)
