"""Runs recorded by signac: ``signac_runs.py TARGET COUNT``."""

from __future__ import annotations

import sys
from pathlib import Path

import signac

from tests.benchmarks.peers.two_layers import compute, parameters, print_seconds, store


def main() -> None:
    """Every run a job of one project, its files written straight into it."""
    project = signac.init_project(sys.argv[1])

    def record(seed: int) -> None:
        job = project.open_job(parameters(seed)).init()
        kept, metrics = compute(seed)
        job.document.update(metrics)
        store(Path(job.path), kept)

    print_seconds(record, int(sys.argv[2]))


if __name__ == "__main__":
    main()
