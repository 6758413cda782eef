"""What a notebook shows of runs, layers and comparisons."""

from __future__ import annotations

import builtins
import pickle
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import runner
from runner.errors import MissingExtraError, NotFoundError, RunnerError, UsageError
from tests.conftest import Program

NASTY = "<script>alert(1)"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = Program(tmp_path_factory.mktemp("stored"))
    program.run("data.samples=20", f'name="{NASTY}"', "layers=book_chapter_4")
    program.run("data.samples=20", "seeds.seed=1", "name=bare", "save=statistics")
    program.run("data.samples=20", "layers=one_dense", "layers.dense1.n_neurons=1", "name=thin")
    return program.folder


@pytest.fixture
def inside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(folder)
    return folder


def parsed(text: str) -> list[str]:
    """The names of the elements, of HTML that is XML as well."""
    return [element.tag for element in ET.fromstring(f"<div>{text}</div>").iter()]


def test_a_run(inside: Path) -> None:
    text = runner.load(NASTY)._repr_html_()
    names = parsed(text)
    assert (names.count("table"), names.count("tr"), "script" in names) == (1, 5, False)
    assert "&lt;script&gt;" in text
    assert "activation2" in text
    assert len(text) < 4000


def test_a_comparison(inside: Path) -> None:
    text = runner.compare(runner.load("bare"), runner.load(NASTY))._repr_html_()
    assert "script" not in parsed(text)
    assert "&lt;script&gt;" in text
    assert "the runs part at" in text
    # Light or dark is the notebook's to say.
    assert not any(word in text for word in ("color", "style", "#"))


def test_the_table_of_runs(inside: Path) -> None:
    frame = runner.runs()
    text: str = frame._repr_html_()  # type: ignore[operator]
    names = parsed(text)
    assert "script" not in names
    assert names.count("tr") == 4
    assert "seeds.seed" in text
    assert "numerics.rule" not in text  # the same in all
    assert f"of {len(frame.columns)} columns" in text
    assert len(text) < 4000
    plain = frame[["name", "status"]]
    assert type(plain) is type(frame.query("status == 'FINISHED'")) is pd.DataFrame
    assert pickle.loads(pickle.dumps(frame)).equals(frame)
    many = type(frame)(pd.concat([frame] * 20, ignore_index=True))
    shown: str = many._repr_html_()  # type: ignore[operator]
    assert parsed(shown).count("tr") == 21


def test_what_is_no_run_is_not_drawn() -> None:
    with pytest.raises(TypeError, match="a layer or a run"):
        runner.plot("latest")  # type: ignore[arg-type]


def test_plots(inside: Path, tmp_path: Path) -> None:
    pytest.importorskip("vl_convert")
    run = runner.load(NASTY)
    dense1, dense2 = (run.layers[name] for name in ("dense1", "dense2"))
    for plot in (run.plot(), run.plot("plain"), dense1.plot(), dense2.plot("scatter")):
        shown = plot._repr_mimebundle_()
        tree = ET.fromstring(shown["image/svg+xml"])
        marks = [item for item in tree.iter() if item.tag.endswith("path")]
        assert len(marks) > 10
        assert not [item for item in tree.iter() if item.tag.endswith("script")]
        assert "60 samples" in shown["text/plain"]
    assert "field" in run.plot().spec["encoding"]["color"]
    assert "field" not in run.plot("plain").spec["encoding"]["color"]
    assert plot.save(tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
    assert plot.save(tmp_path / "p.svg").read_text().startswith("<svg")
    with pytest.raises(UsageError, match=r"\.png"):
        plot.save(tmp_path / "p.gif")
    with pytest.raises(RunnerError, match="cannot write"):
        plot.save(tmp_path / "no" / "p.svg")


def test_what_was_not_kept_is_computed_again(inside: Path) -> None:
    pytest.importorskip("vl_convert")
    plot = runner.load("bare").layers["dense2"].plot()
    assert "computed again" in repr(plot)


def test_what_cannot_be_drawn(inside: Path) -> None:
    pytest.importorskip("vl_convert")
    layer = runner.load("thin").layers["dense1"]
    with pytest.raises(NotFoundError, match="two neurons"):
        layer.plot("scatter")
    with pytest.raises(UsageError, match="distribution, scatter"):
        layer.plot("pie")
    with pytest.raises(UsageError, match="classes, plain"):
        runner.load("thin").plot("scatter")


def test_without_the_extra(inside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "vl_convert":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"a plot needs .*pip install 'runner\[report\]'"):
        runner.load("thin").layers["dense1"].plot()
