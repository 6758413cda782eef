"""A run or a sweep as a tracking store takes it: parameters, metrics with steps, tags, files."""

from __future__ import annotations

import hashlib
import html
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from runner.analysis.changes import interpolations
from runner.console import markdown, number
from runner.errors import clip, show
from runner.store import Run, layout
from runner.store.sweeps import INDEX_FILE
from runner.store.sweeps.spec import SPEC_FILE

RUN_ID = "runner.run_id"
SWEEP_ID = "runner.sweep_id"
"""The tags by which what is there already is known again."""

STATUSES = {layout.FINISHED: "FINISHED", layout.FAILED: "FAILED", layout.INTERRUPTED: "KILLED"}
"""Our word for how a run ended -> MLflow's."""

LONGEST_KEY, LONGEST_VALUE, LONGEST_TAG = 250, 6000, 5000
"""What MLflow's stores take, in characters."""

_STATISTICS = (*layout.STATISTICS, "seconds")
_LISTED = 40  # layers that the description shows


@dataclass
class Entry:
    """What becomes one run of the tracking store.

    Attributes:
        name: what it is called.
        status: FINISHED, FAILED or KILLED.
        start, end: milliseconds since 1970.
        tags, params: name -> text, as short as the store takes them.
        metrics: (name, value, step); of a layer the step is its position.
        files: path in the store -> file.
        notes: what was cut or left out, a phrase each.
    """

    name: str
    status: str
    start: int
    end: int
    tags: dict[str, str]
    params: dict[str, str]
    metrics: list[tuple[str, float, int]] = field(default_factory=list)
    files: dict[str, Path] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def of_run(run: Run, *, outputs: bool = True, called: str | None = None) -> Entry:
    """A stored run; its files are checked against their sums here.

    Args:
        run: the run.
        outputs: False leaves its inputs and its layers' outputs out.
        called: its name in the store; None: its own, or its id.

    Raises:
        DamagedError: a file is not what was written.
    """
    facts = run.metadata
    layers = list(run.layers.values())
    tags = {
        RUN_ID: run.id,
        "runner.digest": facts["digest"],
        "runner.config_hash": facts["config_hash"],
        "runner.overrides": " ".join(facts["overrides"] or ()),
        "runner.tags": " ".join(facts["tags"] or ()),
        "runner.error": facts["error"],
        "mlflow.source.name": "runner",
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": facts.get("git.commit"),
        "mlflow.note.content": _description(run),
        **{k: v for k, v in facts.items() if k.startswith(("env.", "git."))},
    }
    entry = Entry(
        name=called or facts["name"] or run.id,
        status=STATUSES[run.status],
        start=_milliseconds(facts["start_time"]),
        end=_milliseconds(facts["end_time"]),
        tags={},
        params={},
    )
    entry.tags = _texts(tags, LONGEST_TAG, [])  # the whole of each is in the run's files
    params = {k.removeprefix("params."): v for k, v in facts.items() if k.startswith("params.")}
    params |= interpolations(run.config)
    entry.params = _texts({k: show(v) for k, v in params.items()}, LONGEST_VALUE, entry.notes)
    for key, value in facts.items():
        if key.startswith("metrics.") and value is not None:
            entry.metrics.append((key.removeprefix("metrics."), float(value), 0))
    for layer in layers:
        values = {**layer.statistics, "seconds": layer.seconds}
        for name in _STATISTICS:
            if values[name] is not None:
                entry.metrics.append((f"layer/{name}", float(values[name]), layer.position))
    # In a folder of their own, which is the run as it is on disk: `runner verify` can read it.
    for path in sorted(run.files.sums):
        if outputs or not path.startswith((f"{layout.LAYERS_FOLDER}/", layout.INPUTS_FILE)):
            entry.files[f"run/{path}"] = run.files.path(path)
    if entry.files:
        entry.files[f"run/{layout.SUMS_FILE}"] = run.path / layout.SUMS_FILE
    return entry


