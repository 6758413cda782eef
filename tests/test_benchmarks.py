"""Every benchmark runs, at a tiny size, so that none rots."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks import __main__ as command
from tests.benchmarks.measure import Benchmark, Contender, markdown, measure

FOLDER = Path(command.__file__).parent


@pytest.mark.parametrize("name", command.NAMES)
def test_runs(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    if name == "reports":
        pytest.importorskip("jinja2", reason="the extra `report` is not installed")
        pytest.importorskip("vl_convert", reason="the extra `report` is not installed")
    assert command.main([name, "--quick"]) == 0
    assert "| --- |" in capsys.readouterr().out


def test_none_is_left_out() -> None:
    defining = {p.stem for p in FOLDER.glob("*.py") if "\ndef benchmark(" in p.read_text()}
    assert defining == set(command.NAMES)


def test_every_table_has_a_place_in_the_page() -> None:
    page = (FOLDER.parents[1] / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    for name in command.NAMES:
        filled = command.placed(page, name, "## What\n")
        assert f"<!-- begin {name} -->\n## What\n<!-- end {name} -->" in filled
        assert command.placed(filled, name, "") == command.placed(page, name, "")
        # Measured, and not a place that waits.
        assert f"<!-- begin {name} -->\n<!-- end" not in page
    assert page.count("<!-- begin ") == len(command.NAMES)
    with pytest.raises(ValueError, match="no place for nonsense"):
        command.placed(page, "nonsense", "")


def test_ratios_are_to_the_first_contender() -> None:
    times = {"slow": 2.0, "fast": 0.5}
    calls: list[str] = []

    def contender(name: str) -> Contender:
        def run() -> float:
            calls.append(name)
            return times[name]

        return Contender(name, run)

    benchmark = Benchmark(
        "Title", "Which?", [contender("slow"), contender("fast")], 3, {"fast": 0.3}
    )
    slow, fast = measure(benchmark)
    assert (slow.ratio, fast.ratio, fast.goal) == (1.0, 0.25, 0.3)
    assert (fast.median, fast.low, fast.high) == (0.5, 0.5, 0.5)
    # One round to warm up, and then each once a round.
    assert [sorted(calls[i : i + 2]) for i in range(0, 8, 2)] == [["fast", "slow"]] * 4
    assert "| fast | 500 ms | 500 ms – 500 ms | 0.25 | ≤ 0.3 |" in markdown(benchmark, [slow, fast])


def test_unknown_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["nonsense"])
    assert "single_run" in capsys.readouterr().err
