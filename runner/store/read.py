"""Reads a run: lazily, every file checked against its sum before its content is used."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.errors import DamagedError, NotFoundError, RunnerError, clip, one_line
from runner.store import layout
from runner.store.claim.owner import is_alive, told_alive
from runner.store.drawn import draw
from runner.store.layer import Layer, Layers, read_only
from runner.store.parquet.plain import from_json
from runner.store.run_row import read_row
from runner.store.sums import Files

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from runner.store.matrix.stored import StoredMatrix


_GROUPS = ("data", "layers")
_OF_EVERY_LAYER = [name for name, _ in layout.LAYER_COLUMNS if name != "path"]


class Run:
    """A stored run; what it holds is read when it is asked for.

    Attributes:
        path: its directory.
        files: the run's files, each checked once.
    """

    def __init__(self, path: Path, *, check: bool = True) -> None:
        self.path = path
        self.files = Files(path, check=check)
        self._row = read_row(self.files)

    def __repr__(self) -> str:
        try:
            layers = ", ".join(self.layers) or "no layers"
        except (RunnerError, OSError) as error:  # deleted since, or damaged
            layers = one_line(str(error))
        return f"<Run {self._row['name'] or self.id}: {self.status}, {layers}>"

    def _repr_html_(self) -> str:
        return str(draw("of_run", self))

    def plot(self, kind: str = "classes") -> Any:
        """A :class:`runner.Plot` of the inputs; see :func:`runner.plot`."""
        return draw("plot", self, kind)

    @property
    def metadata(self) -> dict[str, Any]:
        """A copy of the row of ``run.parquet``, by its columns."""
        return {k: list(v) if isinstance(v, list) else v for k, v in self._row.items()}

    @property
    def id(self) -> str:
        """The run's id."""
        return str(self._row["run_id"])

    @property
    def status(self) -> str:
        """FINISHED, FAILED or INTERRUPTED."""
        return str(self._row["status"])

    @property
    def config(self) -> dict[str, Any]:
        """A copy of the configuration it was run with.

        Raises:
            DamagedError: it is no JSON, which can only be where the sums were not compared.
        """
        try:
            config: dict[str, Any] = from_json(self._row["config"])
            nodes = [config, *(config[name] for name in _GROUPS if name in config)]
            if not all(isinstance(node, dict) for node in nodes):
                raise TypeError("it is none of ours")
        except (TypeError, ValueError) as error:
            path = self.path / layout.RUN_FILE
            raise DamagedError(path, f"its configuration can't be read: {error}") from error
        return config

    @cached_property
    def layers(self) -> Layers:
        """The layers in order, by name; none where the run did not finish."""
        if self.status != layout.FINISHED and layout.LAYERS_FILE not in self.files:
            return Layers()
        from runner.store.parquet import read_rows, reading

        file_path = self.files.path(layout.LAYERS_FILE)
        with reading(file_path) as file:
            rows = read_rows(file_path, file, layout.LAYER_COLUMNS, _OF_EVERY_LAYER)
            return Layers((row["name"], Layer(self, row)) for row in rows)

    @cached_property
    def inputs(self) -> NDArray[Any]:
        """(n_samples, n_features), read-only."""
        return read_only(self.inputs_matrix.read())

    @cached_property
    def targets(self) -> NDArray[Any] | None:
        """(n_samples,), read-only, or None where the data have none."""
        if layout.TARGET not in self.inputs_matrix.extra:
            return None
        return read_only(self.inputs_matrix.other(layout.TARGET))

    @cached_property
    def parameters(self) -> dict[str, dict[str, NDArray[Any]]]:
        """Layer -> name (weights, biases) -> array, read-only."""
        from runner.store.matrix.parameters import read_parameters

        return read_parameters(self.files.path(layout.PARAMETERS_FILE))

    def frame(self, layer: str) -> pd.DataFrame:
        """The outputs of a layer as a table: a copy, one column for each neuron.

        Args:
            layer: its name.

        Returns:
            A row for each sample that was kept; ``neuron_0``, ``neuron_1``, …, of the outputs'
            dtype.

        Raises:
            NotFoundError: there is no such layer, or no outputs were kept.
            DamagedError: the file is not what was written.
        """
        import pandas as pd

        outputs = self.layers[layer].outputs
        names = [f"{layout.NEURON}_{i}" for i in range(outputs.shape[1])]
        return pd.DataFrame(outputs, columns=names, copy=True)

    @cached_property
    def inputs_matrix(self) -> StoredMatrix:
        """The stored inputs themselves, for readers that go their own way."""
        from runner.store.matrix import stored as matrix

        if self.status != layout.FINISHED and layout.INPUTS_FILE not in self.files:
            hint = f"the run {self.status.lower()} before they were stored"
            raise NotFoundError("inputs of run", self.id, (), hint=hint)
        stored = matrix.StoredMatrix(self.files.path(layout.INPUTS_FILE), layout.INPUTS)
        if not stored.shape[0]:
            raise DamagedError(stored.path, "has no sample")
        return stored


def load(path: str | Path, *, check: bool = True) -> Run:
    """Opens a stored run.

    Args:
        path: its directory; or a run id, a unique prefix of one, a name, or ``latest``, looked for
            in ``outputs``; of a sweep ``latest/3`` is a job.
        check: compare every file with ``SHA256SUMS`` before it is first used, which costs reading
            it once more. The checksums of parquet's pages are verified in any case.

    Returns:
        The run: ``.config``, ``.metadata``, ``.inputs``, ``.targets``, ``.layers``, ``.frame()``,
        each read when it is first asked for.

    Raises:
        NotFoundError: there is no such run, or it is not finished yet.
        DamagedError: it is not what was written.
        RunnerError: its layout is newer than this program.

    Example::

        run = runner.load("latest")
        run.layers["dense1"].outputs.mean(axis=0)
    """
    directory = Path(path)
    if path == layout.LATEST or not os.path.isdir(path):
        from runner.store.index.named import resolve

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
        asked = asked.rstrip("/") or asked
        told = f"it is {count}: name one, like {clip(asked, 60, keep_end=True)}/{jobs[0]}"
        # Of a path that is cut short nobody can type a command.
        return f"{told}; `runner ls {asked}` lists them" if len(asked) <= 30 else told
    if (directory / layout.CLAIM_FILE).exists():
        if is_alive(directory):
            return f"it is {told_alive(directory)}"
        return "it ended without a result; `runner ls --clean` sweeps it up"
    return "there is no run in this directory"
