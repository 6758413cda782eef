"""Measures what ReLU leaves of a signal: python -m docs.studies.he_and_glorot SWEEP [PICTURE]."""

from __future__ import annotations

import itertools
import math

import altair as alt
import numpy as np

from docs.studies.common import SIZE, chart, jobs, save, show
from runner.analysis.expectation import second_moment
from runner.store import Run

PUBLISHED = {"he": 1.0, "glorot": 0.5}
"""The factor of the second moment a layer, He et al. 2015, section 2.2."""


def moments(run: Run) -> list[float]:
    """The second moment before each activation, in the order of the layers."""
    return [second_moment(x.statistics) for x in run.layers.values() if x.kind == "Dense"]


def factor(q: np.ndarray) -> float:
    """What one layer multiplies the second moment by, the mean over networks; q: (runs, layers)."""
    mean = q.mean(axis=0)
    return float((mean[-1] / mean[0]) ** (1 / (len(mean) - 1)))


def main() -> None:
    """Prints the factor of each, its error by the jackknife, and draws the moments."""
    rows, curves = [], []
    for init, group in itertools.groupby(jobs("layers.mlp.weight_init"), key=lambda job: job[0][0]):
        q = np.array([moments(run) for _, run in group])
        without = [factor(np.delete(q, at, axis=0)) for at in range(len(q))]
        error = math.sqrt((len(q) - 1) * np.var(without))
        rows.append((init, factor(q), f"± {error:.2g}", PUBLISHED[init]))
        for at, values in enumerate(q.T):
            spread = np.exp(np.std(np.log(values)))
            mean = float(values.mean())
            kinds = {"measured": mean, "published": float(q[:, 0].mean()) * PUBLISHED[init] ** at}
            curves.append(
                {
                    "layer": at + 1,
                    "weights": init,
                    "low": mean / spread,
                    "high": mean * spread,
                    **kinds,
                }
            )
    show("weights | factor a layer |  | published", rows)

    drawn = chart(curves).encode(x=alt.X("layer:Q"), color=alt.Color("weights:N"))
    axis = alt.Y("measured:Q", title="second moment", scale=alt.Scale(type="log"))
    picture = (
        drawn.mark_area(opacity=0.15).encode(y=alt.Y("low:Q", title="second moment"), y2="high:Q")
        + drawn.mark_line(opacity=0.5).encode(y="published:Q")
        + drawn.mark_point(filled=True, size=18).encode(y=axis)
    )
    save(picture.properties(width=500, height=SIZE["height"]))


if __name__ == "__main__":
    main()
