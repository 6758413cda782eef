"""A run that is composed, carried out for somebody at a terminal; knows nothing of Hydra."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from runner import console, job
from runner.app.instantiate import HydraInstantiate
from runner.errors import RunnerError, duration
from runner.job import Job, Result
from runner.store import layout
from runner.store.claim import Claim, claim
from runner.store.claim.around import check_outside
from runner.store.claim.owner import RUN
from runner.store.commit import point_latest

Do = Callable[[bool], Result]
"""Does the run; is told whether it is to write its log itself."""


def carry_out(work: Job, inside: Callable[[Claim, Do], Result], *, quiet: bool = False) -> Result:
    """Checks, claims, runs, commits, and shows the result.

    Args:
        work: the run.
        inside: gets the claim, and does the run by calling what it gets with it.
        quiet: show nothing.
    """
    instantiate = HydraInstantiate()
    try:
        plan = job.prepare(work, instantiate)
    except RunnerError as error:
        work.secrets.hide_in(error)
        raise
    warn_of_secrets({key: value for key, (value, _) in work.params().items()})
    check_outside(work.directory, RUN)
    claimed = claim(work.directory, stamped=work.stamped)
    progress = console.Progress(plan.shape.n_samples * len(plan.layers), visible=not quiet)

    def do(own_log: bool) -> Result:
        return job.execute(
            work, claimed, instantiate, plan=plan, advance=progress.advance, own_log=own_log
        )

    try:
        result = inside(claimed, do)
    except BaseException:
        # Without a run in it, its directory is of no use to anybody.
        claimed.abandon()
        if not quiet and claimed.directory.is_dir():
            console.give(claimed.directory)
        raise
    finally:
        progress.close()
    lead_latest_to(result.directory)
    if not quiet:
        show(result, plan)
    return result


def lead_latest_to(directory: Path) -> None:
    """Points ``outputs/latest`` to what has just ended, unless a file of somebody's is there."""
    if not point_latest(Path("outputs"), directory):
        link = f"outputs/{layout.LATEST}"
        console.say(f"note: {link} is no link of ours and stays as it is: move it away")


def warn_of_secrets(values: Mapping[str, Any]) -> None:
    """Tells of what looks like a secret and was typed; see :func:`job.literal_secrets`."""
    for note in job.literal_secrets(values, os.environ):
        console.say(f"warning: {note}")


def usual(
    work: Job, hydra_files: Callable[[Path], Mapping[str, str]], *, quiet: bool = False
) -> Result:
    """A run around which Hydra has nothing to do.

    Args:
        work: the run.
        hydra_files: gives the texts of ``.hydra`` for the run's directory.
        quiet: show nothing.
    """

    def inside(claimed: Claim, do: Do) -> Result:
        work.hydra_files.update(hydra_files(claimed.directory))
        return do(True)

    return carry_out(work, inside, quiet=quiet)


def show(result: Result, plan: job.Plan) -> None:
    """The run as a short table on stderr."""
    shape = plan.shape
    console.say(f"run {result.run_id}: {shape.n_samples} samples x {shape.n_features} features")
    rows = [
        (
            str(row["position"]),
            row["name"],
            row["kind"],
            f"{row['n_samples']} x {row['n_neurons']}",
            console.number(row["mean"]),
            console.number(row["std"]),
            duration(row["seconds"]),
        )
        for row in result.layers
    ]
    console.say(console.table(("", "layer", "kind", "shape", "mean", "std", "time"), rows))
    for name, value in result.metrics.items():
        console.say(f"{name} {console.number(value)}")
    for note in result.notes:
        console.say(f"note: {note}")
    console.say(f"finished in {duration(result.seconds)}")
