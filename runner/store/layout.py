"""The names of files, columns and facts on disk, and how outputs are digested.

The one place to look when the layout changes: then :data:`LAYOUT_VERSION` goes up.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runner.errors import DamagedError, RunnerError, clip

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LAYOUT_VERSION = 1

RUN_FILE = "run.parquet"
LAYERS_FILE = "layers.parquet"
INPUTS_FILE = "inputs.parquet"
PARAMETERS_FILE = "parameters.parquet"
SUMS_FILE = "SHA256SUMS"
LAYERS_FOLDER = "layers"
CLAIM_FILE = ".claim"
STAGING_FOLDER = ".staging"
LATEST = "latest"

FINISHED = "FINISHED"
FAILED = "FAILED"
INTERRUPTED = "INTERRUPTED"
STORED_STATUSES = (FINISHED, FAILED, INTERRUPTED)

RUNNING = "RUNNING"
"""Derived: claimed by a process that lives."""
DEAD = "DEAD"
"""Derived: claimed by a process that is no more."""
UNREADABLE = "UNREADABLE"
"""Derived: damaged, or of a newer layout; ``error`` says which."""

LAYER_COLUMNS = (
    ("position", "int64"),
    ("name", "string"),
    ("kind", "string"),
    ("n_inputs", "int64"),
    ("n_neurons", "int64"),
    ("n_samples", "int64"),
    ("dtype", "string"),
    ("mean", "double"),
    ("std", "double"),
    ("min", "double"),
    ("max", "double"),
    ("zero_fraction", "double"),
    ("nonfinite_count", "int64"),
    ("digest", "string"),
    ("path", "string"),
    ("bytes", "int64"),
    ("seconds", "double"),
)
"""The columns of ``layers.parquet`` and their types."""

STATISTICS = ("mean", "std", "min", "max", "zero_fraction", "nonfinite_count")
"""Those of them that say something about the outputs."""

RUN_COLUMNS = (
    ("run_id", "string"),
    ("status", "string"),
    ("name", "string"),
    ("tags", "strings"),
    ("start_time", "timestamp"),
    ("end_time", "timestamp"),
    ("error", "string"),
    ("overrides", "strings"),
    ("config", "string"),
    ("config_hash", "string"),
    ("digest", "string"),
)
"""The columns that every ``run.parquet`` begins with; params.*, metrics.*, git.*, env.* follow."""

METRICS = ("loss", "accuracy")
"""Those of which every ``run.parquet`` has a column ``metrics.*``, empty where there is none."""

WIDE = 1024
"""Up to so many neurons have a column each; more share one column of fixed-size lists."""

NEURON = "neuron"
WIDE_OUTPUTS = "outputs"
INPUT = "input"
WIDE_INPUTS = "inputs"
TARGET = "target"


@dataclass(frozen=True)
class Names:
    """What a matrix's columns are called.

    Attributes:
        prefix: of a column of its own: ``neuron`` gives ``neuron_0``, ``neuron_1``, …
        wide: the one column of fixed-size lists of a matrix wider than 1,024.
    """

    prefix: str
    wide: str

    def columns(self, width: int) -> list[str]:
        """All names, in order."""
        return [f"{self.prefix}_{i}" for i in range(width)] if width <= WIDE else [self.wide]


OUTPUTS = Names(NEURON, WIDE_OUTPUTS)
INPUTS = Names(INPUT, WIDE_INPUTS)

CODECS = ("none", "zstd", "lz4", "snappy", "gzip")

# Key-value metadata of the parquet files.
FACT_VERSION = "layout_version"
FACT_RUN_ID = "run_id"
FACT_LAYER = "layer"
FACT_KIND = "kind"
FACT_N_INPUTS = "n_inputs"
FACT_SHAPE = "shape"
FACT_DTYPE = "dtype"
FACT_DTYPES = "dtypes"


def check_version(path: object, found: str) -> None:
    """Refuses what a newer program has written.

    Args:
        path: the file.
        found: its layout_version, as text.

    Raises:
        RunnerError: it is newer than this program.
        DamagedError: it is none.
    """
    if not found.isdecimal():
        raise DamagedError(path, f"has no {FACT_VERSION}")
    if int(found) > LAYOUT_VERSION:
        raise RunnerError(
            f"{clip(str(path), 90, keep_end=True)} has {FACT_VERSION} {clip(found, 9)}, "
            f"this program reads up to {LAYOUT_VERSION}: install a newer runner"
        )


_GROUP_BYTES = 1 << 24
_OPEN_BYTES = 1 << 26
_GROUP_ROWS = 1 << 16


def layer_file(position: int, name: str, n_layers: int) -> str:
    """A layer's file, relative to the run: ``layers/00-dense1.parquet``."""
    digits = max(2, len(str(n_layers - 1)))
    return f"{LAYERS_FOLDER}/{position:0{digits}d}-{name}.parquet"


def group_rows(width: int, itemsize: int, together: int = 0) -> int:
    """Rows in a row group: a power of two up to 65,536, of about 16 MiB at most.

    It doesn't depend on the batch size, so neither do a file's bytes. Columns of their own get at
    least 4,096 rows, or a column's piece would be smaller than what describes it.

    Args:
        width: columns of the matrix.
        itemsize: bytes of a value.
        together: columns of all the files that are written side by side, this one's included:
            their open row groups take about 64 MiB at most.
    """
    rows = _GROUP_ROWS
    least = 4096 if width <= WIDE else 1
    while rows > least and (
        rows * width * itemsize > _GROUP_BYTES or rows * together * itemsize > _OPEN_BYTES
    ):
        rows //= 2
    return rows


class OutputsDigest:
    """SHA-256 over dtype, shape and the outputs' bytes in C order, little-endian.

    Args:
        dtype: of the outputs.
        shape: (n_samples, n_neurons) of the whole.
    """

    def __init__(self, dtype: np.dtype[Any], shape: tuple[int, int]) -> None:
        self._dtype = dtype.newbyteorder("<")
        self._missing, self._width = shape
        self._hash = hashlib.sha256(f"{dtype.name} {shape[0]} {shape[1]}\n".encode())

    def update(self, batch: NDArray[Any]) -> None:
        """Takes the next rows, (rows, n_neurons), of the dtype that was announced."""
        import numpy as np

        if batch.dtype.newbyteorder("<") != self._dtype or batch.shape[1:] != (self._width,):
            raise ValueError(
                f"announced were {self._width} of {self._dtype} a row, "
                f"got {batch.shape[1:]} of {batch.dtype}"
            )
        self._missing -= len(batch)
        self._hash.update(np.ascontiguousarray(batch, dtype=self._dtype).data)

    def hexdigest(self) -> str:
        """The digest, once every row was taken."""
        if self._missing:
            raise ValueError(f"{self._missing} rows are missing from the digest")
        return self._hash.hexdigest()


def run_digest(digests: Iterable[str]) -> str:
    """The digest of a run: SHA-256 over its layers' digests in order, a line each."""
    return hashlib.sha256("".join(f"{digest}\n" for digest in digests).encode()).hexdigest()
