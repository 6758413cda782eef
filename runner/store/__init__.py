"""Runs on disk: the one wing that knows parquet.

Nothing is loaded before it is used, so that a run pays for writing alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.lazy import names

if TYPE_CHECKING:
    from runner.store.claim import Claim, adopt
    from runner.store.claim.owner import is_alive
    from runner.store.claim.sweep import claim_sweep
    from runner.store.commit import point_latest
    from runner.store.index import rows, runs
    from runner.store.index.named import resolve
    from runner.store.layer import Layer
    from runner.store.read import Run, load
    from runner.store.verify import Finding
    from runner.store.write import RunWriter, StoredFile

__all__ = [
    "Claim",
    "Finding",
    "Layer",
    "Run",
    "RunWriter",
    "StoredFile",
    "adopt",
    "claim_sweep",
    "is_alive",
    "load",
    "point_latest",
    "resolve",
    "rows",
    "runs",
]

# Not `claim`, `commit` and `verify`: these names are the modules', where the functions are.
_HOME = {
    "Claim": "claim",
    "Finding": "verify",
    "Layer": "layer",
    "Run": "read",
    "RunWriter": "write",
    "StoredFile": "write",
    "adopt": "claim",
    "claim_sweep": "claim.sweep",
    "is_alive": "claim.owner",
    "load": "read",
    "point_latest": "commit",
    "resolve": "index.named",
    "rows": "index",
    "runs": "index",
}

__getattr__ = names(__name__, {name: f"{__name__}.{home}" for name, home in _HOME.items()})
