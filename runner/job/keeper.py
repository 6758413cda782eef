"""What happens to one layer's outputs: statistics and digest of all, a file of those kept."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from runner.forward.statistics import Statistics
from runner.job.plan import Plan
from runner.store import layout
from runner.store.write import LayerWriter, RunWriter, StoredFile


class Keeper:
    """Takes a layer's outputs as they come, and gives its row of ``layers.parquet``.

    The file is open from the first row to the last: where all rows of a layer come at once, a
    network of any depth has one file open at a time.

    Args:
        plan: the run.
        writer: of its files.
        position: the layer's.
    """

    def __init__(self, plan: Plan, writer: RunWriter, position: int) -> None:
        self._plan = plan
        self._writer = writer
        self._position = position
        self._part = plan.layers[position]
        shape = (plan.shape.n_samples, self._part.n_neurons)
        self._digest = layout.OutputsDigest(plan.rule.dtype, shape)
        self._statistics = Statistics()
        self._seconds = 0.0
        self._kept = plan.kept_rows
        self._file: LayerWriter | None = None
        self._stored: StoredFile | None = None

    def take(self, start: int, outputs: NDArray[Any], seconds: float) -> None:
        """The next rows, (rows, n_neurons), from row ``start`` on."""
        self._seconds += seconds
        self._statistics.update(outputs)
        self._digest.update(outputs)
        if start >= self._kept:
            return
        if self._file is None:
            self._file = self._open()
        self._file.write(outputs[: self._kept - start])
        if start + len(outputs) >= self._kept:
            self._stored = self._file.close()

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

    def _open(self) -> LayerWriter:
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
        )
