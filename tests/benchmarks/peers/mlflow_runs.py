"""Runs recorded by MLflow: ``mlflow_runs.py {files,sqlite} TARGET COUNT``."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

# Both before the import: plain files are refused by default since 3.13; nothing is to go out.
os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

import mlflow

from tests.benchmarks.peers.two_layers import compute, parameters, print_seconds, store


def main() -> None:
    """Every run into one store, its artifacts copied there by MLflow."""
    kind, target, count = sys.argv[1], Path(sys.argv[2]).absolute(), int(sys.argv[3])
    target.mkdir()
    files = target.as_uri()
    mlflow.set_tracking_uri(files if kind == "files" else f"sqlite:///{target}/runs.db")
    experiment = mlflow.create_experiment("two_layers", f"{files}/artifacts")
    mlflow.set_experiment(experiment_id=experiment)
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as scratch:

        def record(seed: int) -> None:
            kept, metrics = compute(seed)
            with mlflow.start_run():
                mlflow.log_params(parameters(seed))
                mlflow.log_metrics(metrics)
                store(Path(scratch), kept)
                mlflow.log_artifacts(scratch)

        print_seconds(record, count)


if __name__ == "__main__":
    main()
