"""Stored files that somebody has made to fit their sums, but that are none that we write."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from runner import cli
from runner.store import sums
from tests.conftest import Program

Change = Callable[[pa.Table], pa.Table]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = Program(tmp_path_factory.mktemp("crafted"))
    program.run("data.samples=5", "name=a", "hydra.run.dir=outputs/a")
    program.run("data.samples=5", "name=b", "hydra.run.dir=outputs/b")
    return program.folder


def put(name: str, values: list[Any], kind: pa.DataType | None = None) -> Change:
    """Puts other values into a column, or a column beside the others."""

    def change(table: pa.Table) -> pa.Table:
        at = table.schema.get_field_index(name)
        if at < 0:
            return table.append_column(name, pa.array(values, kind))
        field = pa.field(name, kind or table.schema.field(name).type)
        return table.set_column(at, field, pa.array(values, field.type))

    return change


TIME = pa.timestamp("us", "UTC")
CASES: list[tuple[str, Change]] = [
    ("run.parquet", put("config", ["[" * 100_000 + "]" * 100_000])),
    ("run.parquet", put("config", ["[1, 2]"])),
    ("run.parquet", put("config", ['{"layers": 5}'])),
    ("run.parquet", put("config", [None])),
    ("run.parquet", put("start_time", [2**62], TIME)),
    ("run.parquet", put("start_time", ["now"], pa.string())),
    ("run.parquet", put("end_time", [None])),
    ("run.parquet", put("status", ["DONE"])),
    ("run.parquet", put("overrides", [[None]])),
    ("run.parquet", put("params.x", [date(2026, 1, 1)])),
    ("run.parquet", put("params.x", [b"\xff"])),
    ("layers.parquet", put("bytes", [None, -1])),
    ("layers.parquet", put("digest", [None, ""])),
    ("layers.parquet", put("name", [None, "b"])),
    ("layers.parquet", put("mean", ["a", "b"], pa.string())),
    ("layers.parquet", put("path", ["../../b/run.parquet", "/etc/passwd"])),
    ("layers.parquet", put("path", ["a\0b", "x" * 5000])),
    ("inputs.parquet", lambda table: table.slice(0, 0)),
]


@pytest.mark.parametrize(("name", "change"), CASES)
def test_is_damage_in_one_line(
    stored: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    change: Change,
) -> None:
    shutil.copytree(stored / "outputs", tmp_path / "outputs", symlinks=True)
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "outputs" / "a"
    table = pq.read_table(run / name)
    facts = table.schema.metadata
    pq.write_table(change(table).replace_schema_metadata(facts), run / name)
    there = {path: hashlib.sha256((run / path).read_bytes()).hexdigest() for path in sums.read(run)}
    (run / "SHA256SUMS").write_bytes(sums.dump(there))
    for call in ("show outputs/a", "show outputs/a --theory --json", "compare outputs/a b"):
        code = cli.main(call.split())
        err = capsys.readouterr().err
        if name == "inputs.parquet" and "--theory" not in call:
            continue  # it takes no inputs
        assert (code, err.count("\n")) == (2, 1), (call, err)
        assert len(err) <= 201
    for call in ("ls --json", "ls --where seeds.seed=0", "verify"):
        assert cli.main(call.split()) in (0, 1)
        assert "outputs/b" in capsys.readouterr().out or call == "verify"
