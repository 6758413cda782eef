"""The page of one run."""

from __future__ import annotations

import math
import shlex
from typing import Any

import numpy as np

from runner import limits
from runner.analysis import health
from runner.report.facts import configuration, headline, provenance
from runner.report.inputs import data_charts
from runner.report.layers import Card
from runner.report.material import Material
from runner.report.network import Network
from runner.report.page import Page
from runner.report.regions import regions
from runner.store.read import Run


@limits.one_blas_thread()  # a page's products are small: more threads wait for each other
def page_of_run(run: Run) -> str:
    """The page as text.

    Raises:
        DamagedError: a file is not what was written.
        MissingExtraError: the extra ``report`` is not installed.
    """
    page = Page()
    material = Material(run)
    whole = Network(material)
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
        regions=regions(page, material),
        configuration=configuration(run),
        provenance=provenance(run),
        command=f"python -m runner reproduce {run.id}" if run.layers else None,
        trusted=[str(name) for name in run.config.get("trust") or ()],
        overrides=shlex.join(["python", "-m", "runner", *(run.metadata["overrides"] or [])]),
    )


def _placed(page: Page, card: Card) -> dict[str, Any]:
    charts_of = {name: page.chart(getattr(card, name)) for name in ("histogram", "scatter")}
    return {"card": card, **charts_of}


def _inputs_rms(material: Material) -> float:
    finite = material.inputs[np.isfinite(material.inputs)].astype(np.float64)
    largest = float(np.abs(finite).max(initial=0.0))
    # Squares of what is very large, or small, have no float64.
    scaled = finite / (largest or 1.0)
    return largest * float(np.sqrt(np.square(scaled).mean())) if finite.size else math.nan
