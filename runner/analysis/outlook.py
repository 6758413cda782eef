"""All that theory says of one run, beside what was measured in it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from runner.analysis.edge import Edge, edge_of_chaos
from runner.analysis.expectation import describe, expectations
from runner.analysis.outputs import telling_pair
from runner.store.read import Run


@dataclass(frozen=True)
class Outlook:
    """Theory and measurement, layer by layer.

    Attributes:
        rows: one for each layer, as :meth:`runner.analysis.expectation.Expectation.row` gives it.
        pair: the two samples that the correlation is of; None: there is only one.
        edge: how far the network is from the edge of chaos; None where no theory knows.
    """

    rows: list[dict[str, Any]]
    pair: tuple[int, int] | None
    edge: Edge | None

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain values."""
        edge = asdict(self.edge) if self.edge else None
        pair = list(self.pair) if self.pair else None
        return {"theory": self.rows, "pair": pair, "edge_of_chaos": edge}


def outlook(run: Run) -> Outlook:
    """What theory says of a run; the correlation is that of the first two inputs that are not 0.

    Raises:
        NotFoundError: the run has no inputs.
        DamagedError: they are not what was written.
        ConfigError: a layer whose sizes or scales are missing or not numbers.
    """
    pair = telling_pair(run)
    rows = [one.row() for one in expectations(run, pair=pair)]
    return Outlook(rows, pair, edge_of_chaos(describe(run)))
