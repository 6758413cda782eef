"""The page of two runs: where they part."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runner import limits
from runner.analysis.changes import ABSENT, Change
from runner.analysis.compare import compare
from runner.analysis.comparison import Comparison
from runner.analysis.part import Part
from runner.errors import show
from runner.report import bars, charts, cloud, depth, png
from runner.report.alike import similarity_chart
from runner.report.facts import headline
from runner.report.layers import CARDS, plane_of
from runner.report.page import Page, number
from runner.report.sample import Sample, part_of, scattered, spread, thin
from runner.store.layer import Layer
from runner.store.read import Run

_ACROSS, _DOWN = 240, 96  # cells of a map of differing samples
_DECADES = 6  # from the largest difference down to where the colour ends
_STATISTICS = {
    "mean": "mean",
    "std": "std",
    "min": "min",
    "max": "max",
    "zero_fraction": "share of exact zeros",
    "nonfinite_count": "values not finite",
}
_READ = 1 << 14  # rows read of each layer


@limits.one_blas_thread()
def page_of_pair(a: Run, b: Run) -> str:
    """The page as text.

    Raises:
        NotFoundError: neither run has any layer.
        DamagedError: a file is not what was written.
        MissingExtraError: the extra ``report`` is not installed.
    """
    page = Page()
    found = compare(a, b)
    heads, *lines = found.table()
    return page.render(
        "pair.html",
        title=f"{_named(a)} and {_named(b)}",
        found=found,
        runs=[
            {"letter": letter, "run": run, "name": _named(run), "headline": headline(run)}
            for letter, run in (("A", a), ("B", b))
        ],
        changes=[
            (title, [_change(one) for one in changes])
            for title, changes in (
                ("Configuration", found.config),
                ("Environment", found.environment),
                ("Metrics", found.metrics),
            )
            if changes
        ],
        heads=heads,
        parts=[
            {"cells": cells, "part": part} for cells, part in zip(lines, found.parts, strict=True)
        ],
        notes=list(found.notes()),
        depth=[
            {"title": title, "note": note, "chart": page.chart(spec)}
            for title, note, spec in _depth(found)
        ],
        plane=_plane(page, found),
        layers=list(_layers(page, found)),
        n_layers=len(found.layers),
        similarity=similarity_chart(page, a, b),
        inputs_differ=any(part.kind == "inputs" and not part.bits for part in found.parts),
        command=f"python -m runner compare {a.id} {b.id}",
    )


def _named(run: Run) -> str:
    return str(run.metadata["name"] or run.id[:8])


def _change(change: Change) -> tuple[str, str, str]:
    a, b = ("absent" if value is ABSENT else show(value) for value in (change.a, change.b))
    return change.key, a, b


def _depth(found: Comparison) -> Iterator[tuple[str, str, charts.Spec]]:
    """By how much, and how often, the outputs differ from layer to layer."""
    parts = [part for part in found.layers if part.bits or part.differences]
    if len(parts) < 2:
        return
    names = [part.name for part in parts]
    kinds = [_kind(found, part) for part in parts]
    amounts = {
        label: [_amount(part, name) for part in parts]
        for label, name in (("largest", "max_abs"), ("mean", "mean_abs"))
    }
    if any(value > 0 for values in amounts.values() for value in values):
        # On a logarithmic axis there is no place for layers that are the same.
        far = charts.spreads_far([v for values in amounts.values() for v in values if v > 0])
        lines = {k: [v if v > 0 or not far else math.nan for v in vs] for k, vs in amounts.items()}
        spec = depth.over_depth(
            names,
            kinds,
            lines,
            "|A − B| of the outputs",
            description="Largest and mean absolute difference over depth",
        )
        note = "Layers that are the same to the bit have no point." if far else ""
        if spec is not None:
            yield "How far apart", note, spec
    shares = {"values whose bits differ": [_amount(part, "share") for part in parts]}
    spec = depth.over_depth(
        names, kinds, shares, "share of values", percent=True, description="Share that differs"
    )
    if spec is not None:
        yield "How often", "", spec


def _kind(found: Comparison, part: Part) -> str:
    layer = found.a.layers.get(part.a) or found.b.layers.get(part.b)
    return layer.kind if layer else ""


def _amount(part: Part, name: str) -> float:
    return 0.0 if part.bits or part.differences is None else float(getattr(part.differences, name))


def _plane(page: Page, found: Comparison) -> dict[str, Any] | None:
    """The samples in the plane of their inputs, coloured by how far apart one layer puts them."""
    inputs = next((part for part in found.parts if part.kind == "inputs"), None)
    where = next(
        (part for part in found.layers if _subtractable(found, part) and not part.bits), None
    )
    if inputs is None or not inputs.bits or where is None:
        return None
    sample, left, right = _rows(found, where)
    rows = found.a.inputs_matrix.parts(sample.ranges)
    if rows.shape[1] < 2:
        return None
    with np.errstate(all="ignore"):
        apart = np.abs(left.astype(np.float64) - right.astype(np.float64)).max(axis=1)
    usable = np.isfinite(rows).all(axis=1) & np.isfinite(apart)
    chosen = scattered(int(usable.sum()))
    if not len(chosen):
        return None
    points, axes = plane_of(rows[usable][chosen], "input")
    spec = cloud.scatter(
        points,
        axes,
        values=apart[usable][chosen],
        title="largest |A − B|",
        height=380,
        description=f"The samples, coloured by how far apart {where.name} puts them",
    )
    note = part_of(len(chosen), sample.total, "samples") + " drawn"
    return {"chart": page.chart(spec), "layer": where.name, "note": note}


def _layers(page: Page, found: Comparison) -> Iterator[dict[str, Any]]:
    """Some layers side by side: distributions, statistics, the differing samples as a map."""
    for index in spread(len(found.layers), CARDS):
        part = found.layers[index]
        card: dict[str, Any] = {
            "part": part,
            "position": index,
            "statistics": _statistics(found, part),
            "histogram": None,
            "map": None,
        }
        if _subtractable(found, part):
            sample, left, right = _rows(found, part)
            card |= {"histogram": _both(page, part, left, right), "said": sample.said()}
            if not part.bits:
                card["map"] = _map(left, right, sample)
        elif _comparable(found, part):
            # Each by itself: the first rows of the longer one are not all of its kinds of sample.
            several = [_own_rows(layer, found) for layer in _pair(found, part) if layer]
            said = [f"{letter}: {one[0].said()}" for letter, one in zip("AB", several, strict=True)]
            histogram = _both(page, part, *(rows for _, rows in several))
            card |= {"histogram": histogram, "said": "; ".join(said)}
        yield card


def _both(page: Page, part: Part, left: NDArray[Any], right: NDArray[Any]) -> dict[str, Any] | None:
    spec = bars.histograms(
        {"A": left.reshape(-1), "B": right.reshape(-1)},
        f"output of {part.name}",
        description=f"Distributions of {part.name} in A and B",
    )
    return page.chart(spec)


def _pair(found: Comparison, part: Part) -> tuple[Layer | None, Layer | None]:
    """The layer in A and in B; None where it isn't."""
    return found.a.layers.get(part.a), found.b.layers.get(part.b)


