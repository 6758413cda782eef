"""Measures where order turns into chaos: python -m docs.studies.edge_of_chaos SWEEP [PICTURE]."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
from numpy.typing import NDArray

from docs.studies.common import SIZE, chart, jobs, save, show
from runner.analysis.criticality import critical_sigma_w, fixed_point
from runner.analysis.theory import predict
from runner.store import Run

SIGMA_B = math.sqrt(0.05)
SETTLED = 10
"""Layers after which the second moment is at its fixed point. It starts at twice that, and xi_q is
nearly 2 near the edge: after five layers chi_1 is still too small by 0.002, which moves the edge by
0.01; after ten, nothing of it can be seen."""


def correlations(run: Run) -> list[float]:
    """The mean over all pairs of samples of their correlation, before each activation."""
    found = []
    for layer in run.layers.values():
        if layer.kind == "Dense":
            h = layer.outputs / np.linalg.norm(layer.outputs, axis=1, keepdims=True)
            pairs = np.triu_indices(len(h), 1)
            found.append(float((h @ h.T)[pairs].mean()))
    return found


def chi_1(run: Run, sigma_w: float) -> float:
    """sigma_w^2 E phi'^2, the mean over the layers that have settled; phi' = 1 - tanh^2."""
    layers = [layer for layer in run.layers.values() if layer.kind == "Dense"][SETTLED:]
    slopes = [1 - np.square(np.tanh(layer.outputs)) for layer in layers]
    return sigma_w**2 * float(np.mean(np.square(slopes)))


def edge(chis: Sequence[tuple[float, Sequence[float]]]) -> tuple[float, float]:
    """Where chi_1 is 1, on the straight line between the two nearest points, and its error.

    The error is the jackknife's, over the networks, which are the same ones in both points but for
    the scale of their weights.
    """
    logs = [(place, np.log(some)) for place, some in chis]
    above = next(at for at, (_, some) in enumerate(logs) if some.mean() > 0)
    places = [place for place, _ in logs[above - 1 : above + 1]]
    both = np.stack([some for _, some in logs[above - 1 : above + 1]])

    def crossing(values: NDArray[Any]) -> float:
        low, high = values.mean(axis=1)
        return places[0] - float(low / (high - low)) * (places[1] - places[0])

    n = both.shape[1]
    without = [crossing(np.delete(both, at, axis=1)) for at in range(n)]
    return crossing(both), math.sqrt((n - 1) * float(np.var(without)))


def predicted(run: Run) -> list[float]:
    """The same by the recursions for q and c, from the inputs' mean correlation on."""
    x = run.inputs / np.linalg.norm(run.inputs, axis=1, keepdims=True)
    c = float((x @ x.T)[np.triu_indices(len(x), 1)].mean())
    entry = run.config["layers"]["mlp"]
    layers = [
        {**entry, "kind": one.kind, "n_inputs": one.n_inputs, "n_neurons": one.n_neurons}
        for one in run.layers.values()
    ]
    found = predict(layers, float(np.square(run.inputs).mean()), input_correlation=c)
    return [one.correlation for one in found if one.kind == "Dense"]


def main() -> None:
    """Prints the table and the edge, and draws both pictures."""
    rows, curves, chis = [], [], []
    found = jobs("layers.mlp.gain", "seeds.layers")
    for gain, group in itertools.groupby(found, key=lambda job: job[0][0]):
        runs = [run for _, run in group]
        c = np.mean([correlations(run) for run in runs], axis=0)
        chi = [chi_1(run, gain) for run in runs]
        theory = fixed_point("tanh", gain, SIGMA_B)
        rows.append((gain**2, np.mean(chi), theory.chi_1, c[-1], theory.c))
        chis.append((gain**2, chi))
        for depth, (one, expected) in enumerate(zip(c, predicted(runs[0]), strict=True), 1):
            here = {"depth": depth, "σw²": round(gain**2, 2)}
            curves.append({**here, "c": expected, "kind": "theory"})
            if depth % 2 == 0:
                curves.append({**here, "c": one, "kind": "measured"})
    show("sigma_w^2 | chi_1 | theory | c | limit", rows)
    place, error = edge(chis)
    print(f"edge of chaos at sigma_w^2 = {place:.3f} ± {error:.3f}")
    print(f"theory {critical_sigma_w('tanh', SIGMA_B) ** 2:.3f}; published 1.76")

    lines = chart(curves).encode(
        x=alt.X("depth:Q", title="layer"),
        y=alt.Y("c:Q", title="correlation of two inputs"),
        color=alt.Color("σw²:N"),
    )
    measured = lines.transform_filter("datum.kind == 'measured'").mark_point(filled=True, size=18)
    theory_lines = lines.transform_filter("datum.kind == 'theory'").mark_line(opacity=0.5)
    points = [{"σw²": place, "χ₁": one} for place, some in chis for one in some]
    fine = np.linspace(chis[0][0], chis[-1][0], 40)
    curve = [
        {"σw²": w, "χ₁": fixed_point("tanh", math.sqrt(w), SIGMA_B).chi_1} for w in fine.tolist()
    ]
    both = {
        "x": alt.X("σw²:Q", scale=alt.Scale(zero=False)),
        "y": alt.Y("χ₁:Q", scale=alt.Scale(zero=False)),
    }
    right = (
        chart(curve).mark_line(opacity=0.5).encode(**both)
        + chart(points).mark_point(filled=True, size=18).encode(**both)
        + chart([{"χ₁": 1}]).mark_rule(strokeDash=[4, 4]).encode(y="χ₁:Q")
        + chart([{"σw²": 1.76}]).mark_rule(strokeDash=[4, 4]).encode(x="σw²:Q")
    )
    save((theory_lines + measured).properties(**SIZE) | right.properties(**SIZE))


if __name__ == "__main__":
    main()
