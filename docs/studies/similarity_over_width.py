"""How alike wide networks are: python -m docs.studies.similarity_over_width SWEEP [PICTURE]."""

from __future__ import annotations

import itertools
import math

import altair as alt
import numpy as np

from docs.studies.common import SIZE, chart, jobs, save, show, slope
from runner.analysis.similarity import CrossMoments, cka
from runner.store import Run

WIDE = 32
"""The 1/n of theory is for wide layers: the slope is taken from here on."""


def alike(runs: list[Run]) -> list[float]:
    """Linear CKA between the last layers of every two networks."""
    last = {str(at): [*run.layers.values()][-1].outputs for at, run in enumerate(runs)}
    moments = CrossMoments()
    moments.update(last)
    scores = cka(moments)
    return [scores.between(a, b) for a, b in itertools.combinations(last, 2)]


def power(scores: dict[float, dict[tuple[int, int], float]], without: int | None = None) -> float:
    """Of the width, that 1 - CKA falls as; without the pairs of one seed, for the jackknife."""
    wide = {width: pairs for width, pairs in scores.items() if width >= WIDE}
    missing = [
        1 - np.mean([score for pair, score in pairs.items() if without not in pair])
        for pairs in wide.values()
    ]
    return slope(np.log([*wide]), np.log(missing))


def main() -> None:
    """Prints linear CKA between the last layers of every two seeds, and draws it."""
    rows, points = [], []
    scores: dict[float, dict[tuple[int, int], float]] = {}
    every = jobs("layers.mlp.width", "seeds.layers")
    for width, group in itertools.groupby(every, key=lambda job: job[0][0]):
        runs = [run for _, run in group]
        found = alike(runs)
        scores[float(width)] = dict(
            zip(itertools.combinations(range(len(runs)), 2), found, strict=True)
        )
        mean = float(np.mean(found))
        rows.append((float(width), mean, float(np.std(found)), 1 - mean))
        ends = {"least": min(found), "most": max(found)}
        points.append({"width": int(width), "cka": mean, "missing": 1 - mean, **ends})
    show("width | CKA | spread | 1 - CKA", rows)
    seeds = max(max(pair) for pair in scores[width]) + 1
    without = [power(scores, seed) for seed in range(seeds)]
    error = math.sqrt((seeds - 1) * float(np.var(without)))
    print(f"1 - CKA falls as width to the power {power(scores):.2f} ± {error:.2f}; theory -1")

    last = points[-1]
    for one in points:
        one["theory"] = last["missing"] * last["width"] / one["width"]
    x = alt.X("width:Q", scale=alt.Scale(type="log", base=2), title="neurons a layer")
    drawn = chart(points).encode(x=x)
    left = (
        drawn.mark_rule(opacity=0.5).encode(y=alt.Y("least:Q", title="linear CKA"), y2="most:Q")
        + drawn.mark_point(filled=True, size=30).encode(y="cka:Q")
        + drawn.mark_line(opacity=0.5).encode(y="cka:Q")
    )
    missing = alt.Y("missing:Q", scale=alt.Scale(type="log"), title="1 - CKA, and 1/width")
    right = drawn.mark_point(filled=True, size=30).encode(y=missing) + drawn.mark_line(
        strokeDash=[4, 4]
    ).encode(y="theory:Q")
    save(left.properties(**SIZE) | right.properties(**SIZE))


if __name__ == "__main__":
    main()
