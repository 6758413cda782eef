"""``python -m runner [OVERRIDES]`` at its start: without Hydra, where this was composed before."""

from __future__ import annotations

import gc
from collections.abc import Sequence

from runner import console
from runner.app import cache
from runner.app.cache import Composition
from runner.app.fingerprint import fingerprint
from runner.app.work import usual
from runner.ending import answering


def main(argv: Sequence[str]) -> int:
    """Does what the arguments ask for; gives the exit code."""
    return answering(lambda: _start(argv))


def _start(argv: Sequence[str]) -> int:
    key = fingerprint(argv) if cache.enabled() else None
    found = cache.load(key) if key else None
    if found is not None and cache.fits((work := found.job()).directory):
        _collect_again()
        result = usual(work, found.files_in)
        console.give(result.directory)
        return 0
    from runner.app.main import by_hydra

    _collect_again()

    def keep(composition: Composition) -> None:
        # The files may have been changed while Hydra was reading them.
        if key and fingerprint(argv) == key:
            cache.save(key, composition)

    return by_hydra(argv, keep if key else None)


def _collect_again() -> None:
    """Ends the pause that ``__main__`` began; what is there by now is never looked at again."""
    gc.freeze()
    gc.enable()
