"""The way of one run: claim, draw, run forward, store, commit."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runner import limits
from runner.errors import (
    clip,
    one_line,
)
from runner.forward import network
from runner.forward.run import run
from runner.forward.statistics import ClassMetrics
from runner.forward.targets import Instantiate
from runner.job.end import End, alone, begun, fail
from runner.job.inputs import Inputs
from runner.job.job import Job
from runner.job.keeper import Keepers
from runner.job.log import close_logs_in, hiding_in_logs, log_end, run_log
from runner.job.origin import origin_of
from runner.job.plan import Plan, prepare
from runner.job.size import files_of, out_of_memory
from runner.provenance import Gathering
from runner.store import layout
from runner.store.claim import Claim
from runner.store.commit import Sealed
from runner.store.files import write_file, writing
from runner.store.shared import SharedInputs
from runner.store.write import RunWriter

log = logging.getLogger("runner")


@dataclass(frozen=True)
class Result:
    """How a run ended.

    Attributes:
        directory: where it is.
        run_id: its name for ever.
        status: FINISHED; anything else comes as an exception.
        layers: the rows of ``layers.parquet``.
        metrics: loss and accuracy, where there are any.
        seconds: from the claim to the commit.
    """

    directory: Path
    run_id: str
    status: str
    layers: list[dict[str, Any]]
    metrics: dict[str, float]
    seconds: float
    notes: list[str] = field(default_factory=list)


def execute(
    job: Job,
    claim: Claim,
    instantiate: Instantiate,
    *,
    plan: Plan | None = None,
    threads: int | None = None,
    advance: Callable[[int], None] = lambda rows: None,
    own_log: bool = True,
    facts: Gathering | None = None,
    ended: Callable[[dict[str, Any]], None] = lambda record: None,
    put_in_place: Callable[[Sealed], None] | None = None,
    shared: SharedInputs | None = None,
) -> Result:
    """Does a run in a directory that is claimed, and commits it, however it ends.

    Args:
        job: what to run.
        claim: the directory, ours alone.
        instantiate: makes the reader's own classes.
        plan: the job, checked; None: checked here, and what is refused is recorded as FAILED.
        threads: tiles computed at once; None: one for each core.
        advance: told of every batch how many rows were computed.
        own_log: write ``runner.log`` here; False where Hydra has set up the logging.
        facts: where the run comes from, already gathered; None: gathered here.
        ended: told of what was committed, however the run ended: the record of ``run.parquet``,
            and as ``layers`` the rows of ``layers.parquet``.
        put_in_place: takes a run whose files are all written, to commit it with others; None: it
            is committed here.
        shared: the inputs that earlier runs of this process have stored; None: it stores its own.

    Returns:
        The finished run.

    Raises:
        ConfigError: the configuration cannot be run; the run is committed as FAILED.
        LayerFailedError: a class of the reader's raised; the run is committed as FAILED.
        InterruptedRunError: a signal; the run is committed as INTERRUPTED.
        WriteError: the disk is full or not ours; nothing that reads as a run is left.
    """
    run_id = secrets.token_hex(8)
    clock = time.perf_counter()
    if facts is None:
        facts = Gathering(threads=threads or limits.cores())
        facts.start()
    writer = RunWriter(claim, run_id)
    end = End(writer, begun(job, run_id), facts, ended, put_in_place or alone)
    try:
        hide = job.secrets.hide
        with run_log(claim.directory, hide) if own_log else hiding_in_logs(hide):
            log.info("run %s of %s", run_id, " ".join(job.overrides) or "the defaults")
            _write_hydra_files(claim.directory, job.hydra_files)
            plan = plan or prepare(job, instantiate)
            inputs = Inputs(plan.source, writer, shared)
            end.origin.update(origin_of(inputs.digest, job.config, instantiate))
            with limits.one_blas_thread():
                layers, metrics, notes = _pass(
                    plan, inputs, instantiate, writer, threads or limits.cores(), advance
                )
            for row in layers:
                log.info("layer %(position)d %(name)s: mean %(mean)g, std %(std)g", row)
            notes += _not_finite(layers)
            for note in notes:
                log.warning("%s", note)
        close_logs_in(claim.directory)
        end.commit(layout.FINISHED, None, layers, metrics)
    except BaseException as error:
        ours = _in_our_words(error, job, plan)
        if not (claim.directory / layout.RUN_FILE).exists():
            fail(end, claim, ours)
        if ours is error:
            raise
        raise ours from error
    seconds = time.perf_counter() - clock
    return Result(claim.directory, run_id, layout.FINISHED, layers, metrics, seconds, notes)


def _in_our_words(error: BaseException, job: Job, plan: Plan | None) -> BaseException:
    """The error as it is stored and shown: without what came from the environment."""
    if isinstance(error, MemoryError) and plan is not None:
        return out_of_memory(plan)
    job.secrets.hide_in(error)
    return error


def record_failure(
    job: Job, claim: Claim, reason: str, status: str = layout.FAILED
) -> dict[str, Any]:
    """Commits a run that ended without a word; gives what :func:`execute` tells."""
    records: list[dict[str, Any]] = []
    facts = Gathering(threads=limits.cores())
    facts.start()
    run_id = secrets.token_hex(8)
    end = End(RunWriter(claim, run_id), begun(job, run_id), facts, records.append, alone)
    _write_hydra_files(claim.directory, job.hydra_files)
    log_end(claim.directory, reason)
    end.commit(status, one_line(reason), [], {})
    return records[0]


def _pass(
    plan: Plan,
    inputs: Inputs,
    instantiate: Instantiate,
    writer: RunWriter,
    threads: int,
    advance: Callable[[int], None],
) -> tuple[list[dict[str, Any]], dict[str, float], list[str]]:
    """Layers, forward pass and files; gives the rows of the layers, metrics and notes."""
    layers = network.build(plan.layers, plan.rule, plan.stream, instantiate)
    writer.parameters(
        [(n.name, part, array) for n in layers for part, array in n.layer.parameters().items()]
    )
    n_samples = plan.shape.n_samples
    limits.allow_files(files_of(plan))
    metrics, notes = _class_metrics(plan, inputs)
    targets = inputs.targets() if metrics else iter(())
    stream = run(
        inputs.tiles(),
        n_samples,
        layers,
        rule=plan.rule,
        batch_size=plan.batch_size,
        threads=threads,
        clock=time.perf_counter,
    )
    keepers = Keepers(plan, writer, threads)
    with keepers.lanes:
        for batch in stream:
            keepers.take(batch)
            if metrics and batch.position == len(layers) - 1:
                metrics.update(batch.outputs, next(targets))
            advance(len(batch.outputs))
    rows = keepers.rows()
    writer.layers(rows)
    return rows, metrics.row() if metrics else {}, notes


def _not_finite(layers: list[dict[str, Any]]) -> list[str]:
    """What the statistics have left out."""
    counts = [
        f"{row['name']} ({row['nonfinite_count']} of {row['n_samples'] * row['n_neurons']})"
        for row in layers
        if row["nonfinite_count"]
    ]
    told = clip(", ".join(counts), 120)
    return [f"values that are not finite, left out of the statistics: {told}"] if counts else []


def _class_metrics(plan: Plan, inputs: Inputs) -> tuple[ClassMetrics | None, list[str]]:
    """The metrics, where the last layer is Softmax and the targets are classes."""
    last, classes = plan.layers[-1], inputs.classes
    if last.target != "runner.layers.Softmax" or classes is None:
        return None, []
    if classes[0] < 0 or classes[1] >= last.n_neurons:
        found = f"from {classes[0]} to {classes[1]}"
        return None, [f"no metrics: targets {found}, and {last.name} has {last.n_neurons} neurons"]
    return ClassMetrics(), []


def _write_hydra_files(directory: Path, files: Mapping[str, str]) -> None:
    if not files:
        return
    folder = directory / ".hydra"
    with writing(folder):
        folder.mkdir()
    for name, text in files.items():
        write_file(f"{folder}/{name}", text.encode())
