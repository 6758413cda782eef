"""What happens to the layers' outputs: statistics and digest of all, a file of those kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from runner.forward.budget import waiting
from runner.forward.run import Batch
from runner.forward.statistics import Statistics
from runner.job.lanes import Lanes, spread
from runner.job.plan import Plan
from runner.numerics import TILE
from runner.store import layout
from runner.store.write import MatrixWriter, RunWriter, StoredFile

_STORING = 2.0
"""What writing a value takes, against what it takes to digest it: measured."""


class Keepers:
    """All layers' keepers, and the threads that digest and write beside the forward pass.

    A small run has none.

    Args:
        plan: the run.
        writer: of its files.
        threads: how many may digest and write.

    Attributes:
        lanes: where they work, to be entered for as long as outputs are taken.
    """

    def __init__(self, plan: Plan, writer: RunWriter, threads: int) -> None:
        widths = [part.n_neurons for part in plan.layers]
        together = sum(widths)
        self._keepers = [_Keeper(plan, writer, at, together) for at in range(len(widths))]
        weights = [float(width) for width in widths]
        if plan.kept_rows:
            weights += [_STORING * width for width in widths]
        count = 0 if plan.shape.n_samples <= TILE else min(threads, len(weights))
        self._lane_of: Sequence[int] = spread(weights, max(1, count))
        tasks = [self._lane_of.count(lane) for lane in range(count)]
        item = plan.rule.dtype.itemsize
        self.lanes = Lanes(waiting(widths, tasks, item, batch_size=plan.batch_size))

    def take(self, batch: Batch) -> None:
        """The next rows of a layer.

        Raises:
            WriteError: these or earlier rows could not be written.
        """
        keeper = self._keepers[batch.position]
        keeper.note(batch)
        self.lanes.put(self._lane_of[batch.position], lambda: keeper.digest(batch.outputs))
        if keeper.keeps(batch.start):
            lane = self._lane_of[len(self._keepers) + batch.position]
            self.lanes.put(lane, lambda: keeper.store(batch.start, batch.outputs))

    def rows(self) -> list[dict[str, Any]]:
        """The rows of ``layers.parquet``, once all outputs were taken and the lanes are left."""
        return [keeper.row() for keeper in self._keepers]


class _Keeper:
    """One layer's.

    The file is open from the first row to the last: where all rows of a layer come at once, a
    network of any depth has one file open at a time.
    """

    def __init__(self, plan: Plan, writer: RunWriter, position: int, together: int) -> None:
        self._plan = plan
        self._together = together
        self._writer = writer
        self._position = position
        self._part = plan.layers[position]
        shape = (plan.shape.n_samples, self._part.n_neurons)
        self._digest = layout.OutputsDigest(plan.rule.dtype, shape)
        self._statistics = Statistics()
        self._seconds = 0.0
        self._kept = plan.kept_rows
        self._file: MatrixWriter | None = None
        self._stored: StoredFile | None = None

    def note(self, batch: Batch) -> None:
        """What is known of the next rows without looking at them again."""
        self._seconds += batch.seconds
        self._statistics.update(batch.piece)

    def digest(self, outputs: NDArray[Any]) -> None:
        """Digests the next rows, (rows, n_neurons)."""
        self._digest.update(outputs)

    def keeps(self, start: int) -> bool:
        """Whether a row of that number goes to disk."""
        return start < self._kept

    def store(self, start: int, outputs: NDArray[Any]) -> None:
        """Writes the next rows, (rows, n_neurons), from row ``start`` on."""
        if self._file is None:
            self._file = self._open()
        self._file.write(outputs[: self._kept - start])
        if start + len(outputs) >= self._kept:
            self._stored = self._file.close()
            self._file = None

    def row(self) -> dict[str, Any]:
        """The layer's row of ``layers.parquet``, once all its rows were taken."""
        part, stored = self._part, self._stored
        return {
            "position": self._position,
            "name": part.name,
            "kind": part.kind,
            "n_inputs": part.n_inputs,
            "n_neurons": part.n_neurons,
            "n_samples": self._plan.shape.n_samples,
            "dtype": self._plan.rule.dtype.name,
            **self._statistics.row(),
            "digest": self._digest.hexdigest(),
            "path": stored.path if stored else None,
            "bytes": stored.bytes if stored else 0,
            "seconds": self._seconds,
        }

    def _open(self) -> MatrixWriter:
        return self._writer.layer(
            position=self._position,
            name=self._part.name,
            kind=self._part.kind,
            n_inputs=self._part.n_inputs,
            n_neurons=self._part.n_neurons,
            n_samples=self._kept,
            dtype=self._plan.rule.dtype,
            n_layers=len(self._plan.layers),
            codec=self._plan.codec,
            together=self._together,
        )
