"""The page of one run."""

from __future__ import annotations

import itertools
import math
import shlex
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runner import limits
from runner.analysis import health
from runner.analysis.expectation import Expectation, expectations
from runner.errors import RunnerError
from runner.report import charts, depth, layers, png
from runner.report.drawing import COLUMNS, Column, drawing
from runner.report.facts import configuration, headline, provenance
from runner.report.layers import CARDS, Card
from runner.report.material import Material
from runner.report.page import Page
from runner.report.plane import Plane, plane_over
from runner.report.sample import part_of, scattered, spread
from runner.store.read import Layer, Run

_SIDE = 72  # points along the side of a neuron's response
_REGIONS = 180  # along that of the decision regions


@limits.one_blas_thread()  # a page's products are small: more threads wait for each other
def page_of_run(run: Run) -> str:
    """The page as text.

    Raises:
        DamagedError: a file is not what was written.
        MissingExtraError: the extra ``report`` is not installed.
    """
    page = Page()
    material = Material(run)
    whole = _Network(material)
    inputs = _inputs_rms(material)
    cards = whole.cards(inputs)
    return page.render(
        "run.html",
        run=run,
        title=run.metadata["name"] or f"Run {run.id[:8]}",
        headline=headline(run),
        data_charts=[
            {"title": title, "note": note, "chart": page.chart(spec)}
            for title, note, spec in data_charts(material)
        ],
        features=material.n_features,
        network=whole.drawn(material),
        ribbon=whole.ribbon,
        marks=[(layer, marks) for layer, marks in whole.marks if marks],
        rules=health.RULES,
        depth=[
            {"title": title, "note": note, "chart": page.chart(spec)}
            for title, note, spec in whole.depth()
        ],
        cards=[_placed(page, card) for card in cards],
        n_layers=len(material.layers),
        plane=whole.plane,
        stopped=material.replay.stopped if material.n_features == 2 else None,
        outputs_said=material.said if material.layers else "",
        regions=_regions(page, material),
        configuration=configuration(run),
        provenance=provenance(run),
        command=f"python -m runner reproduce {run.id}",
        overrides=shlex.join(["python", "-m", "runner", *(run.metadata["overrides"] or [])]),
    )


def _placed(page: Page, card: Card) -> dict[str, Any]:
    charts_of = {name: page.chart(getattr(card, name)) for name in ("histogram", "scatter")}
    return {"card": card, **charts_of}


