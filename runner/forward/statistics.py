"""What is worth knowing of a layer's outputs: one stable pass, in float64, tile by tile."""

from __future__ import annotations

import math
from threading import local
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from runner.numerics import times_power


class Piece(NamedTuple):
    """What the statistics need to know of some of the outputs.

    Attributes:
        finite_count: how many values are finite; the other figures are theirs.
        nonfinite_count: how many are not.
        zero_count: how many are exactly zero.
        mean, squares: their mean, and the sum of their squared distances from it, in float64.
        low, high: the least and the greatest; NaN where there is none.
        exponent: the squares are in units of 4 to its power: those of 1e200 have no float64.
    """

    finite_count: int
    nonfinite_count: int
    zero_count: int
    mean: float
    squares: float
    low: float
    high: float
    exponent: int = 0


_PLAIN = 1e-140, 1e140
"""Magnitudes whose squares float64 holds; all of float32 is among them."""

_LEAST = -1100  # the exponent of zeros: any other is greater

_KEPT = 1 << 20  # values

_room = local()


@np.errstate(all="ignore")
def piece_of(outputs: NDArray[Any]) -> Piece:
    """Sums up an array of floats of any shape; any number of threads may do so at once."""
    low, high = float(outputs.min()), float(outputs.max())
    values = outputs
    if not (math.isfinite(low) and math.isfinite(high)):
        values = outputs[np.isfinite(outputs)]
        if not values.size:
            return Piece(0, outputs.size, 0, math.nan, math.nan, math.nan, math.nan)
        low, high = float(values.min()), float(values.max())
    zeros = values.size - int(np.count_nonzero(values))
    wide = _wide(values)
    exponent = _exponent(max(-low, high))
    if exponent:
        np.ldexp(wide, -exponent, out=wide)
    mean = float(np.add.reduce(wide)) / wide.size
    np.subtract(wide, mean, out=wide)
    np.multiply(wide, wide, out=wide)
    squares = float(np.add.reduce(wide))
    count = outputs.size - values.size
    mean = times_power(mean, exponent)
    return Piece(values.size, count, zeros, mean, squares, low, high, exponent)


def _exponent(largest: float) -> int:
    if not largest:
        return _LEAST
    return 0 if _PLAIN[0] < largest < _PLAIN[1] else math.frexp(largest)[1]


def _wide(values: NDArray[Any]) -> NDArray[np.float64]:
    """The values one after the other in float64, in memory that the thread keeps for the next."""
    if values.size > _KEPT:
        return values.astype(np.float64).reshape(-1)
    room: NDArray[np.float64] | None = getattr(_room, "values", None)
    if room is None or room.size < values.size:
        room = _room.values = np.empty(values.size)
    wide = room[: values.size]
    np.copyto(wide.reshape(values.shape), values)
    return wide


class Statistics:
    """Mean, spread and range of all values of a layer, over samples and neurons.

    Values that are not finite are counted and left out of everything else; with none left, mean,
    std, min and max are NaN. Fed in the same pieces in the same order, it gives the same bits: the
    pieces are the fixed tiles, so batch size and threads change nothing. Pieces are combined by
    the update of Chan, Golub & LeVeque (1979), "Updating formulae and a pairwise algorithm for
    computing sample variances".
    """

    def __init__(self) -> None:
        self.count = 0
        self.nonfinite_count = 0
        self.zero_count = 0
        self.mean = math.nan
        self.min = math.nan
        self.max = math.nan
        self._squares = 0.0  # sum of squared distances from the mean, in units of 4 ** exponent
        self._exponent = _LEAST

    def update(self, piece: Piece) -> None:
        """Takes in the next piece."""
        self.nonfinite_count += piece.nonfinite_count
        if not piece.finite_count:
            return
        self.zero_count += piece.zero_count
        self._combine(piece)
        self.min = piece.low if math.isnan(self.min) else min(self.min, piece.low)
        self.max = piece.high if math.isnan(self.max) else max(self.max, piece.high)

    def _combine(self, piece: Piece) -> None:
        before, self._exponent = self._exponent, max(self._exponent, piece.exponent)
        squares = math.ldexp(piece.squares, 2 * (piece.exponent - self._exponent))
        if not self.count:
            self.count, self.mean, self._squares = piece.finite_count, piece.mean, squares
            return
        count, total = piece.finite_count, self.count + piece.finite_count
        mean = math.ldexp(self.mean, -self._exponent)
        apart = math.ldexp(piece.mean, -self._exponent) - mean
        self.mean = times_power(mean + apart * (count / total), self._exponent)
        own = math.ldexp(self._squares, 2 * (before - self._exponent))
        self._squares = own + (squares + apart * apart * (self.count * (count / total)))
        self.count = total

    @property
    def std(self) -> float:
        """Population standard deviation (``numpy.std``), NaN without a finite value."""
        if not self.count:
            return math.nan
        return times_power(math.sqrt(self._squares / self.count), self._exponent)

    @property
    def zero_fraction(self) -> float:
        """Share of exact zeros among all values, finite or not."""
        total = self.count + self.nonfinite_count
        return self.zero_count / total if total else math.nan

    def row(self) -> dict[str, float | int]:
        """The columns of ``layers.parquet`` that come from here."""
        return {
            "mean": self.mean,
            "std": self.std,
            "min": self.min,
            "max": self.max,
            "zero_fraction": self.zero_fraction,
            "nonfinite_count": self.nonfinite_count,
        }


class ClassMetrics:
    """Loss and accuracy of a softmax layer, as the book computes them, in one pass.

    *Neural Networks from Scratch*, chapter 5: categorical cross-entropy, -log of the confidence in
    the right class clipped to [1e-7, 1 - 1e-7], and the share of samples whose largest confidence
    is the right class's. Each sample's loss is computed in the outputs' precision, as there; the
    mean is taken in float64.
    """

    def __init__(self) -> None:
        self._loss = 0.0
        self._right = 0
        self._samples = 0

    def update(self, confidences: NDArray[Any], targets: NDArray[Any]) -> None:
        """Takes in (rows, n_classes) confidences and (rows,) class numbers."""
        rows = np.arange(len(targets))
        clipped = np.clip(confidences, 1e-7, 1 - 1e-7)
        losses = -np.log(clipped[rows, targets])
        self._loss += float(np.add.reduce(losses, dtype=np.float64))
        # Of a row with NaN, argmax gives the first NaN, which is nobody's confidence.
        right = (np.argmax(confidences, axis=1) == targets) & ~np.isnan(confidences[rows, targets])
        self._right += int(np.count_nonzero(right))
        self._samples += len(targets)

    def row(self) -> dict[str, float]:
        """``loss`` and ``accuracy``; nothing without a sample."""
        if not self._samples:
            return {}
        return {"loss": self._loss / self._samples, "accuracy": self._right / self._samples}
