"""What a run's page is drawn from: some rows of its data, and of what every layer made of them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runner.numerics import TILE
from runner.report.replay import Replay
from runner.report.sample import READ, Sample, scattered, thin
from runner.store import layout
from runner.store.layer import LARGE, Layer
from runner.store.layout import INPUTS
from runner.store.matrix.stored import StoredMatrix
from runner.store.read import Run

_VALUES = 1 << 27
"""Outputs read of all layers together, so that a deep network takes no longer than a wide one."""

_PRODUCTS = 4e9
"""Products of two numbers that computing outputs again may take, about two seconds."""

_CLASSES = 64  # more different whole numbers are values rather than classes


class Material:
    """Some rows of a stored run.

    Args:
        run: any; also one that failed before anything was stored.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.layers = list(run.layers.values())
        kept = [layer.kept_rows for layer in self.layers if layer.path]
        width = sum(layer.n_neurons for layer in self.layers) or 1
        most = min(READ, max(_VALUES // width // TILE, 1) * TILE)
        self.has_outputs = bool(kept)
        stored = self.inputs_matrix
        rows = stored.shape[0] if stored else 0
        row_bytes = (stored.shape[1] + 1) * stored.dtype.itemsize if stored else 0
        self.data = thin(rows, row_bytes)
        if kept:
            layers = sum(layer.bytes for layer in self.layers)
            self.sample = thin(min(kept), layers / max(min(kept), 1), most)
        else:
            self.sample = thin(rows, row_bytes, min(most, TILE * 4))

    @cached_property
    def replay(self) -> Replay:
        """The network, made again from what is stored."""
        return Replay(self.run)

    @cached_property
    def inputs_matrix(self) -> StoredMatrix | None:
        """The stored inputs, or None where the run ended before it had any."""
        run = self.run
        if run.status != layout.FINISHED and layout.INPUTS_FILE not in run.files:
            return None
        path = run.files.unchecked(layout.INPUTS_FILE)
        if not path.is_file() or path.stat().st_size <= LARGE:
            path = run.files.path(layout.INPUTS_FILE)
        return StoredMatrix(path, INPUTS)

    @cached_property
    def inputs(self) -> NDArray[Any]:
        """(rows of ``data``, n_features)."""
        return self._read(self.data)

    @cached_property
    def targets(self) -> NDArray[Any] | None:
        """(rows of ``data``,), or None."""
        return self._read_targets(self.data)

    @cached_property
    def sample_inputs(self) -> NDArray[Any]:
        """(rows of ``sample``, n_features), the inputs of the outputs."""
        return self.inputs if self.sample.ranges == self.data.ranges else self._read(self.sample)

    @cached_property
    def sample_targets(self) -> NDArray[Any] | None:
        """(rows of ``sample``,), or None."""
        return self._read_targets(self.sample)

    @property
    def n_features(self) -> int:
        """Columns of the inputs."""
        return self.inputs_matrix.shape[1] if self.inputs_matrix else 0

    @cached_property
    def has_classes(self) -> bool:
        """Whether the targets are the numbers of classes."""
        targets = self.targets
        if targets is None or targets.dtype.kind not in "iu" or not targets.size:
            return False
        return int(targets.min()) >= 0 and len(np.unique(targets)) <= _CLASSES

    @property
    def n_classes(self) -> int | None:
        """One more than the largest class among the rows that are read; None: no classes."""
        return (
            int(self.targets.max()) + 1 if self.has_classes and self.targets is not None else None
        )

    def outputs(self) -> Iterator[tuple[Layer, NDArray[Any] | None]]:
        """Each layer with its outputs for the rows of ``sample``; None: there are none to be had.

        Where none were kept they are computed again, as far as that goes.
        """
        if self.has_outputs:
            for layer in self.layers:
                yield layer, self._stored(layer)
            return
        again = self.replay.forward(self.computed_inputs) if len(self.computed_inputs) else iter(())
        for layer in self.layers:
            yield layer, next(again, None)

    def outputs_of(self, name: str) -> NDArray[Any] | None:
        """Those of one layer; no other one's are read."""
        if self.has_outputs:
            return self._stored(self.run.layers[name])
        return next((rows for layer, rows in self.outputs() if layer.name == name), None)

    @cached_property
    def computed(self) -> NDArray[np.int64]:
        """Positions among the rows of ``sample`` for which outputs are computed again."""
        rows = self.sample.size
        return scattered(rows, self.replay.affordable(16, max(rows, 1), _PRODUCTS))

    @property
    def computed_inputs(self) -> NDArray[Any]:
        """The inputs of those."""
        return self.sample_inputs[self.computed]

    def of_outputs(self, array: NDArray[Any] | None) -> NDArray[Any] | None:
        """An array over the rows of ``sample``, for the rows that :meth:`outputs` gives."""
        if array is None or self.has_outputs:
            return array
        return array[self.computed]

    @property
    def said(self) -> str:
        """Which rows the outputs are of."""
        if self.has_outputs:
            total = self.layers[0].n_samples
            if self.sample.total < total:
                first = f"the first {self.sample.total:,} of {total:,} samples"
                few = self.sample.size < self.sample.total
                return f"{self.sample.size:,} out of {first}" if few else first
            return self.sample.said()
        count = Sample(self.data.total, (range(len(self.computed)),))
        return f"{count.said()}, computed again from the stored parameters"

    def _stored(self, layer: Layer) -> NDArray[Any] | None:
        if layer.path is None:
            return None
        return layer.matrix(check=not layer.is_large).parts(self.sample.ranges)

    def _read(self, sample: Sample) -> NDArray[Any]:
        if self.inputs_matrix is None:
            return np.empty((0, 0))
        return self.inputs_matrix.parts(sample.ranges)

    def _read_targets(self, sample: Sample) -> NDArray[Any] | None:
        stored = self.inputs_matrix
        if stored is None or layout.TARGET not in stored.extra:
            return None
        return stored.parts(sample.ranges, layout.TARGET)
