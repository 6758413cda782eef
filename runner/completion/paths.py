"""Files and folders that a word may become."""

from __future__ import annotations

import os
from collections.abc import Iterator

from runner.completion.candidate import Candidate


def paths(begun: str, before: str = "", *, folders_only: bool = False) -> Iterator[Candidate]:
    """Those that begin so; ``before`` is what stands in front of them in the word."""
    folder, _, name = begun.rpartition("/")
    place = os.path.expanduser(f"{folder}/" if "/" in begun else ".")
    try:
        with os.scandir(place) as entries:
            found = sorted((entry.name, entry.is_dir()) for entry in entries)
    except OSError:
        return
    head = f"{before}{folder}/" if "/" in begun else before
    for there, is_folder in found:
        hidden = there.startswith(".") and not name.startswith(".")
        if there.startswith(name) and not hidden and (is_folder or not folders_only):
            yield Candidate(f"{head}{there}{'/' if is_folder else ''}", open=is_folder)
