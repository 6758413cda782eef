"""How alike two representations are: linear CKA, SVCCA and Procrustes, for all pairs of layers.

Feed a :class:`CrossMoments` with batches, then ask for as many measures as you like::

    moments = CrossMoments()
    for batch in batches:  # {"dense1": rows x neurons, "dense2": rows x neurons, ...}
        moments.update(batch)
    cka(moments, debiased=True).values

All of it is float64 and in one pass over the rows. Layers may differ in width and come from
different runs, as long as they saw the same samples in the same order. Every measure is
invariant to shifting and scaling a layer and to an orthogonal turn of its neurons.

Where a measure does not exist the value is NaN and :attr:`Scores.reasons` says why.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from runner.analysis.moments import BLOCK_ROWS, CrossMoments, FloatArray, Pair, bytes_needed
from runner.errors import ConfigError

__all__ = [
    "BLOCK_ROWS",
    "VARIANCE_KEPT",
    "CrossMoments",
    "Scores",
    "bytes_needed",
    "cka",
    "procrustes",
    "svcca",
]

VARIANCE_KEPT = 0.99
"""The share of a layer's variance that SVCCA keeps, as in Raghu et al. (2017)."""

ROUNDING = 1e-12
"""A difference this small, relative to its terms, is rounding and no value."""


LARGEST_TRACE = 1e75
"""Beyond it, fourth powers overflow; layers are scaled, so only growth in mid-run gets there."""


@dataclass(frozen=True)
class Scores:
    """One measure between all pairs of layers.

    Attributes:
        measure: ``cka``, ``debiased cka``, ``svcca`` or ``procrustes``.
        names: the layers, in the order they were fed.
        values: float64, layers x layers, symmetric; NaN where there is no value.
        reasons: (name, name) -> why that pair has no value, for both orders.
    """

    measure: str
    names: tuple[str, ...]
    values: FloatArray
    reasons: dict[Pair, str] = field(default_factory=dict)

    def between(self, a: str, b: str) -> float:
        """The value for two layers by name."""
        return float(self.values[self.names.index(a), self.names.index(b)])


def cka(moments: CrossMoments, *, debiased: bool = False) -> Scores:
    """Linear centred kernel alignment (Kornblith et al. 2019).

    CKA = H(X, Y) / sqrt(H(X, X) H(Y, Y)). Biased: H(X, Y) = |X^T Y|_F^2 of centred X and Y, so
    CKA lies in 0..1, and near 1 when samples are fewer than neurons, whatever the layers.
    Debiased: H is the unbiased HSIC of Song et al. (2012; used so by Nguyen et al.
    2021) which, as it is invariant to shifts of X and Y, becomes for centred data

        n (n-3) H = |X^T Y|_F^2 - n/(n-2) sum_i |x_i|^2 |y_i|^2
                    + (sum_i |x_i|^2)(sum_i |y_i|^2) / ((n-1)(n-2)).

    It is near 0 for unrelated layers of any width, may be below 0, and needs 4 samples.
    One neuron against one neuron gives the squared correlation (biased). No value: a
    constant layer; debiased also fewer than 4 samples, and a layer whose own H is 0.
    """
    n = moments.n_samples

    def alignment(a: str, b: str) -> float:
        square = float(np.square(moments.cross(a, b)).sum())
        if not debiased:
            return square
        diagonal = n / (n - 2) * moments.norm_product(a, b)
        traces = moments.trace(a) * moments.trace(b) / ((n - 1) * (n - 2))
        value = square - diagonal + traces
        return 0.0 if a == b and value <= ROUNDING * (square + diagonal + traces) else value

    def score(a: str, b: str) -> float | str:
        for name in (a, b):
            if own[name] <= 0:
                return f"{name} has no debiased variance, as when one sample alone differs"
        value = alignment(a, b) / math.sqrt(own[a]) / math.sqrt(own[b])
        return value if debiased else min(value, 1.0)

    if debiased and n in (1, 2, 3):
        few = f"debiased CKA needs at least 4 samples, there are {n}"
        return _scores(moments, "debiased cka", lambda a, b: few)
    own = {name: alignment(name, name) for name in moments.names}
    return _scores(moments, "debiased cka" if debiased else "cka", score)


