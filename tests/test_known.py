"""The rows that were read before: used where they hold, and nowhere else."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from runner.store import index
from runner.store.index.known import FILE, WORTH_KEEPING, KnownRows
from tests.conftest import Program


@pytest.fixture
def tree(program: Program) -> Path:
    """As many runs as it takes; what ``ls`` looks at of them."""
    run = program.run("data.samples=3", "tags=[x]")
    root = program.folder / "many"
    for number in range(WORTH_KEEPING):
        folder = root / "day" / f"{number:03d}"
        folder.mkdir(parents=True)
        for name in ("run.parquet", "SHA256SUMS"):
            shutil.copyfile(run / name, folder / name)
    return root


def test_second_look_reads_no_run(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = index.rows(tree)
    assert len(first) == WORTH_KEEPING
    assert (tree / FILE).is_file()

    def refuse(path: Path) -> None:
        pytest.fail(f"{path} was read again")

    monkeypatch.setattr(index, "_row", refuse)
    again = index.rows(tree)
    assert again == first
    assert [list(row) for row in again] == [list(row) for row in first]
    # Whoever changes a row changes nobody else's.
    again[0]["tags"].append("y")
    assert again[1]["tags"] == ["x"]
    assert index.rows(tree) == first


def test_few_rows_are_not_worth_a_file(tree: Path) -> None:
    shutil.rmtree(tree / "day" / "000")
    index.rows(tree)
    assert not (tree / FILE).exists()


def test_a_file_that_changed_is_read_again(tree: Path) -> None:
    index.rows(tree)
    changed, gone, damaged = (tree / "day" / name for name in ("007", "008", "009"))
    os.utime(changed / "run.parquet", ns=(1, 1))
    shutil.rmtree(gone)
    data = bytearray((damaged / "run.parquet").read_bytes())
    data[100] ^= 1
    (damaged / "run.parquet").write_bytes(data)
    rows = {Path(row["path"]).name: row for row in index.rows(tree)}
    assert len(rows) == WORTH_KEEPING - 1
    assert rows["007"]["status"] == "FINISHED"
    assert "008" not in rows
    assert rows["009"]["status"] == "UNREADABLE"


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:-1],
        lambda data: data.replace(b"FINISHED", b"FINISHES", 1),
        lambda data: b"\xff" * 100,
        lambda data: b"[]",
    ],
)
def test_damage_to_it_does_no_harm(tree: Path, damage: Any) -> None:
    first = index.rows(tree)
    (tree / FILE).write_bytes(damage((tree / FILE).read_bytes()))
    assert index.rows(tree) == first


def test_a_folder_that_cannot_be_written(tree: Path) -> None:
    (tree / FILE).mkdir()
    assert len(index.rows(tree)) == WORTH_KEEPING
    assert [path.name for path in tree.iterdir() if path.is_file()] == []


def test_paths_are_as_they_were_asked_for(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index.rows(tree)
    monkeypatch.chdir(tree.parent)
    assert {row["path"][:9] for row in index.rows("many")} == {"many/day/"}
    monkeypatch.chdir(tree)
    assert {row["path"][:4] for row in index.rows(".")} == {"day/"}
    assert KnownRows(Path()).get(Path("day/003")) is not None
