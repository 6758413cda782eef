"""The rows of a large sweep in little memory."""

from __future__ import annotations

import pickle
import sys
import zlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping

from runner.sweep.places import Row

_BLOCK = 500  # rows that are packed together
_OPEN = 4  # blocks: jobs of several workers end out of order, but not far


class Rows(Mapping[int, Row]):
    """Number -> row, by number. What has come in is packed by the block, to a tenth of its size.

    Attributes:
        statuses: number -> status, which costs nothing to look at.
        directories: of all of them.
    """

    def __init__(self) -> None:
        self.statuses: dict[int, str] = {}
        self.directories: set[str] = set()
        self._blocks: list[bytes] = []
        self._at: dict[int, int] = {}  # number -> block; the last one is not packed yet
        self._last: dict[int, Row] = {}
        self._open: OrderedDict[int, dict[int, Row]] = OrderedDict()

    def add(self, row: Row) -> None:
        """Takes in a row; of two with one number the later one counts."""
        # A row from a worker brings its own copies of the names of a hundred columns.
        row = {sys.intern(name): value for name, value in row.items()}
        number = row["number"]
        self.statuses[number] = row["status"]
        self.directories.add(row["directory"])
        self._at[number] = len(self._blocks)
        self._last[number] = row
        if len(self._last) == _BLOCK:
            self._blocks.append(zlib.compress(pickle.dumps(self._last, protocol=5), level=1))
            self._last = {}

    def __getitem__(self, number: int) -> Row:
        at = self._at[number]
        if at == len(self._blocks):
            return self._last[number]
        if at not in self._open:
            # Nobody else has had these bytes in their hands.
            self._open[at] = pickle.loads(zlib.decompress(self._blocks[at]))  # noqa: S301
            if len(self._open) > _OPEN:
                self._open.popitem(last=False)
        return self._open[at][number]

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(self._at))

    def __len__(self) -> int:
        return len(self._at)
