"""What is kept of a sweep's rows when a signal ends it."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from runner.errors import InterruptedRunError
from runner.store import layout
from runner.store.sweeps import job_row, sweep_rows, write_index
from runner.sweep import record
from runner.sweep.rows import Rows
from tests.conftest import Program


@pytest.mark.parametrize("most", [1, 5])
def test_a_large_sweep_that_is_interrupted_keeps_its_journal(
    program: Program, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    done = program.start("-m", "seeds.seed=range(3)")
    sweep = Path(done.stdout.splitlines()[-1])
    rows = {row["number"]: row for row in sweep_rows(sweep)}
    (sweep / "sweep.parquet").unlink()
    monkeypatch.setattr(record, "_MOST_IN_A_HURRY", most)
    ended = Rows()

    def interrupted() -> None:
        with record.indexing(sweep, ended) as keep:
            for row in rows.values():
                keep(row)
            raise InterruptedRunError(15)

    with pytest.raises(InterruptedRunError):
        interrupted()
    assert (sweep / "sweep.parquet").exists() == (most == 5)
    assert (sweep / ".journal.jsonl").exists() == (most == 1)
    assert [row["run_id"] for row in sweep_rows(sweep)] == [row["run_id"] for row in rows.values()]


def test_metrics_are_numbers_where_no_run_says_so(tmp_path: Path) -> None:
    refused = {"status": "FAILED", "error": "as asked", "overrides": [], "tags": []}
    write_index(tmp_path, [job_row(number, str(number), refused) for number in range(2)])
    schema = pq.read_schema(tmp_path / "sweep.parquet")
    assert {str(schema.field(f"metrics.{name}").type) for name in layout.METRICS} == {"double"}
