"""Writes a run's files into its staging folder, rows as they come."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runner.errors import UnknownKeyError
from runner.store import layout
from runner.store.claim import Claim
from runner.store.files import write_file, writing
from runner.store.matrix.matrix_file import Matrix, MatrixWriter, SmallMatrix, StoredFile
from runner.store.parquet import small

_VERSION = {layout.FACT_VERSION: str(layout.LAYOUT_VERSION)}
_FEW_PARAMETERS = 1 << 16  # values that are written without pyarrow


__all__ = ["MatrixWriter", "RunWriter", "StoredFile"]


class RunWriter:
    """The files of one run, in ``.staging`` until the commit.

    Args:
        claim: the directory.
        run_id: kept in every file.
        codec: ``none``, ``zstd``, ``lz4``, ``snappy`` or ``gzip``, for the outputs, the inputs and
            the parameters.

    Attributes:
        sums: path relative to the run -> SHA-256, of every file that is complete.
        complete: whether all layers are, and ``layers.parquet`` with them.
    """

    def __init__(self, claim: Claim, run_id: str, codec: str = "none") -> None:
        self.claim = claim
        self.run_id = run_id
        self.codec = _known(codec)
        self.staging = claim.directory / layout.STAGING_FOLDER
        self.sums: dict[str, str] = {}
        self.complete = False
        self._open: set[MatrixWriter] = set()
        with writing(self.staging):
            self.staging.mkdir()

    def inputs(self, inputs: NDArray[Any], targets: NDArray[Any] | None) -> StoredFile:
        """Writes ``inputs.parquet``.

        Args:
            inputs: (n_samples, n_features), numbers.
            targets: (n_samples,), numbers, or None.
        """
        return self.inputs_of([(inputs, targets)], inputs.shape)

    def inputs_of(
        self,
        blocks: Iterable[tuple[NDArray[Any], NDArray[Any] | None]],
        shape: tuple[int, int],
    ) -> StoredFile:
        """Writes ``inputs.parquet`` from blocks of rows, as they come.

        Args:
            blocks: inputs and targets, as :meth:`inputs` takes them, all alike; one at least.
            shape: (n_samples, n_features) of all together.
        """
        opened: MatrixWriter | None = None
        for inputs, targets in blocks:
            inputs = _plain(inputs)
            targets = None if targets is None else _plain(targets)
            if opened is None:
                matrix = Matrix(
                    path=layout.INPUTS_FILE,
                    names=layout.INPUTS,
                    shape=shape,
                    dtype=inputs.dtype,
                    target=None if targets is None else targets.dtype,
                    # Without the run's id: the runs of a sweep may have the same file.
                    facts={**_VERSION, layout.FACT_SHAPE: json.dumps(shape)},
                    codec=self.codec,
                    group=layout.group_rows(shape[1], inputs.dtype.itemsize),
                )
                opened = self._begin(matrix)
            opened.write(inputs, targets)
        if opened is None:
            raise ValueError(f"{layout.INPUTS_FILE} needs a row")
        return opened.close()

    def parameters(self, parameters: Sequence[tuple[str, str, NDArray[Any]]]) -> StoredFile:
        """Writes ``parameters.parquet``.

        Args:
            parameters: (layer, ``weights`` or ``biases``, array of any shape), in order. Stored
                as float32 where all are, else as float64; each one's dtype is noted.
        """
        dtypes = [array.dtype for _, _, array in parameters]
        single = all(dtype == np.float32 for dtype in dtypes)
        dtype: np.dtype[Any] = np.dtype("f4" if single else "f8")
        facts = self._facts({layout.FACT_DTYPES: json.dumps([d.name for d in dtypes])})
        if self.codec != "none" or sum(a.size for _, _, a in parameters) > _FEW_PARAMETERS:
            from runner.store.matrix.table_file import write_parameters

            return write_parameters(self.staging, self.sums, parameters, dtype, facts, self.codec)
        shapes = [np.array(array.shape, dtype="i8") for _, _, array in parameters]
        values = [np.asarray(array, dtype=dtype).reshape(-1) for _, _, array in parameters]
        parts: list[tuple[str, str, Any]] = [
            ("layer", "text", [layer for layer, _, _ in parameters]),
            ("name", "text", [name for _, name, _ in parameters]),
            ("shape", "i8", small.Lists(shapes)),
            ("values", dtype.str[1:], small.Lists(values)),
        ]
        return self._write(layout.PARAMETERS_FILE, small.to_bytes(parts, facts))

    def layer(
        self,
        position: int,
        name: str,
        kind: str,
        n_inputs: int,
        n_neurons: int,
        n_samples: int,
        dtype: Any,
        n_layers: int,
        codec: str | None = None,
        together: int = 0,
    ) -> MatrixWriter:
        """Begins a layer's file.

        Args:
            position: the layer's place in the network, from 0.
            name: the layer's.
            kind: the name of its class.
            n_inputs: columns of what it was given.
            n_neurons: columns of the file.
            n_samples: rows the file will have.
            dtype: of the outputs, float32 or float64.
            n_layers: in the whole network.
            codec: None: the run's.
            together: columns of all layers that are written side by side.
        """
        facts = self._facts(
            {
                layout.FACT_LAYER: name,
                layout.FACT_KIND: kind,
                layout.FACT_N_INPUTS: str(n_inputs),
                layout.FACT_SHAPE: json.dumps([n_samples, n_neurons]),
                layout.FACT_DTYPE: np.dtype(dtype).name,
            }
        )
        folder = self.staging / layout.LAYERS_FOLDER
        with writing(folder):
            folder.mkdir(exist_ok=True)
        kept = np.dtype(dtype)
        return self._begin(
            Matrix(
                path=layout.layer_file(position, name, n_layers),
                names=layout.OUTPUTS,
                shape=(n_samples, n_neurons),
                dtype=kept,
                target=None,
                facts=facts,
                codec=_known(codec or self.codec),
                group=layout.group_rows(n_neurons, kept.itemsize, together),
            )
        )

    def layers(self, rows: Sequence[Mapping[str, Any]]) -> StoredFile:
        """Writes ``layers.parquet``, and with it says that all layers are complete.

        Args:
            rows: one for each layer, with the keys of :data:`layout.LAYER_COLUMNS`.
        """
        parts = [(name, kind, [row[name] for row in rows]) for name, kind in layout.LAYER_COLUMNS]
        stored = self._write(layout.LAYERS_FILE, small.to_bytes(parts, self._facts({})))
        self.complete = True
        return stored

    def discard(self) -> None:
        """Takes away what is not complete: the layers, unless all are there, and torn files."""
        for opened in self._open:
            opened.abort()
        self._open.clear()
        if not self.complete:
            shutil.rmtree(self.staging / layout.LAYERS_FOLDER, ignore_errors=True)
            for path in [path for path in self.sums if "/" in path]:
                del self.sums[path]
        for path in (layout.INPUTS_FILE, layout.PARAMETERS_FILE, layout.LAYERS_FILE):
            if path not in self.sums:
                with contextlib.suppress(OSError):
                    (self.staging / path).unlink()

    def _begin(self, matrix: Matrix) -> MatrixWriter:
        opened: MatrixWriter
        if matrix.is_small:
            opened = SmallMatrix(matrix, self.staging, self.sums, self._open)
        elif matrix.is_plain:
            from runner.store.matrix.plain_file import PlainMatrix

            opened = PlainMatrix(matrix, self.staging, self.sums, self._open)
        else:
            from runner.store.matrix.table_file import TableMatrix

            opened = TableMatrix(matrix, self.staging, self.sums, self._open)
        self._open.add(opened)
        return opened

    def _write(self, path: str, data: bytes) -> StoredFile:
        self.sums[path] = write_file(f"{self.staging}/{path}", data)
        return StoredFile(path, len(data))

    def _facts(self, more: Mapping[str, str]) -> dict[str, str]:
        return {**_VERSION, layout.FACT_RUN_ID: self.run_id, **more}


def _known(codec: str) -> str:
    if codec not in layout.CODECS:
        raise UnknownKeyError("save.codec", codec, str(codec), layout.CODECS)
    return codec


def _plain(values: NDArray[Any]) -> NDArray[Any]:
    """Numbers in a type that parquet has, and of this machine's byte order."""
    if values.dtype.kind in "iu" or values.dtype in (np.float32, np.float64):
        return values.astype(values.dtype.newbyteorder("="), copy=False)
    return values.astype(np.float64)
