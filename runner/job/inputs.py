"""The inputs of a run: stored as they are made, and handed to the layers from where they are."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from runner.data import Dataset, Source
from runner.errors import ConfigError
from runner.forward.run import tiled
from runner.numerics import TILE
from runner.store import layout
from runner.store.shared import SharedInputs
from runner.store.write import RunWriter

if TYPE_CHECKING:
    from runner.store.matrix.stored import StoredMatrix


class Inputs:
    """A dataset on its way through a run.

    A small one is in memory. A large one never is: it is drawn once, into ``inputs.parquet``, which
    leaves the stream of random numbers where the layers' draws begin, and then read from there.

    Args:
        source: the dataset.
        writer: of the run's files.
        shared: what earlier runs have stored, where this is one of many.

    Attributes:
        digest: SHA-256 over inputs and targets; see :class:`DatasetDigest`.
        classes: the least and the greatest class; None: the targets are none.

    Raises:
        ConfigError: the user's table is not what it was when the run was planned.
    """

    def __init__(
        self, source: Source, writer: RunWriter, shared: SharedInputs | None = None
    ) -> None:
        self.classes: tuple[int, int] | None = None
        self._writer = writer
        self._held: Dataset | None = None
        self._has_targets = False
        shape = (source.shape.n_samples, source.shape.n_features)
        digest = DatasetDigest(shape)
        try:
            if source.rows is None:
                self._held = source.make()
                held = list(self._passing(iter([self._held]), digest))
            else:
                held = []
                writer.inputs_of(self._passing(source.rows.blocks(), digest), shape)
        except ConfigError as error:
            raise error.under("data") from None
        if self._has_targets:
            for part in self.targets():
                digest.targets(part)
        self.digest = digest.hexdigest()
        if shared and shared.take(self.digest, writer):
            return
        if held:
            writer.inputs_of(held, shape)
        if shared:
            shared.note(self.digest, writer)

    def tiles(self) -> Iterator[NDArray[Any]]:
        """The inputs, (rows, n_features), a tile after the other."""
        if self._held is not None:
            return tiled(self._held.inputs)
        return self._stored().batches(TILE)

    def targets(self) -> Iterator[NDArray[Any]]:
        """The targets, (rows,), of the same tiles.

        Raises:
            LookupError: the dataset has none.
        """
        if not self._has_targets:
            raise LookupError("the dataset has no targets")
        if self._held is not None and self._held.targets is not None:
            return tiled(self._held.targets)
        return self._stored().other_batches(layout.TARGET, TILE)

    def _stored(self) -> StoredMatrix:
        from runner.store.layout import INPUTS
        from runner.store.matrix.stored import StoredMatrix

        return StoredMatrix(self._writer.staging / layout.INPUTS_FILE, INPUTS)

    def _passing(
        self, blocks: Iterator[Dataset], digest: DatasetDigest
    ) -> Iterator[tuple[NDArray[Any], NDArray[Any] | None]]:
        """The blocks, looked at while they pass."""
        for inputs, targets in blocks:
            digest.inputs(inputs)
            if targets is not None:
                self._has_targets = True
                if targets.dtype.kind in "iu":
                    low, high = int(targets.min()), int(targets.max())
                    least, greatest = self.classes or (low, high)
                    self.classes = min(low, least), max(high, greatest)
            yield inputs, targets


class DatasetDigest:
    """SHA-256 over the inputs and then, where there are any, the targets: dtype, shape and bytes.

    Args:
        shape: (n_samples, n_features).
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self._shape = shape
        self._hash = hashlib.sha256()
        self._begun = [False, False]

    def inputs(self, block: NDArray[Any]) -> None:
        """Takes the next rows, (rows, n_features)."""
        self._update(0, self._shape, block)

    def targets(self, block: NDArray[Any]) -> None:
        """Takes the next rows' targets, (rows,), once all inputs were taken."""
        self._update(1, self._shape[:1], block)

    def hexdigest(self) -> str:
        """The digest of what was taken."""
        return self._hash.hexdigest()

    def _update(self, which: int, shape: tuple[int, ...], block: NDArray[Any]) -> None:
        if not self._begun[which]:
            self._begun[which] = True
            self._hash.update(f"{block.dtype.name} {shape}\n".encode())
        self._hash.update(np.ascontiguousarray(block).data)
