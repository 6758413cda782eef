"""Tables on terminals of several widths, and piped."""

from __future__ import annotations

import os
import re
import sys

import numpy as np
import pexpect
import pytest

import runner
from runner.cli.tables import draw_matrix, histogram
from runner.store.matrix import glance as glances
from tests.conftest import ROOT, Program

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
COLOUR = re.compile(r"\x1b\[(?:\d+;)*(?:3\d|4\d|9\d)m")


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """Two runs and one without outputs."""
    program = Program(tmp_path_factory.mktemp("stored"))
    program.run("layers=mlp", "layers.mlp.depth=2", "data.samples=40", "name=deep")
    program.run("layers=mlp", "layers.mlp.depth=2", "data.samples=40", "seeds.seed=1", "name=other")
    program.run("layers=book_chapter_4", "save=statistics", "name=bare")
    return program


def seen(program: Program, width: int, *words: str, **env: str) -> str:
    """What is shown on a terminal of so many columns."""
    outside = {key: text for key, text in os.environ.items() if key not in ("COLUMNS", "LINES")}
    child = pexpect.spawn(
        sys.executable,
        ["-m", "runner", *words],
        cwd=str(program.folder),
        env={**outside, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", **env},
        encoding="utf-8",
        dimensions=(50, width),
        timeout=60,
    )
    child.expect(pexpect.EOF)
    return str(child.before).replace("\r\n", "\n")


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_table_is_wider_than_the_terminal(stored: Program, width: int) -> None:
    text = ESCAPE.sub("", seen(stored, width, "ls"))
    lines = text.splitlines()
    assert lines[0].split()[:2] == ["run_id", "status"]
    assert len(lines) == (5 if width < 120 else len(lines))
    assert all(len(line) <= width for line in lines)
    assert ("path" in lines[0]) or "path" in lines[-1]  # told what is not there
    shown = ESCAPE.sub("", seen(stored, width, "show", "deep"))
    table = shown.split("\n\n")[1].splitlines()
    assert all(len(line) <= width for line in table)
    assert all(any(block in line for block in "▁▂▃▄▅▆▇█") for line in table[1:5])
    assert ("digest" in table[0]) is (width == 120)


def test_compare_on_a_narrow_terminal(stored: Program) -> None:
    text = ESCAPE.sub("", seen(stored, 60, "compare", "deep", "other"))
    table = text.split("\n\n")[-2].splitlines()
    assert table[0].split()[:3] == ["part", "bits", "first"]
    assert "not shown in 60 columns" in "".join(table)
    assert all(len(line) <= 60 for line in table)
    assert text.rstrip().splitlines()[-1].startswith("the runs part at the inputs")


@pytest.mark.parametrize("width", [44, 80])
def test_a_comparison_by_a_key_cuts_no_number(stored: Program, width: int) -> None:
    """Statistics that there is no room for are left out, also where each value has one run."""
    call = ("compare", "outputs", "--by", "name", "--where", "save.keep='all'")
    shown = ESCAPE.sub("", seen(stored, width, *call, "--statistics", "all"))
    lines = shown[shown.index("name ") :].splitlines()
    table, told = lines[:9], " ".join(lines[9:])
    assert all(len(line) <= width for line in lines)
    assert not [line for line in table if "…" in line]
    assert "correlation" in told
    assert len(table[0].split()) == (5 if width == 44 else 8)


def test_piped_it_is_plain(stored: Program) -> None:
    for words in (("ls",), ("show", "deep"), ("compare", "deep", "other")):
        text = stored.start(*words).stdout
        assert "\x1b" not in text
        assert not set(text) & set("▁▂▃▄▅▆▇█")
    assert "digest" in stored.start("show", "deep", env={"COLUMNS": "40"}).stdout


def test_colours(stored: Program) -> None:
    assert COLOUR.search(seen(stored, 80, "ls"))
    assert not COLOUR.search(seen(stored, 80, "ls", NO_COLOR="1"))
    assert "\x1b" not in seen(stored, 80, "ls", TERM="dumb")


def test_without_outputs_there_is_no_histogram(stored: Program) -> None:
    assert "distribution" not in seen(stored, 120, "show", "bare")


def test_a_terminal_that_is_ascii(stored: Program) -> None:
    text = seen(stored, 80, "show", "deep", PYTHONIOENCODING="ascii")
    assert "distribution" not in text
    assert text.isascii()


@pytest.mark.parametrize(
    ("values", "bars"),
    [
        ([0, 1, 2, 3], "█ █ █ █"),
        ([0, 0, 0, 0, 3], "█     ▂"),
        ([2.0, 2.0], "█"),
        ([float("nan"), 1.0, float("inf")], "█"),
        ([float("nan")], ""),
        ([], ""),
    ],
)
def test_histogram(values: list[float], bars: str) -> None:
    found = histogram(np.array(values, dtype=np.float32), 7)
    assert found == bars


def test_histogram_of_the_widest_range() -> None:
    assert len(histogram(np.array([-1.7e308, 0, 1.7e308]), 7)) == 7


def test_a_glance_reads_a_part(program: Program) -> None:
    directory = program.run("data=normal", "data.samples=200000", "layers=one_dense",
                            "layers.dense1.n_neurons=16")  # fmt: skip
    layer = runner.load(directory).layers["dense1"]
    found = glances.glance(layer, 100_000)
    assert 50_000 <= len(found) <= 200_000
    assert abs(found.std() - layer.statistics["std"]) < 0.05
    assert len(glances.glance(layer, 10**9)) == 200_000 * 16
    # One column of each of four row groups, however little was asked for.
    assert len(glances.glance(layer, 10)) == 200_000


def test_a_glance_at_a_wide_layer(program: Program) -> None:
    run = runner.load(program.run("layers=one_dense", "layers.dense1.n_neurons=1100"))
    found = glances.glance(run.layers["dense1"], 10_000)
    assert 10_000 <= len(found) <= 20_000


def test_a_matrix_without_room_is_shaded(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"layer{i}" for i in range(12)]
    values = np.linspace(0, 1, 144).reshape(12, 12)
    draw_matrix(names, names, values)
    assert "0.5035" in capsys.readouterr().out  # piped: the numbers
    monkeypatch.setattr("runner.cli.tables.on_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "50")
    values[0, 0] = np.nan
    draw_matrix(names, names, values)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == " layer0  ??" + " " * 22
    assert lines[11] == "layer11  " + "█" * 24
    assert all(len(line) <= 50 for line in lines[:12])