def of_sweep(path: Path, rows: Sequence[Mapping[str, Any]]) -> Entry:
    """A sweep, the parent of its runs.

    Args:
        path: its directory.
        rows: a row for each of its jobs that ended, as its index has them.
    """
    counts = Counter(row["status"] for row in rows)
    starts = [_milliseconds(row["start_time"]) for row in rows if row["start_time"]]
    ends = [_milliseconds(row["end_time"]) for row in rows if row["end_time"]]
    notes: list[str] = []
    params = _texts(_same_for_all(rows), LONGEST_VALUE, notes)
    status = "FINISHED"
    if counts[layout.FAILED]:
        status = "FAILED"
    elif counts[layout.INTERRUPTED]:
        status = "KILLED"
    tags = {
        SWEEP_ID: sweep_id(path, rows),
        "mlflow.source.name": "runner",
        "mlflow.source.type": "LOCAL",
        "mlflow.note.content": f"A sweep of {len(rows)} jobs: "
        + ", ".join(f"{count} {status}" for status, count in sorted(counts.items())),
    }
    metrics = [("jobs", float(len(rows)), 0)]
    metrics += [(f"jobs/{word.lower()}", float(count), 0) for word, count in sorted(counts.items())]
    files = {name: path / name for name in (INDEX_FILE, "multirun.yaml")}
    return Entry(
        name=_name_of_sweep(path, rows),
        status=status,
        start=min(starts, default=0),
        end=max(ends, default=0),
        tags=tags,
        params=params,
        metrics=metrics,
        files={name: file for name, file in files.items() if file.is_file()},
        notes=notes,
    )


def sweep_id(path: Path, rows: Sequence[Mapping[str, Any]]) -> str:
    """What tells a sweep from every other, also once its directory is somewhere else."""
    spec = path / SPEC_FILE
    if spec.is_file():
        return hashlib.sha256(spec.read_bytes()).hexdigest()[:16]
    first = min((str(row["run_id"]) for row in rows if row["run_id"]), default=path.name)
    return hashlib.sha256(first.encode()).hexdigest()[:16]


def names_in_sweep(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Run id -> what tells it from the others of its sweep: the overrides that not all have."""
    return {
        run_id: clip(" ".join(own), LONGEST_KEY) or run_id for run_id, own in _varying(rows).items()
    }


def _name_of_sweep(path: Path, rows: Sequence[Mapping[str, Any]]) -> str:
    keys = dict.fromkeys(text.partition("=")[0] for own in _varying(rows).values() for text in own)
    return clip(f"sweep over {', '.join(keys)}", LONGEST_KEY) if keys else f"sweep {path.name}"


def _varying(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Run id -> those of its overrides that not all runs have."""
    runs = {row["run_id"]: list(row["overrides"] or ()) for row in rows if row["run_id"]}
    common = set.intersection(*map(set, runs.values())) if runs else set()
    return {run_id: [text for text in own if text not in common] for run_id, own in runs.items()}


def _same_for_all(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The parameters that all runs have in common; the others are what is swept."""
    runs = [row for row in rows if row["run_id"]]
    first = {k: v for k, v in runs[0].items() if k.startswith("params.")} if runs else {}
    return {
        key.removeprefix("params."): show(value)
        for key, value in first.items()
        if all(row.get(key) == value for row in runs)
    }


def _texts(values: Mapping[str, Any], longest: int, notes: list[str]) -> dict[str, str]:
    """Names and texts as the store takes them; what isn't there is left out."""
    found: dict[str, str] = {}
    for key, value in values.items():
        if value is None or value == "":
            continue
        name = _name(key)
        while name in found:
            name += "_"
        if name != key:
            notes.append(f"{clip(key, 40)} is called {clip(name, 40)}")
        text = str(value)
        if len(text) > longest:
            notes.append(f"{clip(key, 40)} is cut to {longest} characters of {len(text)}")
            text = f"{text[: longest - 1]}…"
        found[name] = text
    return found


def _name(key: str) -> str:
    """Letters, digits and ``_ - . :`` and spaces are what a name may have."""
    plain = re.sub(r"[^\w.\- :]", "_", key)
    if len(plain) <= LONGEST_KEY:
        return plain
    digest = hashlib.sha256(key.encode()).hexdigest()[:8]
    return f"{plain[: LONGEST_KEY - 9]}-{digest}"


def _description(run: Run) -> str:
    """The layers as a table in Markdown: what the steps of the metrics are."""
    layers = list(run.layers.values())
    if not layers:
        return ""
    heads = ("step", "layer", "kind", "shape", "mean", "std", "min", "max")
    rows = [
        [str(layer.position), layer.name, layer.kind, f"{layer.n_samples} x {layer.n_neurons}"]
        + [number(layer.statistics[name]) for name in heads[4:]]
        for layer in layers[:_LISTED]
    ]
    # MLflow's page leaves no room between columns.
    text = markdown(heads, [[f"{html.escape(cell)} &nbsp;" for cell in row] for row in rows])
    more = len(layers) - len(rows)
    return f"{text}\n\nand {more} more layers" if more else text


def _milliseconds(time: datetime) -> int:
    return int(time.timestamp() * 1000)
