"""What takes the outputs themselves: dead and saturated neurons, effective rank, correlation.

One pass over what is kept of a layer, a batch at a time, in float64.
"""

from __future__ import annotations

import math
from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from runner import limits
from runner.analysis.similarity import CrossMoments, bytes_needed
from runner.errors import ConfigError, TooLargeError
from runner.store.layer import Layer
from runner.store.read import Run

STATISTICS = ("dead", "saturated", "effective_rank", "correlation")
"""``dead``: the share of neurons that put out 0 for every sample.
``saturated``: the share of values within 1 % of an end of their range (tanh, sigmoid, softmax).
``effective_rank``: exp of the entropy of the singular values of the centred outputs, divided by
their sum (Roy & Vetterli 2007, eq. 4).
``correlation``: of two samples: sum x y / sqrt(sum x^2 sum y^2), as mean-field theory has it."""

RANGES = {"Tanh": (-1.0, 1.0), "Sigmoid": (0.0, 1.0), "Softmax": (0.0, 1.0)}
"""Kind of a layer -> the ends that its values saturate at."""

NEAR = 0.01  # of the range's width: |tanh| > 0.98
_ROWS = 4096


def outputs_statistics(
    layer: Layer, wanted: Collection[str], pair: tuple[int, int] = (0, 1)
) -> dict[str, float]:
    """Those of :data:`STATISTICS` that are wanted; NaN where one does not exist.

    Args:
        layer: whose outputs are kept, at least some rows.
        wanted: the names.
        pair: the two samples of the correlation.

    Raises:
        NotFoundError: no outputs were kept.
        TooLargeError: the layer is too wide for the memory that its rank takes.
    """
    found = dict.fromkeys(wanted, math.nan)
    if wanted := set(wanted) - {"correlation"}:
        found |= _over_all(layer, wanted)
    if "correlation" in found:
        found["correlation"] = correlation(layer, pair)
    return found


def telling_pair(run: Run) -> tuple[int, int] | None:
    """The first two samples whose inputs are not 0, among the first 4,096; else 0 and 1.

    None: the run has one sample.
    """
    if run.inputs_matrix.shape[0] < 2:
        return None
    start = next(run.inputs_matrix.batches(_ROWS))
    telling = np.flatnonzero(start.any(axis=1))[:2].tolist()
    return (telling[0], telling[1]) if len(telling) == 2 else (0, 1)


def check_pair(run: Run, pair: tuple[int, int]) -> None:
    """Refuses two samples of which the run has not both.

    Raises:
        ConfigError: the run has fewer samples.
    """
    count = run.inputs_matrix.shape[0]
    if not all(0 <= sample < count for sample in pair):
        raise ConfigError("--pair", list(pair), f"run {run.id} has {count} samples, from 0")


def _over_all(layer: Layer, wanted: Collection[str]) -> dict[str, float]:
    alive = np.zeros(layer.n_neurons, dtype=bool)
    saturated = rows = 0
    ends = RANGES.get(layer.kind)
    moments = _moments(layer) if "effective_rank" in wanted else None
    for batch in layer.batches(_ROWS):
        alive |= batch.any(axis=0)
        if ends:
            margin = NEAR * (ends[1] - ends[0])
            saturated += int(np.count_nonzero(batch <= ends[0] + margin))
            saturated += int(np.count_nonzero(batch >= ends[1] - margin))
        if moments is not None:
            try:
                moments.update({layer.name: batch})
            except ConfigError:  # a value that is not finite: no rank exists
                moments = None
        rows += len(batch)
    every = {
        "dead": 1 - float(np.count_nonzero(alive)) / layer.n_neurons,
        "saturated": saturated / (rows * layer.n_neurons) if ends and rows else math.nan,
        "effective_rank": _rank(moments, layer.name) if moments is not None else math.nan,
    }
    return {name: every[name] for name in wanted}


def correlation(layer: Layer, pair: tuple[int, int]) -> float:
    """:func:`cosine` of two samples' outputs; NaN where one was not kept."""
    picked: dict[int, NDArray[np.float64]] = {}
    rows = 0
    for batch in layer.batches(_ROWS):
        for sample in pair:
            if rows <= sample < rows + len(batch):
                picked[sample] = batch[sample - rows].astype(np.float64)
        rows += len(batch)
        if rows > max(pair):
            break
    if not set(pair) <= set(picked):
        return math.nan
    return cosine(*(picked[sample] for sample in pair))


def cosine(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """sum x y / sqrt(sum x^2 sum y^2); NaN if a vector is 0, or not finite."""
    largest = [float(np.abs(values).max()) for values in (x, y)]
    if not all(0 < size < math.inf for size in largest):
        return math.nan
    # By powers of two: squares would overflow, or vanish.
    x, y = (np.ldexp(v, -math.frexp(m)[1]) for v, m in zip((x, y), largest, strict=True))
    return float(x @ y) / float(np.linalg.norm(x)) / float(np.linalg.norm(y))


def _moments(layer: Layer) -> CrossMoments:
    needed = bytes_needed({layer.name: layer.n_neurons}, layer.kept_rows)
    there = limits.available_memory()
    if there is not None and needed > there:
        problem = f"needs {limits.size(needed)} of memory, {limits.size(there)} is free"
        raise TooLargeError(f"effective rank of {layer.name}", layer.n_neurons, problem)
    return CrossMoments()


def _rank(moments: CrossMoments, name: str) -> float:
    """0 for a layer that puts out the same for every sample."""
    if not moments.n_samples or moments.is_constant(name):
        return 0.0
    values = moments.singular_values(name)
    values = values[values > 0]
    shares = values / values.sum()
    return math.exp(-float((shares * np.log(shares)).sum()))
