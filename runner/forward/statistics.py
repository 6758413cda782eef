"""What is worth knowing of a layer's outputs: one stable pass, in float64, tile by tile."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray


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
        self._squares = 0.0  # sum of squared distances from the mean

    def update(self, outputs: NDArray[Any]) -> None:
        """Takes in a piece of the outputs, an array of floats of any shape."""
        with np.errstate(all="ignore"):
            self._take(outputs)

    def _take(self, outputs: NDArray[Any]) -> None:
        low, high = float(outputs.min()), float(outputs.max())
        values = outputs
        if not (math.isfinite(low) and math.isfinite(high)):
            values = outputs[np.isfinite(outputs)]
            self.nonfinite_count += outputs.size - values.size
            if not values.size:
                return
            low, high = float(values.min()), float(values.max())
        self.zero_count += values.size - int(np.count_nonzero(values))
        wide = values.astype(np.float64).ravel()
        mean = float(np.add.reduce(wide)) / wide.size
        np.subtract(wide, mean, out=wide)
        np.multiply(wide, wide, out=wide)
        self._combine(wide.size, mean, float(np.add.reduce(wide)))
        self.min = low if math.isnan(self.min) else min(self.min, low)
        self.max = high if math.isnan(self.max) else max(self.max, high)

    def _combine(self, count: int, mean: float, squares: float) -> None:
        if not self.count:
            self.count, self.mean, self._squares = count, mean, squares
            return
        total = self.count + count
        apart = mean - self.mean
        self.mean += apart * (count / total)
        self._squares += squares + apart * apart * (self.count * (count / total))
        self.count = total

    @property
    def std(self) -> float:
        """Population standard deviation (``numpy.std``), NaN without a finite value."""
        return math.sqrt(self._squares / self.count) if self.count else math.nan

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
        self._right += int(np.count_nonzero(np.argmax(confidences, axis=1) == targets))
        self._samples += len(targets)

    def row(self) -> dict[str, float]:
        """``loss`` and ``accuracy``; nothing without a sample."""
        if not self._samples:
            return {}
        return {"loss": self._loss / self._samples, "accuracy": self._right / self._samples}