def _comparable(found: Comparison, part: Part) -> bool:
    """Whether both runs have kept outputs of a layer."""
    return all(layer is not None and layer.path for layer in _pair(found, part))


def _subtractable(found: Comparison, part: Part) -> bool:
    """Whether the same rows of both have as many values."""
    return _comparable(found, part) and part.by != "shape"


def _statistics(found: Comparison, part: Part) -> list[tuple[str, str, str, bool]]:
    """Name, A's, B's, and whether they differ."""
    rows = []
    for name, words in _STATISTICS.items():
        a, b = (layer.statistics[name] if layer else None for layer in _pair(found, part))
        x, y = number(a), number(b)
        differ = a != b and not (a != a and b != b)  # NaN is no difference
        if differ and x == y:
            x, y = (number(value, digits=9) for value in (a, b))
        rows.append((words, x, y, differ))
    return rows


def _rows(found: Comparison, part: Part) -> tuple[Sample, NDArray[Any], NDArray[Any]]:
    """The same rows of a layer in A and B, few of many."""
    a, b = _pair(found, part)
    assert a is not None
    assert b is not None
    kept = _some(min(a.kept_rows, b.kept_rows), (a, b), found)
    left, right = (layer.matrix(check=not layer.is_large).parts(kept.ranges) for layer in (a, b))
    return Sample(max(a.n_samples, b.n_samples), kept.ranges), left, right


def _own_rows(layer: Layer, found: Comparison) -> tuple[Sample, NDArray[Any]]:
    """Rows of a layer that has none in common with the other."""
    kept = _some(layer.kept_rows, (layer,), found)
    rows = layer.matrix(check=not layer.is_large).parts(kept.ranges)
    return Sample(layer.n_samples, kept.ranges), rows


def _some(rows: int, layers: Sequence[Layer], found: Comparison) -> Sample:
    # Bounded in bytes, not in rows alone: a row of a wide layer is long.
    most = max(min(_READ, (1 << 24) // max(layer.n_neurons for layer in layers)), 256)
    # Every pair of layers has its share of what a page may read.
    row_bytes = sum(layer.bytes for layer in layers) * len(found.layers) / max(rows, 1)
    return thin(rows, row_bytes, most)


def _map(left: NDArray[Any], right: NDArray[Any], sample: Sample) -> dict[str, Any] | None:
    """Samples across, neurons down: the largest difference in each cell."""
    with np.errstate(all="ignore"):
        apart = np.abs(left.astype(np.float64) - right.astype(np.float64)).T
    apart[(left == right).T | (np.isnan(left) & np.isnan(right)).T] = 0
    cells = _largest(_largest(apart, _ACROSS, 1), _DOWN, 0)
    finite = cells[np.isfinite(cells)]
    largest = float(finite.max()) if finite.size else 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        share = 1 + np.log10(cells / largest) / _DECADES if largest > 0 else cells
    # The least difference there is stays to be seen.
    share = np.where(cells > 0, np.maximum(share, 0.08), 0.0)
    share = np.where(np.isfinite(cells), share, np.nan)
    down, across = cells.shape
    neurons = apart.shape[0]
    return {
        "picture": png.diverging(share, 1.0),
        "ratio": f"{across} / {max(down * 2, across // 10)}",
        "largest": number(largest),
        "least": number(largest * 10**-_DECADES),
        "binned": down < neurons or across < sample.size,
        "samples": sample.said(),
        "neurons": f"{neurons:,}",
    }


def _largest(values: NDArray[np.float64], most: int, axis: int) -> NDArray[np.float64]:
    """The largest of neighbours along an axis, so that at most so many are left; NaN stays."""
    count = values.shape[axis]
    if count <= most:
        return values
    edges = np.linspace(0, count, most + 1).astype(np.int64)[:-1]
    return np.asarray(np.maximum.reduceat(values, edges, axis=axis))
