"""The short forms of the crash harness; ``python -m tests.crash all`` for the long ones."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

FULL = bool(os.environ.get("RUNNER_FULL"))
"""Set by ``.ci/run --full``: the long forms, which take hours."""

FORMS = {
    "kills": 3,
    "points": 4,
    "power": 6,
    "faults": 3,
    "corruption": 60,
    "soak": 20,
    **({"starts": 50} if FULL else {}),  # the short form is test_starts_at_once
}
"""Harness -> how many, in the short form."""


@pytest.mark.parametrize("name", FORMS)
def test_no_promise_is_broken(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.crash", name, *([] if FULL else ["--n", str(FORMS[name])])],
        cwd=ROOT,
        env={key: value for key, value in os.environ.items() if key != "PYTHONWARNINGS"},
        capture_output=True,
        text=True,
        timeout=None if FULL else 300,
        check=False,
    )
    if done.returncode == 77:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stderr[-3000:]
    assert "0 promises broken" in done.stdout
