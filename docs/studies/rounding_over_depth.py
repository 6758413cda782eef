"""How far rounding carries: python -m docs.studies.rounding_over_depth SWEEP [PICTURE]."""

from __future__ import annotations

import itertools
import math

import altair as alt
import numpy as np

from docs.studies.common import SIZE, chart, jobs, save, show
from runner.analysis.criticality import fixed_point
from runner.store import Run

SIGMA_B = math.sqrt(0.05)
SETTLED = 5
"""Layers that are left out: the second moment is on its way to its fixed point."""
LARGE = 1e-2
"""Beyond such a relative error two runs have little in common, and it no longer grows alike."""


def errors(run: Run, exact: Run) -> list[float]:
    """The root mean square difference from the run in float64, relative, before each activation."""
    return [
        float(np.linalg.norm(x.outputs - exact.layers[x.name].outputs))
        / float(np.linalg.norm(exact.layers[x.name].outputs))
        for x in run.layers.values()
        if x.kind == "Dense"
    ]


def grown(e: list[float]) -> tuple[float, float]:
    """The growth a layer, the mean over layers, and its error: each layer's weights are its own."""
    steps = np.diff(np.log(e))
    growth = math.exp(steps.mean())
    return growth, growth * float(np.std(steps, ddof=1)) / math.sqrt(len(steps))


def main() -> None:
    """Prints first and last error and the growth a layer, and draws the way there."""
    rows, curves = [], []
    for gain, group in itertools.groupby(
        jobs("layers.mlp.gain", "numerics.rule"), key=lambda job: job[0][0]
    ):
        runs = {rule: run for (_, rule), run in group}
        theory = math.sqrt(fixed_point("tanh", gain, SIGMA_B).chi_1)
        for rule in ("float32", "nnfs"):
            e = errors(runs[rule], runs["float64"])
            growth, error = grown([one for one in e[SETTLED:] if one < LARGE])
            # Where errors shrink, each layer's own rounding is all there is: no growth to predict.
            expected = theory if theory > 1 else "1"
            rows.append((gain**2, rule, e[0], e[-1], growth, f"± {error:.1g}", expected))
            curves += [
                {"layer": at, "error": one, "rule": rule, "σw²": round(gain**2, 2)}
                for at, one in enumerate(e, 1)
            ]
    show("sigma_w^2 | rule | layer 1 | last layer | growth |  | theory", rows)

    drawn = chart(curves).encode(
        x=alt.X("layer:Q"),
        y=alt.Y(
            "error:Q",
            scale=alt.Scale(type="log"),
            title="relative error",
            axis=alt.Axis(format=".0e"),
        ),
        color=alt.Color("σw²:N"),
        strokeDash=alt.StrokeDash("rule:N", sort=["nnfs"]),
    )
    save(drawn.mark_line().properties(width=500, height=SIZE["height"]))


if __name__ == "__main__":
    main()
