"""What a result hangs on besides its configuration: the inputs, and the code of the reader's."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from runner.data import Source
from runner.forward.targets import Instantiate
from runner.job.inputs import DatasetDigest
from runner.job.job import Job
from runner.job.plan import prepare
from runner.schema import BY_TARGET


def origin(work: Job, instantiate: Instantiate) -> dict[str, str | None]:
    """The facts of a job that is not run: ``inputs.digest`` and ``code.digest``.

    Raises:
        RunnerError: the job cannot be run.
    """
    return origin_of(inputs_digest(prepare(work, instantiate).source), work.config, instantiate)


def origin_of(
    digest: str, config: Mapping[str, Any], instantiate: Instantiate
) -> dict[str, str | None]:
    """The same where the digest of the inputs is known already."""
    return {"inputs.digest": digest, "code.digest": code_digest(config, instantiate)}


def inputs_digest(source: Source) -> str:
    """The digest of a dataset that is made for nothing else; see :class:`DatasetDigest`."""
    digest = DatasetDigest((source.shape.n_samples, source.shape.n_features))
    if source.rows is None:
        inputs, targets = source.make()
        digest.inputs(inputs)
        if targets is not None:
            digest.targets(targets)
        return digest.hexdigest()
    for inputs, _ in source.rows.blocks():
        digest.inputs(inputs)
    for targets in source.rows.targets() if source.rows.targets else ():
        digest.targets(targets)
    return digest.hexdigest()


def code_digest(config: Mapping[str, Any], instantiate: Instantiate) -> str | None:
    """SHA-256 over the source files of the reader's classes; None: one has no source to read.

    The files of the classes they inherit from count as well; what else these files import is not
    followed.
    """
    entries = [config.get("data"), *(config.get("layers") or {}).values()]
    targets = {e["_target_"] for e in entries if isinstance(e, Mapping) and "_target_" in e}
    digest = hashlib.sha256()
    for target in sorted(targets - BY_TARGET.keys()):
        try:
            found = instantiate.locate(target)
            source = inspect.getsourcefile(found)
            if source is None:
                return None
            _add(digest, target, source)
        except (TypeError, OSError):
            return None
        seen = {source}
        for base in getattr(found, "__mro__", ())[1:]:
            # What is compiled, or part of Python, has no file: a version stands for it.
            with suppress(TypeError, OSError):
                source = inspect.getsourcefile(base)
                if source is not None and source not in seen:
                    seen.add(source)
                    _add(digest, f"{base.__module__}.{base.__qualname__}", source)
    return digest.hexdigest()


def _add(digest: Any, name: str, source: str) -> None:
    with open(source, "rb") as file:
        digest.update(f"{name}\n".encode())
        digest.update(hashlib.file_digest(file, "sha256").digest())
