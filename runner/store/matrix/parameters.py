"""Reads ``parameters.parquet`` back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runner.errors import DamagedError
from runner.store import layout
from runner.store.matrix.stored import numbers
from runner.store.parquet import facts, reading


def read_parameters(path: Path) -> dict[str, dict[str, NDArray[Any]]]:
    """Layer -> name (weights, biases) -> array, of the dtype and shape it had, read-only.

    Raises:
        DamagedError: the file is not what was written.
    """
    found: dict[str, dict[str, NDArray[Any]]] = {}
    with reading(path) as file:
        dtypes = json.loads(facts(file.metadata.metadata)[layout.FACT_DTYPES])[::-1]
        for group in range(file.num_row_groups):
            table = file.read_row_group(group)
            heads = table.select(["layer", "name", "shape"]).to_pylist()
            values = table.column("values")
            stored = np.dtype("f4" if str(values.type.value_type) == "float" else "f8")
            flat = numbers(_flattened(values), stored)
            for head in heads:
                size = int(np.prod(head["shape"], dtype="i8"))
                array = flat[:size].astype(dtypes.pop(), copy=False).reshape(head["shape"])
                array.flags.writeable = False
                found.setdefault(head["layer"], {})[head["name"]] = array
                flat = flat[size:]
            if len(flat):
                raise DamagedError(path, "its shapes and values don't belong together")
    return found


def _flattened(values: Any) -> Any:
    import pyarrow as pa

    chunks = [chunk.flatten() for chunk in values.chunks]
    return pa.chunked_array(chunks, type=values.type.value_type)
