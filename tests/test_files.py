"""Syncing many files together does for each what syncing it alone does."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from runner.errors import WriteError
from runner.store.files import sync_file, sync_together
from tests.conftest import ROOT

PATHS = [Path(str(number)) for number in range(12)]


@pytest.mark.parametrize("seconds", [0.0, 0.005])
def test_each_is_synced_once(seconds: float) -> None:
    done: list[Path] = []

    def sync(path: Path) -> None:
        time.sleep(seconds)
        done.append(path)

    sync_together(sync, PATHS)
    assert sorted(done) == sorted(PATHS)


def test_a_busy_disk_is_waited_for_at_once() -> None:
    threads: set[int] = set()

    def sync(path: Path) -> None:
        time.sleep(0.01)
        threads.add(threading.get_ident())

    sync_together(sync, PATHS)
    assert len(threads) > 1
    assert threading.active_count() == 1 or threads.isdisjoint(
        {t.ident for t in threading.enumerate() if t is not threading.main_thread()}
    )


@pytest.mark.parametrize("seconds", [0.0, 0.005])
@pytest.mark.parametrize("bad", [0, 5, 11])
def test_one_that_fails_fails_all(seconds: float, bad: int) -> None:
    def sync(path: Path) -> None:
        time.sleep(seconds)
        if path == PATHS[bad]:
            raise WriteError(path, "no space left")

    with pytest.raises(WriteError, match="no space left"):
        sync_together(sync, PATHS)


def test_real_files(tmp_path: Path) -> None:
    paths = [tmp_path / str(number) for number in range(5)]
    for path in paths:
        path.write_bytes(b"x")
    sync_together(sync_file, paths)
    with pytest.raises(WriteError):
        sync_together(sync_file, [*paths, tmp_path / "missing"])


@pytest.mark.parametrize("how", ["_file.close()", "_helper.end()"])
def test_a_file_that_nobody_wants_keeps_no_program_from_ending(tmp_path: Path, how: str) -> None:
    """Pyarrow completes it when it is collected, which is after the last thread can be started."""
    code = f"""
        from pathlib import Path
        import numpy as np, pyarrow as pa
        from runner.store.matrix.table_file import TableFile
        schema = pa.schema([pa.field("a", pa.float64())])
        file = TableFile(Path("."), "x.parquet", {{}}, schema, "none")
        file.write(pa.table({{"a": np.random.rand(1 << 21)}}, schema=schema))
        file._file.{how}
        file._file._helper = None
        file.itself = file
        del file
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
