"""Contenders that are whole processes, started as a person starts them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
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
    start = starter(
        name,
        folder,
        {"PYTHONPYCACHEPREFIX": str(folder / "cache" / "bytecode"), **(variables or {})},
    )

    def run() -> None:
        start(arguments)

    return Contender(name, run)


def starter(
    name: str, folder: Path, variables: Mapping[str, str] | None = None
) -> Callable[[Sequence[str]], str]:
    """Starts Python with the arguments it is given, in the contender's own folder.

    It gives what was printed.

    Raises:
        RuntimeError: the process did not end well.
    """
    work = place(name, folder)
    environment = environment_in(folder, variables)

    def start(arguments: Sequence[str]) -> str:
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
        return done.stdout

    return start


def place(name: str, folder: Path) -> Path:
    """The folder that a contender works in."""
    work = folder / re.sub(r"\W+", "-", name)
    work.mkdir(exist_ok=True)
    return work


def environment_in(folder: Path, variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables of a process that finds this checkout, and caches nothing outside."""
    return {
        **{key: value for key, value in os.environ.items() if not key.startswith("PYTHON")},
        "PYTHONPATH": str(ROOT),
        "XDG_CACHE_HOME": str(folder / "cache"),
        **(variables or {}),
    }
