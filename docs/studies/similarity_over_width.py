"""How alike wide networks are: python -m docs.studies.similarity_over_width SWEEP [PICTURE]."""

from __future__ import annotations

import itertools

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


def main() -> None:
    """Prints linear CKA between the last layers of every two seeds, and draws it."""
    rows, points = [], []
    for width, group in itertools.groupby(jobs("layers.mlp.width"), key=lambda job: job[0][0]):
        found = alike([run for _, run in group])
        mean = float(np.mean(found))
        rows.append((float(width), mean, float(np.std(found)), 1 - mean))
        ends = {"least": min(found), "most": max(found)}
        points.append({"width": int(width), "cka": mean, "missing": 1 - mean, **ends})
    show("width | CKA | spread | 1 - CKA", rows)
    wide = [row for row in rows if row[0] >= WIDE]
    power = slope([np.log(row[0]) for row in wide], [np.log(row[3]) for row in wide])
    print(f"1 - CKA falls as width to the power {power:.2f}; theory -1")

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
