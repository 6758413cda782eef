"""Reads a run: lazily, every file checked against its sum before its content is used."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import runner  # the charts are upstairs: the package's head gets them
from runner.errors import DamagedError, NotFoundError, clip
from runner.store import layout
from runner.store.owner import is_alive
from runner.store.run_row import read_row
from runner.store.sums import Files

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from runner.store.matrix import StoredMatrix


_LARGE = 1 << 22  # bytes: hashing less takes a few milliseconds


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
        return runner.plot(self, kind)

    @cached_property
    def outputs(self) -> NDArray[Any]:
        """(rows, n_neurons), the rows that were kept, read-only.

        Raises:
            NotFoundError: no outputs were kept.
            DamagedError: the file is not what was written.
            TooLargeError: they don't fit into the memory; :meth:`batches` may.
        """
        return _read_only(self._matrix.read())

    @property
    def kept_rows(self) -> int:
        """How many rows of the outputs are on disk."""
        return self._matrix.shape[0] if self.path else 0

    def neuron(self, index: int) -> NDArray[Any]:
        """The outputs of one neuron, (rows,); no other column is read.

        Of a large file that is not compressed, only the pages of this column are verified: their
        checksums, their headers, and that they lie where they were written. Comparing all of it
        with its sum, as is done before anything else is read, takes ten times as long.

        Raises:
            NotFoundError: there is no such neuron, or no outputs were kept.
            DamagedError: the neuron's outputs are not what was written.
        """
        if not 0 <= index < self.n_neurons:
            there = f"there is: 0 to {self.n_neurons - 1}"
            raise NotFoundError("neuron", str(index), (), hint=there)
        if self.bytes >= _LARGE and self.n_neurons <= layout.WIDE:
            from runner.store.neuron import neuron

            found = neuron(self.matrix(check=False), index)
            if found is not None:
                return _read_only(found)
        return _read_only(self._matrix.column(index))

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
        from runner.store import matrix

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
        raise NotFoundError("layer", str(name), self)


class Run:
    """A stored run; what it holds is read when it is asked for.

    Attributes:
        path: its directory.
        metadata: the row of ``run.parquet``.
        files: the run's files, each checked once.
    """

    def __init__(self, path: Path, *, check: bool = True) -> None:
        self.path = path
        self.files = Files(path, check=check)
        self.metadata = read_row(self.files)

    def __repr__(self) -> str:
        layers = ", ".join(self.layers) or "no layers"
        return f"<Run {self.metadata['name'] or self.id}: {self.status}, {layers}>"

    def _repr_html_(self) -> str:
        from runner.store import shown

        return shown.of_run(self)

    def plot(self) -> Any:
        """A :class:`runner.Plot` of the inputs, coloured by class; see :func:`runner.plot`."""
        return runner.plot(self)

    @property
    def id(self) -> str:
        """The run's id."""
        return str(self.metadata["run_id"])

    @property
    def status(self) -> str:
        """FINISHED, FAILED or INTERRUPTED."""
        return str(self.metadata["status"])

    @cached_property
    def config(self) -> dict[str, Any]:
        """The configuration it was run with."""
        config: dict[str, Any] = json.loads(self.metadata["config"])
        return config

    @cached_property
    def layers(self) -> Layers:
        """The layers in order, by name; none where the run did not finish."""
        if self.status != layout.FINISHED and layout.LAYERS_FILE not in self.files:
            return Layers()
        from runner.store.parquet import read_rows, reading

        file_path = self.files.path(layout.LAYERS_FILE)
        with reading(file_path) as file:
            rows = read_rows(file_path, file)
            return Layers((row["name"], Layer(self, row)) for row in rows)

    @cached_property
    def inputs(self) -> NDArray[Any]:
        """(n_samples, n_features), read-only."""
        return _read_only(self.inputs_matrix.read())

    @cached_property
    def targets(self) -> NDArray[Any] | None:
        """(n_samples,), read-only, or None where the data have none."""
        if layout.TARGET not in self.inputs_matrix.extra:
            return None
        return _read_only(self.inputs_matrix.other(layout.TARGET))

    @cached_property
    def parameters(self) -> dict[str, dict[str, NDArray[Any]]]:
        """Layer -> name (weights, biases) -> array, read-only."""
        from runner.store.parameters import read_parameters

        return read_parameters(self.files.path(layout.PARAMETERS_FILE))

    def frame(self, layer: str) -> pd.DataFrame:
        """The outputs of a layer as a table, one column for each neuron."""
        import pandas as pd

        outputs = self.layers[layer].outputs
        names = [f"{layout.NEURON}_{i}" for i in range(outputs.shape[1])]
        return pd.DataFrame(outputs, columns=names, copy=False)

    @cached_property
    def inputs_matrix(self) -> StoredMatrix:
        """The stored inputs themselves, for readers that go their own way."""
        from runner.store import matrix

        if self.status != layout.FINISHED and layout.INPUTS_FILE not in self.files:
            hint = f"the run {self.status.lower()} before they were stored"
            raise NotFoundError("inputs of run", self.id, (), hint=hint)
        return matrix.StoredMatrix(self.files.path(layout.INPUTS_FILE), layout.INPUTS)


def load(path: str | Path, *, check: bool = True) -> Run:
    """Opens a stored run.

    Args:
        path: its directory; or a run id, a unique prefix of one, a name, or ``latest``, looked for
            in ``outputs``; of a sweep ``latest/3`` is a job.
        check: compare every file with ``SHA256SUMS`` before it is first used, which costs reading
            it once more. The checksums of parquet's pages are verified in any case.

    Raises:
        NotFoundError: there is no such run, or it is not finished yet.
        DamagedError: it is not what was written.
    """
    directory = Path(path)
    if path == layout.LATEST or not directory.is_dir():
        from runner.store.index import resolve

        directory = resolve(str(path))
    directory = directory.resolve()
    try:
        return Run(directory, check=check)
    except FileNotFoundError:
        raise NotFoundError("run", str(path), (), hint=_why_no_run(directory, str(path))) from None


def _why_no_run(directory: Path, asked: str) -> str:
    from runner.store.sweeps import is_sweep, sweep_rows

    if is_sweep(directory):
        jobs = [row["directory"] for row in sweep_rows(directory) if row["run_id"]]
        count = f"a sweep of {len(jobs)} job{'' if len(jobs) == 1 else 's'}"
        if not jobs:
            return f"{count} that ended; `runner ls` shows those that run"
        asked = clip(asked, 40, keep_end=True)
        return f"it is {count}: name one, like {asked}/{jobs[0]}; `runner ls {asked}` lists them"
    if (directory / layout.CLAIM_FILE).exists():
        if is_alive(directory):
            return "it is still running"
        return "it ended without a result; `runner ls --clean` sweeps it up"
    return "there is no run in this directory"


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    array.flags.writeable = False
    return array
