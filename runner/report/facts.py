"""What is known of a run besides its numbers: for the head of a page and its end."""

from __future__ import annotations

from datetime import datetime

from runner.analysis.changes import leaves
from runner.errors import duration, show
from runner.report.page import number
from runner.store.read import Run

Fact = tuple[str, str]


def headline(run: Run) -> list[Fact]:
    """Name and value of what one asks first."""
    layers = list(run.layers.values())
    facts = []
    if layers:
        facts += [
            ("samples", number(layers[0].n_samples)),
            ("features", number(layers[0].n_inputs)),
        ]
        facts.append(("layers", number(len(layers))))
        count = sum(a.size for arrays in run.parameters.values() for a in arrays.values())
        facts.append(("parameters", number(int(count))))
    for key, value in run.metadata.items():
        if key.startswith("metrics.") and value is not None:
            facts.append((key.removeprefix("metrics."), number(value)))
    begun, ended = run.metadata["start_time"], run.metadata["end_time"]
    if begun and ended:
        facts.append(("took", duration(max((ended - begun).total_seconds(), 0.0))))
    return facts


def configuration(run: Run) -> list[Fact]:
    """Every key of the configuration and its value as one would type it."""
    return [(key, show(value)) for key, value in leaves("", run.config)]


def provenance(run: Run) -> list[Fact]:
    """Where it came from: times, digests, commit, versions, machine."""
    names = ("run_id", "start_time", "end_time", "config_hash", "digest")
    chosen = {k: v for k, v in run.metadata.items() if k in names or k.startswith(("git.", "env."))}
    return [
        (key, value.isoformat(" ", "seconds") if isinstance(value, datetime) else show(value))
        for key, value in chosen.items()
        if value is not None
    ]
