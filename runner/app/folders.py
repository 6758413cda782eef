"""Where configuration and modules are found; known without Hydra."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import runner


def config_directory() -> Path:
    """Our ``conf/``: beside the package in a checkout, inside it when it is installed."""
    package = Path(runner.__file__).resolve().parent
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"


def plugin_directory() -> Path:
    """Where our own plugins for Hydra are in a checkout; not there when it is installed."""
    return Path(runner.__file__).parent / "sweep" / "plugin"


def add_current_folder(folder: str | None = None) -> None:
    """Lets modules that the user trusts be found beside where they stand, as ``python -m`` does.

    Without trust nothing of that folder is to be imported, plugins of Hydra's included.

    Args:
        folder: where they stand, if ``hydra.job.chdir`` may have left it meanwhile.
    """
    here = os.getcwd()
    folder = folder or here
    if folder not in sys.path and not (folder == here and "" in sys.path):
        sys.path.insert(0, folder)
