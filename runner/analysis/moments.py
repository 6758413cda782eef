"""Centred moments of several layers' outputs, gathered in one pass over the rows.

Everything that :mod:`runner.analysis.similarity` computes is a function of these moments, in
float64. For two layers with centred rows x_i and y_i they are

    C  = sum_i x_i y_i^T          (cross moments; C of a layer with itself gives its norms)
    Q  = sum_i |x_i|^2 |y_i|^2    (what the debiased estimators take off the diagonal)

The means are known only at the end, so a block of rows is centred on the mean so far and what
was gathered before is carried to the new mean (Chan, Golub & LeVeque 1979, and Pébay 2008 for
higher orders). If a mean moves, so that x_i becomes x_i + d and y_i becomes y_i + e, then with
n rows before the move, S = sum |x_i|^2, T = sum |y_i|^2, u = sum |y_i|^2 x_i, v = sum |x_i|^2 y_i
and sum x_i = sum y_i = 0,

    C -> C + n d e^T
    u -> u + T d + 2 C e + n |e|^2 d
    v -> v + S e + 2 C^T d + n |d|^2 e
    Q -> Q + 2 e.v + |e|^2 S + 2 d.u + |d|^2 T + 4 d.C e + n |d|^2 |e|^2

which is exact: nothing is a difference of large raw sums.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from runner.errors import ConfigError, UnknownKeyError

FloatArray = NDArray[np.float64]
Pair = tuple[str, str]

BLOCK_ROWS = 4096
"""Rows taken into the moments at a time, whatever the size of the batches they come in."""


@dataclass
class _PairMoments:
    """The moments of two layers about their means; the symbols are those of the module."""

    c: FloatArray
    u: FloatArray
    v: FloatArray
    q: float = 0.0

    def carry(self, n: int, d: FloatArray, e: FloatArray, s: float, t: float) -> None:
        """Refer everything to means that lie -d and -e away from the present ones."""
        c_e, c_d = self.c @ e, d @ self.c
        dd, ee = float(d @ d), float(e @ e)
        self.q += float(2 * (e @ self.v) + 2 * (d @ self.u) + 4 * (d @ c_e))
        self.q += ee * s + dd * t + n * dd * ee
        self.u += (t + n * ee) * d + 2 * c_e
        self.v += (s + n * dd) * e + 2 * c_d
        self.c += np.outer(n * d, e)

    def add(self, x: FloatArray, y: FloatArray, x_norms: FloatArray, y_norms: FloatArray) -> None:
        """Add a block of rows that are already about the present means."""
        self.c += x.T @ y
        self.u += y_norms @ x
        self.v += x_norms @ y
        self.q += float(x_norms @ y_norms)


class CrossMoments:
    """Takes batches of rows of all layers in step and keeps their centred cross moments.

    Up to ``BLOCK_ROWS`` rows are simply held, and a layer with more neurons than there are
    samples is replaced by an orthogonal turn of itself as wide as there are samples (all
    similarities are invariant to it). With more rows only the moments are held: one float64
    matrix of width x width for each pair, whatever the number of samples;
    :func:`bytes_needed` says how much before any row is read.

    Each layer is shifted by its first row, so that a constant neuron is exactly 0, and scaled
    by a power of two, so that fourth powers neither overflow nor vanish. The result does not
    depend on how the rows are cut into batches.

    Args:
        pairs: the pairs of names wanted; ``None`` for all. Every layer is also paired with itself.
    """

    def __init__(self, pairs: Iterable[Pair] | None = None) -> None:
        self.names: tuple[str, ...] = ()
        self.n_samples = 0
        self._asked = None if pairs is None else dict.fromkeys(pairs)
        self._rank: dict[str, int] = {}
        self._first: dict[str, FloatArray] = {}
        self._buffer: dict[str, FloatArray] = {}
        self._waiting = 0
        self._exponent: dict[str, int] = {}
        self._mean: dict[str, FloatArray] = {}
        self._trace: dict[str, float] = {}
        self._pairs: dict[Pair, _PairMoments] = {}
        self._held: dict[str, FloatArray] = {}
        self._norms: dict[str, FloatArray] = {}

    def update(self, batches: Mapping[str, NDArray[np.generic]]) -> None:
        """Take the next rows of every layer.

        Args:
            batches: layer name -> array of rows x neurons, the same samples in every array and
                the same layers in every call. Any real dtype; computed in float64.

        Raises:
            ConfigError: an array that is not two-dimensional, real and finite, or whose shape
                does not fit the others; it names the layer.
        """
        arrays = {name: _checked(name, batch) for name, batch in batches.items()}
        rows = self._check_shapes(arrays)
        if rows == 0:
            return
        if not self.names:
            self._begin(arrays)
        start = 0
        while start < rows:
            if self._waiting == BLOCK_ROWS:
                self._fold()
            taken = min(rows - start, BLOCK_ROWS - self._waiting)
            for name in self.names:
                target = self._buffer[name][self._waiting : self._waiting + taken]
                batch = arrays[name][start : start + taken]
                with np.errstate(over="ignore"):
                    np.subtract(batch, self._first[name], out=target, dtype=np.float64)
                if not np.isfinite(target).all():
                    raise ConfigError(name, "outputs", "differ by more than float64 can hold")
            start += taken
            self._waiting += taken
            self.n_samples += taken
        self._held, self._norms = {}, {}

    def wanted(self, a: str, b: str) -> bool:
        """Whether the moments of this pair are gathered."""
        return self._asked is None or a == b or (a, b) in self._asked or (b, a) in self._asked

    def cross(self, a: str, b: str) -> FloatArray:
        """sum_i x_i y_i^T about the means, up to the scale and an orthogonal turn of each layer."""
        if self._settle():
            return self._held[a].T @ self._held[b]
        return self._pairs[a, b].c if self._ordered(a, b) else self._pairs[b, a].c.T

    def singular_values(self, a: str) -> FloatArray:
        """Of the centred layer, up to its scale, falling; 0 for those that are rounding.

        Of rows that are still held they are as exact as float64; from moments, those below 1e-8 of
        the largest are lost in rounding.
        """
        eps = float(np.finfo(np.float64).eps)
        if self._settle():
            values = np.linalg.svd(self._held[a], compute_uv=False)
            floor = max(self._held[a].shape) * eps * values[0]
        else:
            values = np.sqrt(np.maximum(np.linalg.eigvalsh(self.cross(a, a))[::-1], 0.0))
            floor = math.sqrt(len(values) * eps) * values[0]
        return np.where(values > floor, values, 0.0)

    def trace(self, a: str) -> float:
        """sum_i |x_i|^2 about the mean."""
        return float(self._norms[a].sum()) if self._settle() else self._trace[a]

    def norm_product(self, a: str, b: str) -> float:
        """sum_i |x_i|^2 |y_i|^2 about the means."""
        if self._settle():
            return float(self._norms[a] @ self._norms[b])
        return self._pairs[(a, b) if self._ordered(a, b) else (b, a)].q

    def is_constant(self, a: str) -> bool:
        """Whether every sample has exactly the same outputs in this layer."""
        self._settle()
        return a not in self._exponent

    def _ordered(self, a: str, b: str) -> bool:
        return self._rank[a] <= self._rank[b]

    def _check_shapes(self, arrays: Mapping[str, NDArray[np.generic]]) -> int:
        if not arrays:
            raise ConfigError("layers", {}, "there is no layer to compare")
        if self.names and set(arrays) != set(self.names):
            name = min(set(arrays) ^ set(self.names))
            raise ConfigError(name, "outputs", "every batch needs the same layers")
        rows = {name: len(array) for name, array in arrays.items()}
        first, expected = next(iter(rows.items()))
        for name, count in rows.items():
            if count != expected:
                problem = f"{first} has {expected} rows: layers are compared sample by sample"
                raise ConfigError(name, f"{count} rows", problem)
            width = arrays[name].shape[1]
            if self.names and width != len(self._first[name]):
                problem = f"had {len(self._first[name])} in the batches before"
                raise ConfigError(name, f"{width} neurons", problem)
        return expected

    def _begin(self, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        for pair in self._asked or ():
            for name in pair:
                if name not in arrays:
                    raise UnknownKeyError("layer", name, name, arrays)
        self.names = tuple(arrays)
        self._rank = {name: rank for rank, name in enumerate(self.names)}
        for name, array in arrays.items():
            self._first[name] = array[0].astype(np.float64)
            # Untouched rows of an empty array cost no memory.
            self._buffer[name] = np.empty((BLOCK_ROWS, array.shape[1]))

    def _scaled(self, name: str) -> FloatArray:
        block = self._buffer[name][: self._waiting]
        largest = float(np.abs(block).max())
        if name not in self._exponent and largest > 0:
            # What came before was all zeros, so the scale can still be chosen freely.
            self._exponent[name] = int(np.frexp(largest)[1])
        return np.ldexp(block, -self._exponent.get(name, 0))

    # An overflow shows in the trace, where it is answered.
    @np.errstate(over="ignore", invalid="ignore")
    def _fold(self) -> None:
        """Take the waiting rows into the moments."""
        before = self.n_samples - self._waiting
        blocks = {name: self._scaled(name) for name in self.names}
        if not self._pairs:
            self._make_pairs()
        drift: dict[str, FloatArray] = {}
        norms: dict[str, FloatArray] = {}
        for name, block in blocks.items():
            step = (block.mean(axis=0) - self._mean[name]) * (self._waiting / self.n_samples)
            self._mean[name] += step
            drift[name] = -step
            block -= self._mean[name]
            norms[name] = np.einsum("ij,ij->i", block, block)
        for (a, b), pair in self._pairs.items():
            if before:
                pair.carry(before, drift[a], drift[b], self._trace[a], self._trace[b])
            pair.add(blocks[a], blocks[b], norms[a], norms[b])
        for name in self.names:
            self._trace[name] = float(np.trace(self._pairs[name, name].c))
        self._waiting = 0

    def _make_pairs(self) -> None:
        width = {name: len(first) for name, first in self._first.items()}
        self._mean = {name: np.full(width[name], 0.0) for name in self.names}
        for i, a in enumerate(self.names):
            for b in self.names[i:]:
                if self.wanted(a, b):
                    shapes = ((width[a], width[b]), width[a], width[b])
                    c, u, v = (np.full(shape, 0.0) for shape in shapes)
                    self._pairs[a, b] = _PairMoments(c, u, v)

    def _settle(self) -> bool:
        """Make all rows so far count; whether they are still held as rows."""
        if self._pairs:
            if self._waiting:
                self._fold()
            return False
        if not self._held:
            for name in self.names:
                block = self._scaled(name)
                block -= block.mean(axis=0)
                self._norms[name] = np.einsum("ij,ij->i", block, block)
                if block.shape[1] > block.shape[0]:
                    # X^T = Q R with orthonormal Q, so X Q = R^T: X, turned, as wide as long.
                    block = np.asarray(np.linalg.qr(block.T, mode="r")).T
                self._held[name] = block
        return True


def bytes_needed(
    widths: Mapping[str, int], n_samples: int, pairs: Iterable[Pair] | None = None
) -> int:
    """The memory that :class:`CrossMoments` will hold, in bytes, its largest temporary included.

    Where this is too much, take fewer layers at a time (``pairs``) or at most ``BLOCK_ROWS``
    samples, for which no width x width matrix is kept.
    """
    held = 3 * min(n_samples, BLOCK_ROWS) * sum(widths.values())
    if n_samples <= BLOCK_ROWS:
        return 8 * (held + max((min(w, n_samples) ** 2 for w in widths.values()), default=0))
    if pairs is None:
        total = sum(widths.values())
        squares = (total**2 + sum(w * w for w in widths.values())) // 2
    else:
        chosen = {(min(p), max(p)) for p in pairs if p[0] != p[1]} | {(n, n) for n in widths}
        squares = sum(widths[a] * widths[b] for a, b in chosen)
    return 8 * (held + squares + max(widths.values()) ** 2)


def _checked(name: str, batch: NDArray[np.generic]) -> NDArray[np.generic]:
    array = np.asarray(batch)
    if array.ndim != 2 or array.shape[1] == 0:
        shape = " x ".join(str(size) for size in array.shape)
        raise ConfigError(name, shape or "a number", "outputs are rows x neurons, 1 or more")
    if array.dtype.kind not in "fiub":
        raise ConfigError(name, array.dtype.name, "outputs are real numbers")
    if not np.isfinite(array).all():
        row, neuron = (int(place) for place in np.argwhere(~np.isfinite(array))[0])
        problem = f"row {row} of this batch, neuron {neuron}, is not finite: no similarity exists"
        raise ConfigError(name, float(array[row, neuron]), problem)
    return array
