"""The short forms of the crash harness; ``python -m tests.crash all`` for the long ones."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

FORMS = {"points": 4, "power": 6, "faults": 3, "corruption": 60}
"""Harness -> how many."""


@pytest.mark.parametrize("name", FORMS)
def test_no_promise_is_broken(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.crash", name, "--n", str(FORMS[name])],
        cwd=ROOT,
        env={key: value for key, value in os.environ.items() if key != "PYTHONWARNINGS"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode == 77:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stderr[-3000:]
    assert "0 promises broken" in done.stdout
