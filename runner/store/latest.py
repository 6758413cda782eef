"""The link ``latest`` once what it led to is deleted."""

from __future__ import annotations

import contextlib
from pathlib import Path

from runner.store import layout, sweeps
from runner.store.commit import point_latest
from runner.store.index import rows


def mend_latest(root: Path) -> None:
    """Points a ``latest`` in ``root`` that leads nowhere to the newest finished run or sweep.

    Without one it is taken away. A link that can't be changed is no failure.
    """
    link = root / layout.LATEST
    if not link.is_symlink() or link.exists():
        return
    finished = (Path(row["path"]) for row in rows(root) if row["status"] == layout.FINISHED)
    newest = next(finished, None)
    if newest is None:
        with contextlib.suppress(OSError):
            link.unlink()
        return
    # A job's sweep, where that has come to its end.
    done = (newest.parent / sweeps.INDEX_FILE).exists()
    point_latest(root, newest.parent if done else newest)
