"""Contenders that are whole processes, started as a person starts them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.benchmarks.measure import Contender

PEERS = Path(__file__).parent / "peers"
ROOT = PEERS.parent.parent.parent


def python(
    name: str, arguments: Sequence[str], folder: Path, variables: Mapping[str, str] | None = None
) -> Contender:
    """A contender that starts Python with these arguments in a folder of its own.

    Bytecode is compiled in the warm-up round and kept, as that of an installed package is.
    """
    work, cache = folder / name.replace("/", "-"), folder / "cache"
    work.mkdir()
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("PYTHON")},
        "PYTHONPATH": str(ROOT),
        "PYTHONPYCACHEPREFIX": str(cache / "bytecode"),
        "XDG_CACHE_HOME": str(cache),
        **(variables or {}),
    }

    def run() -> None:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=work,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{name}: {done.stderr}")

    return Contender(name, run)
