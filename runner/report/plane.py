"""What a network with two inputs makes of the plane: each neuron's response, and the regions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runner.report.replay import Replay

_PRODUCTS = 6e9  # that one page may take, about three seconds
_MARGIN = 0.08  # of the data's extent, around it


@dataclass(frozen=True)
class Plane:
    """A grid over the two inputs.

    Attributes:
        low, high: its corners, of either input.
        side: points along each side.
    """

    low: tuple[float, float]
    high: tuple[float, float]
    side: int

    def points(self, dtype: np.dtype[Any]) -> NDArray[Any]:
        """(side * side, 2), row by row from the top, as a picture has it."""
        x, y = (np.linspace(self.low[i], self.high[i], self.side) for i in (0, 1))
        grid = np.stack(np.meshgrid(x, y[::-1]), axis=-1)
        return grid.reshape(-1, 2).astype(dtype)

    def picture(self, values: NDArray[Any]) -> NDArray[Any]:
        """(side * side,) values as (side, side)."""
        return values.reshape(self.side, self.side)


def plane_over(inputs: NDArray[Any], replay: Replay, most: int) -> Plane | None:
    """The part of the plane that the inputs lie in, as fine as the network's size allows.

    Args:
        inputs: (rows, 2).
        replay: the network.
        most: points along a side, at most.
    """
    finite = inputs[np.isfinite(inputs).all(axis=1)].astype(np.float64)
    if not len(finite) or not replay.layers:
        return None
    low, high = finite.min(axis=0), finite.max(axis=0)
    with np.errstate(over="ignore"):
        extent = high - low
        # A column of one value, or a single sample, still has a plane around it.
        extent = np.where(extent > 0, extent, max(float(extent.max()), 1.0))
        low, high = low - _MARGIN * extent, high + _MARGIN * extent
    if not np.isfinite([low, high]).all():
        return None
    side = int(replay.affordable(24 * 24, most * most, _PRODUCTS) ** 0.5)
    return Plane((low[0], low[1]), (high[0], high[1]), side)
