"""One thing that the shell may offer."""

from __future__ import annotations

from typing import NamedTuple


class Candidate(NamedTuple):
    """A whole word that fits, as the shell puts it in the place of the one that was begun.

    Attributes:
        word: the word.
        about: what it is, for shells that show it.
        open: more of the same word follows, so no space does: ``data=``, ``data.``, ``outputs/``.
    """

    word: str
    about: str = ""
    open: bool = False