def svcca(moments: CrossMoments, *, variance_kept: float = VARIANCE_KEPT) -> Scores:
    """Mean canonical correlation after a truncated SVD of each layer (Raghu et al. 2017).

    Each centred layer is reduced to the fewest principal directions that hold
    ``variance_kept`` of its variance (the sum of squared singular values); the value is the
    mean of the min(kept_x, kept_y) canonical correlations between them, in 0..1. When both
    keep as many directions as there are samples less one, it is 1 by necessity: give it
    several times more samples than neurons. No value: a constant layer.

    Raises:
        ConfigError: ``variance_kept`` outside 0..1 or 0.
    """
    if not 0 < variance_kept <= 1:
        raise ConfigError("variance_kept", variance_kept, "must lie above 0 and up to 1")
    whitened: dict[str, FloatArray] = {}

    def basis(name: str) -> FloatArray:
        if name not in whitened:
            variances, directions = np.linalg.eigh(moments.cross(name, name))
            order = np.argsort(variances)[::-1]
            variances, directions = variances[order], directions[:, order]
            floor = len(variances) * np.finfo(np.float64).eps * variances[0]
            rank = int(np.count_nonzero(variances > floor))
            share = np.cumsum(variances[:rank]) / variances[:rank].sum()
            # The last share may fall short of 1 by rounding alone.
            kept = min(int(np.searchsorted(share, variance_kept - 1e-14)) + 1, rank)
            whitened[name] = directions[:, :kept] / np.sqrt(variances[:kept])
        return whitened[name]

    def score(a: str, b: str) -> float | str:
        between = basis(a).T @ moments.cross(a, b) @ basis(b)
        return float(np.minimum(np.linalg.svd(between, compute_uv=False), 1.0).mean())

    return _scores(moments, "svcca", score)


def procrustes(moments: CrossMoments) -> Scores:
    """Orthogonal Procrustes distance, normalised (Ding, Denain & Steinhardt 2021).

    d = 2 - 2 |X^T Y|_* with X and Y centred and divided by their Frobenius norms (|.|_* is the
    sum of singular values): the smallest |X - Y R|_F^2 over orthogonal R, in 0..2. 0 means
    equal up to a turn, a shift and a scale. Of two widths, the narrower layer is padded with
    zeros. A *distance*, unlike the other measures. No value: a constant layer.
    """

    def score(a: str, b: str) -> float | str:
        nuclear = float(np.linalg.svd(moments.cross(a, b), compute_uv=False).sum())
        scale = math.sqrt(moments.trace(a)) * math.sqrt(moments.trace(b))
        return max(2.0 - 2.0 * nuclear / scale, 0.0)

    return _scores(moments, "procrustes", score, itself=0.0)


def _scores(
    moments: CrossMoments,
    measure: str,
    score: Callable[[str, str], float | str],
    itself: float = 1.0,
) -> Scores:
    """Ask ``score`` for each pair once; it answers with a value or the reason for having none."""
    names = moments.names
    if not moments.n_samples:
        raise ConfigError("samples", 0, "there are no rows to compare")
    values = np.full((len(names), len(names)), np.nan)
    reasons: dict[Pair, str] = {}
    for i, a in enumerate(names):
        for j, b in enumerate(names[i:], start=i):
            answer = _refusal(moments, a, b) or score(a, b)
            if isinstance(answer, str):
                reasons[a, b] = reasons[b, a] = answer
            else:
                values[i, j] = values[j, i] = itself if i == j else answer
    return Scores(measure, names, values, reasons)


def _refusal(moments: CrossMoments, a: str, b: str) -> str | None:
    if not moments.wanted(a, b):
        return "this pair was not asked for"
    for name in (a, b):
        if moments.is_constant(name):
            return f"{name} is constant: every sample has the same outputs"
        if not moments.trace(name) < LARGEST_TRACE:
            return f"{name} grows by too many orders of magnitude over the samples for float64"
    return None
