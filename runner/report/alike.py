"""The similarity of layers as a map, from some of the rows that both runs have kept."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from runner.analysis.similarity import CrossMoments, cka
from runner.report.heat import heat
from runner.report.page import Page
from runner.report.sample import Sample, part_of, scattered, spread, thin
from runner.store.layer import Layer
from runner.store.read import Run

_LAYERS = 24  # of each run
_ROWS = 2048
_PRODUCTS = 1.5e10  # that all cross moments may take, some seconds
_WIDEST = 1024  # neurons: of wider layers the moments alone fill the memory


def similarity_chart(page: Page, a: Run, b: Run) -> dict[str, Any] | None:
    """Debiased linear CKA of every layer of A with every layer of B; None: nothing to compare."""
    chosen = [_chosen(run) for run in (a, b)]
    if not all(chosen):
        return None
    kept = min(layer.kept_rows for some in chosen for layer in some)
    cost = sum(x.n_neurons * y.n_neurons for x in chosen[0] for y in chosen[1])
    rows = int(min(_ROWS, max(_PRODUCTS / cost, 64)))
    stored = sum(layer.bytes for some in chosen for layer in some)
    sample = thin(kept, stored / max(kept, 1), 1 << 14)
    places = scattered(sample.size, rows)
    if len(places) < 4:
        return None
    outputs = {
        f"{letter}.{layer.name}": values
        for letter, some in zip("AB", chosen, strict=True)
        for layer in some
        if (values := _finite(layer, sample, places)) is not None
    }
    names = [[n for n in outputs if n.startswith(f"{letter}.")] for letter in "AB"]
    if not all(names):
        return None
    moments = CrossMoments([(x, y) for x in names[0] for y in names[1]])
    moments.update(outputs)
    scores = cka(moments, debiased=True)
    values = np.array([[scores.between(x, y) for y in names[1]] for x in names[0]])
    short = tuple([name[2:] for name in some] for some in names)
    spec = heat(
        (short[0], short[1]),
        values,
        "debiased CKA",
        ("layer of A", "layer of B"),
        description="How alike each layer of A is to each layer of B",
    )
    counts = [(len(some), len(run.layers)) for some, run in zip(short, (a, b), strict=True)]
    return {
        "chart": page.chart(spec),
        "samples": part_of(len(places), max(x.n_samples for x in chosen[0]), "samples"),
        "layers": [part_of(some, of, "layers") for some, of in counts],
        "missing": bool(np.isnan(values).any()),
    }


def _chosen(run: Run) -> list[Layer]:
    kept = [each for each in run.layers.values() if each.path and each.n_neurons <= _WIDEST]
    return [kept[index] for index in spread(len(kept), _LAYERS)]


def _finite(layer: Layer, sample: Sample, places: NDArray[np.int64]) -> NDArray[Any] | None:
    """(rows, n_neurons), or None where a value is not finite: it has no similarity."""
    if layer.statistics["nonfinite_count"]:
        return None
    stored = layer.matrix(check=not layer.is_large)
    return stored.parts(sample.ranges)[places]