class _Network:
    """All layers, gone through once: what is known of each, in the order they come."""

    def __init__(self, material: Material) -> None:
        self.material = material
        self.marks: list[tuple[Layer, list[health.Mark]]] = []
        self.dead: dict[str, NDArray[np.bool_]] = {}
        self.saturated: dict[str, float] = {}
        self.expected = {one.layer: one for one in _expectations(material)}
        self.plane: Plane | None = None
        if material.n_features == 2 and material.layers:
            self.plane = plane_over(material.inputs, material.replay, _SIDE)

    def cards(self, inputs_rms: float) -> list[Card]:
        """A card for each layer, or for some at equal distances of very many."""
        material = self.material
        chosen = set(spread(len(material.layers), CARDS))
        answers = self._answers()
        targets = material.of_outputs(material.sample_targets)
        cards = []
        for (layer, outputs), answer in zip(
            material.outputs(), itertools.chain(answers, itertools.repeat(None)), strict=False
        ):
            dead = saturated = math.nan
            if outputs is not None and len(outputs):
                self.dead[layer.name] = health.dead_neurons(outputs)
                dead = float(self.dead[layer.name].mean())
                saturated = health.saturated_share(layer.kind, outputs)
                self.saturated[layer.name] = saturated
            marks = health.marks(layer, inputs_rms, dead, saturated)
            self.marks.append((layer, marks))
            if layer.position not in chosen:
                continue
            facts = layers.statistics(layer, dead, saturated, self.expected.get(layer.name))
            more: dict[str, Any] = {"weights": layers.weights_map(layer, len(chosen))}
            if outputs is not None and len(outputs):
                more["histogram"], more["histogram_note"] = layers.distribution(
                    layer, outputs, material.said
                )
                more["scatter"], more["scatter_note"] = layers.scatter(
                    layer, outputs, targets, material.has_classes, len(chosen)
                )
            if answer is not None and self.plane is not None:
                names = ("responses", "responses_limit", "responses_note")
                found = layers.responses(layer, self.plane, answer, len(chosen))
                more |= dict(zip(names, found, strict=True))
            cards.append(Card(layer, marks, facts, **more))
        return cards

    def _answers(self) -> Iterator[NDArray[Any]]:
        if self.plane is None or self.material.inputs_matrix is None:
            return iter(())
        points = self.plane.points(self.material.inputs_matrix.dtype)
        return self.material.replay.forward(points)

    def drawn(self, material: Material) -> dict[str, Any] | None:
        """The drawing of a network that is not too deep for it."""
        if not material.layers or len(material.layers) >= COLUMNS:
            return None
        first = material.layers[0]
        columns = [
            Column(
                "inputs",
                part_of(first.n_inputs, first.n_inputs, "features"),
                "data",
                first.n_inputs,
            )
        ]
        for layer, marks in self.marks:
            weights = layer.weights
            fits = weights is not None and weights.shape == (layer.n_inputs, layer.n_neurons)
            columns.append(
                Column(
                    layer.name,
                    f"{layer.kind}, {layer.n_neurons:,}",
                    f"layer-{layer.position}",
                    layer.n_neurons,
                    weights if fits else None,
                    self.dead.get(layer.name),
                    [str(mark) for mark in marks],
                )
            )
        return drawing(columns)

    @property
    def ribbon(self) -> list[dict[str, Any]]:
        """A cell for each layer of a network that is too deep to be drawn."""
        there = set(spread(len(self.marks), CARDS))
        return [
            {"layer": layer, "marks": marks, "linked": layer.position in there}
            for layer, marks in self.marks
        ]

    def depth(self) -> Iterator[tuple[str, str, charts.Spec]]:
        """Charts of the statistics over the layers."""
        all_layers = self.material.layers
        if len(all_layers) < 2:
            return
        names = [layer.name for layer in all_layers]
        expected = [self.expected.get(name) for name in names]
        reason = next((e.prediction.reason for e in expected if e and e.prediction.reason), "")
        note = "Dashed: mean-field theory at this width, and one error bar about it."
        if not any(e and not e.prediction.reason for e in expected):
            note = ""
        if reason:
            note = f"{note} It ends where {reason}." if note else f"No prediction: {reason}."
        yield (
            "Size of the signal",
            note,
            depth.with_theory(
                names,
                [health.rms(layer.statistics) for layer in all_layers],
                [_root(e.predicted) if e else math.nan for e in expected],
                [_bar(e) for e in expected],
                "rms of the outputs",
                description="Root mean square of every layer's outputs, with theory's prediction",
            ),
        )
        facts = [layer.statistics for layer in all_layers]
        for title, shown in (
            ("Mean and spread", ("mean", "std")),
            ("Range", ("min", "max")),
        ):
            lines = {name: [float(f[name]) for f in facts] for name in shown}
            yield title, "", depth.over_depth(names, lines, "output", description=title)
        shares = {"exact zeros": [float(f["zero_fraction"]) for f in facts]}
        if self.dead:
            shares["dead neurons"] = [
                float(self.dead[name].mean()) if name in self.dead else math.nan for name in names
            ]
            shares["saturated"] = [self.saturated.get(name, math.nan) for name in names]
        yield (
            "What carries nothing",
            f"Dead and saturated: {self.material.said}." if self.dead else "",
            depth.over_depth(names, shares, "share", percent=True, description="Zeros over depth"),
        )


