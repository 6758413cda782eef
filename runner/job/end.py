"""How a run ends: sealed with all that is known of it, and put in place."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from runner.errors import LayerFailedError, RunnerError, WriteError, interruption, one_line
from runner.job.interrupts import held_back
from runner.job.job import Job
from runner.job.log import close_logs_in, log_end
from runner.provenance import Gathering
from runner.store import layout
from runner.store.claim import Claim
from runner.store.commit import STEPS, Sealed, seal, sync_files
from runner.store.write import RunWriter


def begun(job: Job, run_id: str) -> dict[str, Any]:
    """What is known of a run when it has just begun."""
    return {
        "run_id": run_id,
        "name": job.stored["name"],
        "tags": job.tags,
        "start_time": datetime.now(UTC),
        "overrides": list(job.overrides),
        "config": job.config_json,
        "config_hash": job.config_hash,
        "params": job.params(),
    }


@dataclass(frozen=True)
class End:
    """What every end of a run has in common.

    Attributes:
        writer: of the run's files.
        record: what goes to ``run.parquet``, as far as it is known.
        facts: where the run comes from.
        ended: told of what was committed.
        put_in_place: takes the run once all its files are written.
        origin: digests of the inputs and of the user's code.
    """

    writer: RunWriter
    record: dict[str, Any]
    facts: Gathering
    ended: Callable[[dict[str, Any]], None]
    put_in_place: Callable[[Sealed], None]
    origin: dict[str, str | None] = field(default_factory=dict)

    def commit(
        self,
        status: str,
        error: str | None,
        layers: list[dict[str, Any]],
        metrics: Mapping[str, float],
    ) -> None:
        """Seals the run and has it put in place; ``ended`` is told of it then.

        Args:
            status: FINISHED, FAILED or INTERRUPTED.
            error: the reason, in one line, where it is not FINISHED.
            layers: the rows of ``layers.parquet``.
            metrics: name -> value.
        """
        digests = [row["digest"] for row in layers]
        self.record.update(
            status=status,
            error=error,
            end_time=datetime.now(UTC),
            digest=layout.run_digest(digests) if digests else None,
            metrics=dict(metrics),
            facts={**self.facts.result(), **self.origin},
        )
        self.put_in_place(seal(self.writer, self.record))
        seconds = (self.record["end_time"] - self.record["start_time"]).total_seconds()
        self.ended({**self.record, "layers": layers, "seconds": seconds})


def alone(sealed: Sealed) -> None:
    """Commits one run by itself; a signal that comes meanwhile waits for it."""
    sync_files(sealed)
    with held_back():
        for step in STEPS[1:]:
            step(sealed)


def fail(end: End, claim: Claim, error: BaseException) -> None:
    """Commits a run that did not finish, with the reason; a write that fails again is let be."""
    status = layout.FAILED
    signalled = interruption(error)
    if signalled is not None:
        status = layout.INTERRUPTED
        reason = f"interrupted by signal {getattr(signalled, 'exit_code', 130) - 128}"
    elif isinstance(error, RunnerError):
        reason = one_line(str(error))
    else:
        reason = one_line(f"{type(error).__name__}: {error}")
    try:
        end.writer.discard()
        if claim.directory.is_dir():
            _log_failure(claim.directory, error, reason)
            end.commit(status, reason, [], {})
    except (WriteError, OSError):
        claim.release()


def _log_failure(directory: Path, error: BaseException, reason: str) -> None:
    close_logs_in(directory)
    if isinstance(error, LayerFailedError) and error.trace:
        log_end(directory, f"{reason}\n{error.trace.rstrip()}")
    elif isinstance(error, RunnerError) or interruption(error) is not None:
        log_end(directory, reason)
    else:
        trace = "".join(traceback.format_exception(error)).rstrip()
        log_end(directory, f"{reason}\n{trace}")
