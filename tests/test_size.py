"""What is predicted of memory and disk, before a run begins."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runner import limits
from runner.errors import TooLargeError
from runner.job import Job, prepare

GIGA = 10**9


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two cores, 1 GB of memory and 10 GB of disk."""
    monkeypatch.setattr(limits, "cores", lambda: 2)
    monkeypatch.setattr(limits, "available_memory", lambda: GIGA)
    monkeypatch.setattr(limits, "free_disk", lambda path: 10 * GIGA)


def planned(folder: Path, keep: str = "all", width: int = 64, depth: int = 1, **data: Any) -> Any:
    dense = {"_target_": "runner.layers.Dense", "n_neurons": width}
    config: dict[str, Any] = {
        "data": {"_target_": "runner.data.spiral", "samples": 100, "classes": 1, **data},
        "layers": {f"dense{number}": dense for number in range(depth)},
        "seeds": {"seed": 0},
        "numerics": {"rule": "nnfs"},
        "save": {"keep": keep, "rows": 1000, "codec": "none"},
        "name": None,
        "tags": [],
        "batch_size": 65536,
        "trust": [],
        "objective": None,
    }
    job = Job(config, config, (), folder / "run", stamped=False)
    return prepare(job, None)  # type: ignore[arg-type]  # no class of the reader's is in it


@pytest.mark.usefixtures("machine")
def test_a_stream_needs_no_more_memory_the_longer_it_is(tmp_path: Path) -> None:
    for keep in ("statistics", "first"):
        planned(tmp_path, keep, samples=100_000_000)
    with pytest.raises(TooLargeError, match=r"data.samples=100000000: needs .* of disk.*save"):
        planned(tmp_path, samples=100_000_000)
    planned(tmp_path, samples=30_000_000)


@pytest.mark.usefixtures("machine")
def test_wide_layers_need_memory_for_every_tile_in_the_works(tmp_path: Path) -> None:
    planned(tmp_path, samples=5000, width=2048)
    with pytest.raises(TooLargeError, match=r"n_neurons=\d+: needs .* of memory"):
        planned(tmp_path, samples=5000, width=100_000)


@pytest.mark.usefixtures("machine")
def test_row_groups_of_deep_networks_stay_within_a_budget(tmp_path: Path) -> None:
    planned(tmp_path, samples=40_000, depth=60)


def test_a_file_system_that_counts_no_blocks_is_not_a_full_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    free = limits.free_disk(tmp_path / "not" / "there")
    assert free is not None
    assert free > 0
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(total=0, used=0, free=0))
    assert limits.free_disk(tmp_path) is None