def data_charts(material: Material) -> Iterator[tuple[str, str, charts.Spec]]:
    """The data as the book shows it: first without colours, then with."""
    inputs, targets = material.inputs, material.targets
    if not inputs.size:
        return
    usable = np.isfinite(inputs).all(axis=1)
    inputs = inputs[usable]
    targets = None if targets is None else targets[usable]
    chosen = scattered(len(inputs))
    note = part_of(len(chosen), material.data.total, "samples") + " drawn"
    rows = inputs[chosen]
    colors = None if targets is None else targets[chosen]
    if not len(rows):
        return
    if rows.shape[1] == 1 and colors is not None and not material.has_classes:
        points, axes = np.column_stack([rows[:, 0], colors]), ("input 0", "target")
        yield (
            "Inputs and targets",
            note,
            charts.scatter(points, axes, description="Inputs and targets"),
        )
        return
    if rows.shape[1] == 1:
        yield "Without colours", note, charts.histogram(rows, "input 0", height=320)
        if colors is not None:
            parts = {f"class {k}": rows[colors == k] for k in np.unique(colors)[:8].tolist()}
            yield "By class", note, charts.histograms(parts, "input 0", height=320)
        return
    points, axes = layers.plane_of(rows, "input")
    yield "Without colours", note, charts.scatter(points, axes, description="The inputs")
    if colors is None:
        return
    kind = "classes" if material.has_classes else "values"
    title = "class" if material.has_classes else "target"
    spec = charts.scatter(
        points, axes, **{kind: colors}, title=title, description=f"The inputs by {title}"
    )
    yield f"Coloured by {title}", note, spec


def _regions(page: Page, material: Material) -> dict[str, Any] | None:
    """Which class the last layer chooses where in the plane, with the samples on top."""
    if material.n_features != 2 or not material.layers or material.replay.stopped:
        return None
    last = material.layers[-1]
    if last.n_neurons < 2 or not (last.kind == "Softmax" or material.n_classes == last.n_neurons):
        return None
    plane = plane_over(material.inputs, material.replay, _REGIONS)
    if plane is None or material.inputs_matrix is None:
        return None
    *_, answer = material.replay.forward(plane.points(material.inputs_matrix.dtype))
    classes = np.argmax(np.nan_to_num(answer, nan=-np.inf), axis=1)
    sure = np.full(len(answer), 0.6)
    if last.kind == "Softmax":
        least = 1 / last.n_neurons
        sure = 0.25 + 0.75 * (answer.max(axis=1) - least) / (1 - least)
    inputs, targets = material.inputs, material.targets
    chosen = scattered(len(inputs))
    spec = charts.regions(
        inputs[chosen],
        targets[chosen] if targets is not None and material.has_classes else None,
        png.regions(plane.picture(classes), plane.picture(sure)),
        (plane.low, plane.high),
        ("input 0", "input 1"),
    )
    there = sorted({int(c) for c in classes})
    return {
        "chart": page.chart(spec),
        "classes": ", ".join(map(str, there[:12])) + (", …" if len(there) > 12 else ""),
        "count": len(there),
        "n": last.n_neurons,
        "note": part_of(len(chosen), material.data.total, "samples") + " drawn",
        "softmax": last.kind == "Softmax",
    }


def _expectations(material: Material) -> list[Expectation]:
    """Theory for the rows that are read; nothing where there is none to be had."""
    if not material.layers or not material.inputs.size:
        return []
    try:
        return expectations(material.run, material.inputs)
    except RunnerError:
        return []  # inputs that are not finite, sizes that are missing: the page does without


def _inputs_rms(material: Material) -> float:
    finite = material.inputs[np.isfinite(material.inputs)].astype(np.float64)
    return float(np.sqrt(np.square(finite).mean())) if finite.size else math.nan


def _root(value: float) -> float:
    return math.sqrt(value) if value >= 0 else math.nan


def _bar(one: Expectation | None) -> tuple[float, float]:
    if one is None or one.prediction.reason:
        return math.nan, math.nan
    low, high = one.predicted - one.error_bar, one.predicted + one.error_bar
    # A bar that reaches below 0 has no place on a logarithmic axis.
    return _root(max(low, one.predicted * 1e-2)), _root(high)
