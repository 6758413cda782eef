"""A few values of a layer's outputs, from everywhere in the file, for a look and no more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from runner.store.matrix.stored import numbers
from runner.store.parquet import reading

if TYPE_CHECKING:
    from runner.store.layer import Layer

_GROUPS = 4


def glance(layer: Layer, values: int) -> NDArray[Any]:
    """About so many of the outputs that were kept, flat; fewer where there are fewer.

    Whole columns of a few row groups are read, both spread evenly, so the time depends on
    ``values`` and not on the run; but a layer beyond 1,024 neurons has one column, of which one
    row group is read, 16 MiB at most. The pages' checksums are verified, the file's sum is not.

    Raises:
        NotFoundError: no outputs were kept.
        DamagedError: the file is not what was written.
    """
    matrix = layer.matrix(check=False)
    rows, width = matrix.shape
    if not rows or not width:
        return np.empty(0, dtype=matrix.dtype)
    if matrix.wide:
        flat = matrix.block(len(matrix.groups) // 2).reshape(-1)
        return flat[:: max(1, len(flat) // values)]
    enough = -(-values * len(matrix.groups) // (rows * width))
    groups = _spread(len(matrix.groups), max(_GROUPS, enough))
    there = sum(matrix.groups[group] for group in groups)
    columns = [matrix.names[i] for i in _spread(width, max(1, values // there))]
    found = [np.empty(0, dtype=matrix.dtype)]
    with reading(matrix.path) as file:
        for group in groups:
            table = file.read_row_group(group, columns=columns)
            found += [numbers(column, matrix.dtype) for column in table.columns]
    return np.concatenate(found)


def _spread(count: int, wanted: int) -> Sequence[int]:
    """``wanted`` of the numbers below ``count``, evenly."""
    wanted = min(wanted, count)
    return sorted({(2 * i + 1) * count // (2 * wanted) for i in range(wanted)})
