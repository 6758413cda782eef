"""Measures where order turns into chaos: python -m docs.studies.edge_of_chaos SWEEP [PICTURE]."""

from __future__ import annotations

import itertools
import math

import altair as alt
import numpy as np

from docs.studies.common import SIZE, chart, jobs, save, show
from runner.analysis.criticality import critical_sigma_w, fixed_point
from runner.analysis.theory import predict
from runner.store import Run

SIGMA_B = math.sqrt(0.05)
SETTLED = 5
"""Layers after which the second moment is at its fixed point: xi_q is below 2."""


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
    for gain, group in itertools.groupby(jobs("layers.mlp.gain"), key=lambda job: job[0][0]):
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
    places = [place for place, _ in chis]
    edges = [np.interp(0, np.log(one), places) for one in zip(*(c for _, c in chis), strict=True)]
    error = np.std(edges, ddof=1) / math.sqrt(len(edges))
    print(f"edge of chaos at sigma_w^2 = {np.mean(edges):.3f} ± {error:.3f}")
    print(f"theory {critical_sigma_w('tanh', SIGMA_B) ** 2:.3f}; published 1.76")

    lines = chart(curves).encode(
        x=alt.X("depth:Q", title="layer"),
        y=alt.Y("c:Q", title="correlation of two inputs"),
        color=alt.Color("σw²:N"),
    )
    measured = lines.transform_filter("datum.kind == 'measured'").mark_point(filled=True, size=18)
    theory_lines = lines.transform_filter("datum.kind == 'theory'").mark_line(opacity=0.5)
    points = [{"σw²": place, "χ₁": one} for place, some in chis for one in some]
    fine = np.linspace(min(places), max(places), 40)
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
