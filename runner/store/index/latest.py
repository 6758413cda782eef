"""The link ``latest`` once what it led to is deleted."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from runner.store import layout, sweeps
from runner.store.commit import point_latest
from runner.store.index import rows


def led_to(directories: Sequence[Path]) -> list[Path]:
    """The folders above some runs or sweeps whose ``latest`` leads to, or into, one of them.

    To be asked before they are deleted: of a link that leads nowhere nobody knows whose it was.
    """
    targets = [Path(os.path.realpath(directory)) for directory in directories]
    above = {folder for path in (*targets, *directories) for folder in path.absolute().parents}
    return sorted(root for root in above if _leads_into(root / layout.LATEST, targets))


def _leads_into(link: Path, targets: Sequence[Path]) -> bool:
    there = Path(os.path.realpath(link)) if link.is_symlink() else None
    return there is not None and any(there.is_relative_to(target) for target in targets)


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
