"""One chart for a notebook: a picture that needs neither a network nor a script."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from runner.errors import MissingExtraError, NotFoundError, UsageError, WriteError
from runner.report import charts, layers
from runner.report.inputs import data_charts
from runner.report.material import Material
from runner.store import Layer, Run

KINDS = ("distribution", "scatter")
"""Of a layer; the first is drawn where nothing is said."""

OF_RUN = ("classes", "plain")
"""Of a run; the same."""


class Plot:
    """A chart; a notebook shows it, :meth:`save` keeps it.

    Attributes:
        spec: the Vega-Lite specification, data included.
    """

    def __init__(self, spec: charts.Spec, title: str, note: str) -> None:
        heading = {"text": title, "subtitle": note, "anchor": "start", "fontWeight": 500}
        whole = charts.themed({**spec, "title": heading})
        # On paper of its own: a dark notebook would leave its ink unreadable.
        whole["config"]["background"] = charts.COLORS["paper"]
        self.spec: charts.Spec = {**whole, "padding": 10}
        self._said = f"{title}: {note}"

    def __repr__(self) -> str:
        return f"<Plot {self._said}>"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"image/svg+xml": self.svg(), "text/plain": repr(self)}

    def svg(self) -> str:
        """The chart as SVG.

        Raises:
            MissingExtraError: what draws it is not installed.
        """
        found: str = _converter().vegalite_to_svg(self.spec, allowed_base_urls=[])
        return found

    def save(self, path: str | Path) -> Path:
        """Writes the chart to ``….svg``, ``….png``, or its specification to ``….json``.

        Raises:
            UsageError: it ends in something else.
            WriteError: it can't be written.
        """
        path = Path(path)
        if path.suffix == ".svg":
            data = self.svg().encode()
        elif path.suffix == ".png":
            data = _converter().vegalite_to_png(self.spec, scale=2, allowed_base_urls=[])
        elif path.suffix == ".json":
            data = json.dumps(self.spec, indent=1).encode()
        else:
            raise UsageError(f"plot: {path.name}: ends in none of .svg, .png, .json")
        try:
            path.write_bytes(data)
        except OSError as error:
            raise WriteError(path, error.strerror or str(error)) from error
        return path


def plot(what: Layer | Run, kind: str | None = None) -> Plot:
    """Draws a layer's outputs, or the data of a run.

    Of large runs some rows are drawn, and the chart says how many. What was not kept is computed
    again from the stored parameters.

    Args:
        what: a layer; or a run, whose inputs are drawn.
        kind: of a layer: ``distribution`` of its outputs, or ``scatter``: the samples in the plane
            of two neurons, or of the first two principal components. Of a run: ``classes``: the
            samples coloured by class, or ``plain``: without colours. None: the first of these.

    Raises:
        MissingExtraError: the extra ``report`` is not installed.
        NotFoundError: there is nothing to be drawn.
    """
    if not isinstance(what, (Layer, Run)):
        raise TypeError(f"plot: a layer or a run of runner.load is needed, not {what!r:.60}")
    kinds = OF_RUN if isinstance(what, Run) else KINDS
    kind = kinds[0] if kind is None else kind
    if kind not in kinds:
        raise UsageError(f"plot: kind={kind}: there is: {', '.join(kinds)}")
    _converter()  # tells what is missing before anything is read
    if isinstance(what, Run):
        drawn = list(data_charts(Material(what)))
        if not drawn:
            raise NotFoundError("data in run", what.id, (), hint="it ended before it had any")
        _, note, spec = drawn[0 if kind == "plain" else -1]
        return Plot(spec, f"The data of {what.metadata['name'] or what.id}", note)
    material = Material(what.run)
    rows = material.outputs_of(what.name)
    if rows is None:
        reason = material.replay.stopped or "none were kept"
        raise NotFoundError("outputs of layer", what.name, (), hint=str(reason))
    if kind == "scatter":
        targets = material.of_outputs(material.sample_targets)
        found, note = layers.scatter(what, rows, targets, material.has_classes, 1)
        if found is None:
            raise NotFoundError("plane of layer", what.name, (), hint="it takes two neurons")
        return Plot(found, f"The samples as {what.name} puts them out", note)
    found, note = layers.distribution(what, rows, material.said)
    return Plot(found, f"Outputs of {what.name}", note)


def _converter() -> Any:
    try:
        import vl_convert
    except ImportError:
        raise MissingExtraError("vl-convert-python", "report", "a plot") from None
    return vl_convert
