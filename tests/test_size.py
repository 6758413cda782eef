"""What is predicted of memory and disk, before a run begins."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runner import limits
from runner.errors import TooLargeError
from runner.forward import budget
from runner.job import Job, prepare
from runner.job.size import memory_of

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


@pytest.mark.usefixtures("machine")
def test_depth_costs_weights_and_what_describes_the_files_and_no_outputs(tmp_path: Path) -> None:
    def outputs(depth: int) -> int:
        plan = planned(tmp_path, "statistics", samples=100_000, depth=depth)
        return memory_of(plan, 2)["outputs"]

    assert outputs(2) < outputs(40)
    assert outputs(2000) <= outputs(40)


def test_what_waits_has_room_in_every_lane_and_no_more_than_its_bytes() -> None:
    shallow = budget.waiting([64, 64, 3], [3, 3], 4, batch_size=65536)
    assert shallow == [6, 6]
    assert budget.waiting([64, 64, 3], [3, 3], 4, batch_size=4096) == [3, 3]
    deep = budget.waiting([64] * 5000, [5000, 5000], 4, batch_size=65536)
    assert sum(deep) * 64 * 4096 * 4 <= budget.BYTES
    assert budget.waiting([10**6], [1, 1], 4, batch_size=65536) == [1, 1]


MEASURED = """
import sys
from pathlib import Path
import runner
from runner import limits
from runner.job import size

def peak():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024

check = size.check
size.check = lambda plan, folder: (plans.append(plan), check(plan, folder))
plans = []
any_run = ["layers=mlp", "data=normal", "data.samples=8200", "data.features=8"]
runner.run([*any_run, "save.codec=zstd"])
before = peak()
runner.run(sys.argv[1:])
print(sum(size.memory_of(plans[-1], limits.cores()).values()), peak() - before)
"""
"""Prints what was predicted of a run and the most memory it had, besides what any run has."""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="tells of no peak")
@pytest.mark.parametrize(
    ("what", "most"),
    [
        (("layers.mlp.depth=90", "layers.mlp.width=64"), 250),
        (("layers.mlp.depth=90", "layers.mlp.width=64", "save=statistics"), 200),
        (("layers.mlp.depth=500", "layers.mlp.width=8"), 200),
        (("layers.mlp.depth=20", "layers.mlp.width=64", "save.codec=zstd"), 250),
        (("layers.mlp.depth=3", "layers.mlp.width=1100"), 700),
        (("layers.mlp.depth=3", "layers.mlp.width=700", "numerics=float64"), 700),
    ],
)
def test_a_run_takes_no_more_memory_than_was_predicted(
    tmp_path: Path, what: tuple[str, ...], most: int
) -> None:
    size = ("layers=mlp", "data=normal", "data.samples=17000", "data.features=32")
    found = subprocess.run(
        [sys.executable, "-c", MEASURED, *size, *what],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    predicted, peak = map(int, found.stdout.split())
    assert peak <= predicted <= most * 10**6


def test_a_file_system_that_counts_no_blocks_is_not_a_full_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    free = limits.free_disk(tmp_path / "not" / "there")
    assert free is not None
    assert free > 0
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(total=0, used=0, free=0))
    assert limits.free_disk(tmp_path) is None
