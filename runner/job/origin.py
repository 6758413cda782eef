"""What a result hangs on besides its configuration: the inputs, and the code of the reader's."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

from runner.data import Dataset
from runner.forward.targets import Instantiate
from runner.job.job import Job
from runner.job.plan import prepare
from runner.schema import BY_TARGET


def origin(work: Job, instantiate: Instantiate) -> dict[str, str | None]:
    """The facts of a job that is not run: ``inputs.digest`` and ``code.digest``.

    Raises:
        RunnerError: the job cannot be run.
    """
    plan = prepare(work, instantiate)
    return origin_of(plan.make_data(), work.config, instantiate)


def origin_of(
    dataset: Dataset, config: Mapping[str, Any], instantiate: Instantiate
) -> dict[str, str | None]:
    """The same for a dataset that is made already."""
    return {
        "inputs.digest": inputs_digest(dataset),
        "code.digest": code_digest(config, instantiate),
    }


def inputs_digest(dataset: Dataset) -> str:
    """SHA-256 over the inputs and, where there are any, the targets: dtype, shape and bytes."""
    digest = hashlib.sha256()
    for array in dataset:
        if array is not None:
            digest.update(f"{array.dtype.name} {array.shape}\n".encode())
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def code_digest(config: Mapping[str, Any], instantiate: Instantiate) -> str | None:
    """SHA-256 over the source files of the reader's classes; None: one has no source to read.

    What these files import is not followed.
    """
    entries = [config.get("data"), *(config.get("layers") or {}).values()]
    targets = {e["_target_"] for e in entries if isinstance(e, Mapping) and "_target_" in e}
    digest = hashlib.sha256()
    for target in sorted(targets - BY_TARGET.keys()):
        try:
            source = inspect.getsourcefile(instantiate.locate(target))
            if source is None:
                return None
            with open(source, "rb") as file:
                digest.update(f"{target}\n".encode())
                digest.update(hashlib.file_digest(file, "sha256").digest())
        except (TypeError, OSError):
            return None
    return digest.hexdigest()
