"""A run's layers, gone through once, for every chart that is of more than one of them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runner.analysis import health
from runner.analysis.expectation import Expectation, expectations, rms
from runner.errors import RunnerError
from runner.report import charts, depth, layers
from runner.report.drawing import COLUMNS, Column, drawing
from runner.report.layers import CARDS, Card
from runner.report.material import Material
from runner.report.plane import Plane, plane_over
from runner.report.sample import part_of, spread
from runner.store.layer import Layer

_SIDE = 72  # points along the side of a neuron's response


class Network:
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
        if len(self.material.layers) < 2:
            return
        for title, note, spec in (self._signal(), *self._statistics()):
            if spec is not None:
                yield title, note, spec

    def _signal(self) -> tuple[str, str, charts.Spec | None]:
        all_layers = self.material.layers
        names = [layer.name for layer in all_layers]
        expected = [self.expected.get(name) for name in names]
        reason = next((e.prediction.reason for e in expected if e and e.prediction.reason), "")
        note = "Dashed: mean-field theory at this width, and one error bar about it."
        if not any(e and not e.prediction.reason for e in expected):
            note = ""
        if reason:
            note = f"{note} It ends where {reason}." if note else f"No prediction: {reason}."
        spec = depth.with_theory(
            names,
            [layer.kind for layer in all_layers],
            [rms(facts) for facts in self._facts()],
            [_predicted(e, layer) for e, layer in zip(expected, all_layers, strict=True)],
            [_bar(e, layer) for e, layer in zip(expected, all_layers, strict=True)],
            "rms of the outputs",
            description="Root mean square of every layer's outputs, with theory's prediction",
        )
        return "Size of the signal", f"{note} {self._gaps()}".strip(), spec

    def _statistics(self) -> Iterator[tuple[str, str, charts.Spec | None]]:
        all_layers = self.material.layers
        names = [layer.name for layer in all_layers]
        kinds = [layer.kind for layer in all_layers]
        facts = self._facts()
        for title, shown in (
            ("Mean and spread", ("mean", "std")),
            ("Range", ("min", "max")),
        ):
            lines = {name: [float(f[name]) for f in facts] for name in shown}
            spec = depth.over_depth(names, kinds, lines, "output", description=title)
            yield title, self._gaps(), spec
        shares = {"exact zeros": [float(f["zero_fraction"]) for f in facts]}
        if self.dead:
            shares["dead neurons"] = [
                float(self.dead[name].mean()) if name in self.dead else math.nan for name in names
            ]
            shares["saturated"] = [self.saturated.get(name, math.nan) for name in names]
        yield (
            "What carries nothing",
            f"Dead and saturated: {self.material.said}." if self.dead else "",
            depth.over_depth(
                names, kinds, shares, "share", percent=True, description="Zeros over depth"
            ),
        )

    def _facts(self) -> list[dict[str, Any]]:
        """Each layer's statistics; of finite values alone they would fall back as it explodes."""
        gone = dict.fromkeys(("mean", "std", "min", "max"), math.nan)
        return [
            layer.statistics | (gone if layer.statistics["nonfinite_count"] else {})
            for layer in self.material.layers
        ]

    def _gaps(self) -> str:
        some = any(layer.statistics["nonfinite_count"] for layer in self.material.layers)
        return "Layers with values that are not finite have no point." if some else ""


def _expectations(material: Material) -> list[Expectation]:
    """Theory for the rows that are read; nothing where there is none to be had."""
    if not material.layers or not material.inputs.size:
        return []
    try:
        return expectations(material.run, material.inputs)
    except RunnerError:
        return []  # inputs that are not finite, sizes that are missing: the page does without


def _root(value: float, layer: Layer) -> float:
    """NaN also beyond what the layer's numbers can be."""
    root = math.sqrt(value) if value >= 0 else math.nan
    return root if root <= float(np.finfo(layer.dtype).max) else math.nan


def _predicted(one: Expectation | None, layer: Layer) -> float:
    return _root(one.predicted, layer) if one else math.nan


def _bar(one: Expectation | None, layer: Layer) -> tuple[float, float]:
    if one is None or one.prediction.reason:
        return math.nan, math.nan
    low, high = one.predicted - one.error_bar, one.predicted + one.error_bar
    # A bar that reaches below 0 has no place on a logarithmic axis.
    return _root(max(low, one.predicted * 1e-2), layer), _root(high, layer)
