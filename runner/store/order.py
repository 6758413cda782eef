"""Names from several lists in one order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


class Order:
    """The names of several lists, each list's in its own order as far as they agree.

    A name that is new comes right after the one it follows in its list, and before what stood
    there. ``[a, b, c]`` and ``[a, x, c]`` make ``[a, x, b, c]``.
    """

    def __init__(self) -> None:
        self._following: dict[str | None, str | None] = {None: None}

    def add(self, names: Iterable[str]) -> None:
        """Takes in the next list."""
        before: str | None = None
        for name in names:
            if name not in self._following:
                self._following[name] = self._following[before]
                self._following[before] = name
            before = name

    def __iter__(self) -> Iterator[str]:
        name = self._following[None]
        while name is not None:
            yield name
            name = self._following[name]
