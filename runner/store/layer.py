"""A layer of a stored run, read when it is asked for."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

from runner.errors import DamagedError, NotFoundError, UnknownLayerError
from runner.store import layout
from runner.store.drawn import draw

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from runner.store.matrix.stored import StoredMatrix
    from runner.store.read import Run

LARGE = 1 << 22
"""Bytes of a file: comparing a smaller one with its sum takes a few milliseconds."""


class Layer:
    """One layer of a stored run.

    Attributes:
        run: the run it belongs to.
        name, kind: as in the configuration; the name of its class.
        position: its place in the network, from 0.
        n_inputs, n_neurons, n_samples: sizes; ``n_samples`` also counts rows that were not kept.
        dtype: of the outputs, its name.
        digest: SHA-256 over dtype, shape and all outputs.
        statistics: mean, std, min, max, zero_fraction and nonfinite_count of all outputs.
        path: of the outputs, relative to the run; None where they were not kept.
        bytes: of that file.
        seconds: what computing the outputs took.
    """

    def __init__(self, run: Run, row: dict[str, Any]) -> None:
        self.run = run
        self.name: str = row["name"]
        self.kind: str = row["kind"]
        self.position: int = row["position"]
        self.n_inputs: int = row["n_inputs"]
        self.n_neurons: int = row["n_neurons"]
        self.n_samples: int = row["n_samples"]
        self.dtype: str = row["dtype"]
        self.digest: str = row["digest"]
        self.statistics: dict[str, Any] = {name: row[name] for name in layout.STATISTICS}
        self.path: str | None = row["path"]
        self.bytes: int = row["bytes"]
        self.seconds: float = row["seconds"]

    def __repr__(self) -> str:
        return f"<Layer {self.name}: {self.kind}, {self.n_samples} x {self.n_neurons} {self.dtype}>"

    def plot(self, kind: str = "distribution") -> Any:
        """A :class:`runner.Plot` of the outputs; see :func:`runner.plot`."""
        return draw("plot", self, kind)

    @cached_property
    def outputs(self) -> NDArray[Any]:
        """(rows, n_neurons), the rows that were kept, read-only.

        Raises:
            NotFoundError: no outputs were kept.
            DamagedError: the file is not what was written.
            TooLargeError: they don't fit into the memory; :meth:`batches` may.
        """
        return read_only(self._matrix.read())

    @property
    def kept_rows(self) -> int:
        """How many rows of the outputs are on disk."""
        return self._matrix.shape[0] if self.path else 0

    def neuron(self, index: int) -> NDArray[Any]:
        """The outputs of one neuron, (rows,), read-only; no other column is read.

        Of a large file that is not compressed, only the pages of this column are verified: their
        checksums, their headers, and that the column lies where it was written. Comparing all of it
        with its sum, as is done before anything else is read, takes ten times as long. That a page
        was put in the place of another, whole, only that tells: ``runner verify``, or
        :attr:`outputs`.

        Args:
            index: from 0.

        Raises:
            TypeError: it is no whole number.
            NotFoundError: there is no such neuron, or no outputs were kept.
            DamagedError: the neuron's outputs are not what was written.
        """
        index = operator.index(index)
        if not 0 <= index < self.n_neurons:
            there = f"there is: 0 to {self.n_neurons - 1}"
            raise NotFoundError("neuron", str(index), (), hint=there)
        if self.is_large and self.n_neurons <= layout.WIDE:
            from runner.store.matrix.neuron import neuron

            found = neuron(self.matrix(check=False), index)
            if found is not None:
                return read_only(found)
        return read_only(self._matrix.column(index))

    def batches(self, rows: int = 65536) -> Iterator[NDArray[Any]]:
        """The outputs in order, ``rows`` at a time and the rest at the end, in little memory."""
        if rows < 1:
            raise ValueError(f"rows={rows}: at least 1")
        yield from self._matrix.batches(rows)

    def matrix(self, *, check: bool = True) -> StoredMatrix:
        """The stored outputs themselves, for readers that go their own way.

        Args:
            check: False leaves the file's sum alone: who calls sees to it.

        Raises:
            NotFoundError: no outputs were kept.
            DamagedError: the file is not what was written.
        """
        from runner.store.matrix import stored as matrix

        if self.path is None:
            hint = "the run was made with save=statistics, which keeps no outputs"
            raise NotFoundError("outputs of layer", self.name, (), hint=hint)
        files = self.run.files
        path = files.path(self.path) if check else files.unchecked(self.path)
        stored = matrix.StoredMatrix(path, layout.OUTPUTS)
        rows, width = stored.shape
        fits = (width, stored.dtype.name) == (self.n_neurons, self.dtype) and not stored.extra
        if not fits or rows > self.n_samples:
            problem = f"has {rows} x {width} {stored.dtype}, {layout.LAYERS_FILE} says otherwise"
            raise DamagedError(stored.path, problem)
        return stored

    @property
    def is_large(self) -> bool:
        """Whether comparing the file of the outputs with its sum takes its time."""
        return self.bytes > LARGE

    def check(self) -> None:
        """Compares the file of the outputs with its sum, unless that was done before.

        Raises:
            DamagedError: it is not what was written.
        """
        if self.path is not None:
            self.run.files.path(self.path)

    def check_size(self) -> None:
        """Looks at the file of the outputs without reading it: it is there, whole, and of a layer.

        Raises:
            DamagedError: it is not what was written.
        """
        if self.path is None:
            return
        path = self.run.files.unchecked(self.path)
        size = path.stat().st_size if path.is_file() else None
        if size != self.bytes:
            found = "is missing" if size is None else f"has {size} bytes, not {self.bytes}"
            raise DamagedError(path, found)
        self.matrix(check=False)

    def look(self) -> None:
        """:meth:`check` of a small file, :meth:`check_size` of a large one.

        Raises:
            DamagedError: it is not what was written.
        """
        if self.is_large:
            self.check_size()
        else:
            self.check()

    @property
    def weights(self) -> NDArray[Any] | None:
        """(n_inputs, n_neurons), or None for a layer that has none."""
        return self.run.parameters.get(self.name, {}).get("weights")

    @property
    def biases(self) -> NDArray[Any] | None:
        """(1, n_neurons), or None for a layer that has none."""
        return self.run.parameters.get(self.name, {}).get("biases")

    @cached_property
    def _matrix(self) -> StoredMatrix:
        return self.matrix()


class Layers(dict[str, Layer]):
    """Name -> layer, in order; a name that isn't there is answered with those that are."""

    def __missing__(self, name: str) -> Layer:
        raise UnknownLayerError("layer", str(name), self)


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """The array, which nobody can change by accident any more."""
    array.flags.writeable = False
    return array
