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


Scores = dict[float, dict[tuple[int, int], float]]
"""Width -> pair of networks -> their CKA."""


def alike(runs: list[Run]) -> list[float]:
    """Linear CKA between the last layers of every two networks."""
    last = {str(at): [*run.layers.values()][-1].outputs for at, run in enumerate(runs)}
    moments = CrossMoments()
    moments.update(last)
    scores = cka(moments)
    return [scores.between(a, b) for a, b in itertools.combinations(last, 2)]


def power(scores: Scores, width: float = 0, without: int = -1) -> float:
    """Of the width, that 1 - CKA falls as; at one width without the pairs of one network."""
    missing = {
        here: 1 - np.mean([s for pair, s in pairs.items() if here != width or without not in pair])
        for here, pairs in scores.items()
        if here >= WIDE
    }
    return slope(np.log([*missing]), np.log([*missing.values()]))


def error_of_power(scores: Scores, networks: int) -> float:
    """One standard deviation, by the jackknife: networks of different widths are different ones."""
    left_out = [[power(scores, width, at) for at in range(networks)] for width in scores]
    return math.sqrt(sum((networks - 1) * float(np.var(powers)) for powers in left_out))


def main() -> None:
    """Prints linear CKA between the last layers of every two seeds, and draws it."""
    rows, points = [], []
    scores: Scores = {}
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
    error = error_of_power(scores, len(runs))
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
