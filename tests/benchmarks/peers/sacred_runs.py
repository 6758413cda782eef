"""Runs recorded by Sacred: ``sacred_runs.py {fd,no} TARGET COUNT``."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from sacred import SETTINGS, Experiment
from sacred.observers import FileStorageObserver

from tests.benchmarks.peers.two_layers import compute, parameters, print_seconds, store


def main() -> None:
    """Every run into Sacred's own directory, its artifacts copied there by Sacred."""
    SETTINGS.CAPTURE_MODE, target, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    experiment = Experiment("two_layers", save_git_info=False)
    experiment.observers.append(FileStorageObserver(target))
    experiment.add_config(parameters(0))
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as scratch:

        def record(_run: Any, seed: int) -> None:
            kept, metrics = compute(seed)
            for name, value in metrics.items():
                _run.log_scalar(name, value)
            for path in store(Path(scratch), kept):
                _run.add_artifact(str(path))

        experiment.main(record)
        print_seconds(lambda seed: experiment.run(config_updates={"seed": seed}), count)


if __name__ == "__main__":
    main()
