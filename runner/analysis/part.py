"""One thing that two runs both have, and how it differs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from runner.analysis.differences import Differences, Tolerance


@dataclass
class Part:
    """One thing that both runs have: the inputs, the targets, or a layer.

    Attributes:
        kind: ``inputs``, ``targets`` or ``layer``.
        a, b: its name in either run.
        entry: the key under ``layers`` that it comes from.
        shapes, dtypes, digests: of A and of B.
        bits: whether its bits are the same.
        same: whether it counts as the same, by the tolerance.
        differences: of the values, where both were read.
        statistics: those of a layer that differ: name -> A's, B's.
        unread: whether its digests say that its bits are the same, and its file was not read.
        note: what else is to be said, a phrase.
        by: what says that it differs: ``values``, or ``shape``, ``dtype``, ``digest``, ``absence``.
    """

    kind: str
    a: str = ""
    b: str = ""
    entry: str = ""
    shapes: tuple[tuple[int, ...], tuple[int, ...]] | None = None
    dtypes: tuple[str, str] | None = None
    digests: tuple[str, str] | None = None
    bits: bool = False
    same: bool = False
    differences: Differences | None = None
    statistics: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    unread: bool = False
    note: str = ""
    by: str = "digest"

    def __post_init__(self) -> None:
        if self.shapes and self.shapes[0] != self.shapes[1]:
            self.by = "shape"

    def settle(self, found: Differences, tolerance: Tolerance, rows: int) -> None:
        """Takes in what was found in the first ``rows`` rows of the values."""
        assert self.shapes is not None
        assert self.dtypes is not None
        width = self.shapes[0][1] if len(self.shapes[0]) > 1 else 1
        # Pieces that are equal on disk were never counted.
        found.compared = rows * width
        self.differences = found
        alike = self.dtypes[0] == self.dtypes[1]
        self.bits = alike and not found.differing
        self.same = not found.beyond and (alike or bool(tolerance))
        self.by = "values" if found.beyond else "dtype"

    @property
    def name(self) -> str:
        """``dense1``; ``dense1 / hidden`` where B calls it so; or the kind."""
        return self.a if self.a == self.b else f"{self.a} / {self.b}"

    def where(self) -> str:
        """The place where the runs part, if it is here."""
        here = f"layer {self.name}" if self.kind == "layer" else f"the {self.kind}"
        if self.by == "values" and self.differences and self.differences.first:
            sample, neuron, *_ = self.differences.first
            column = {"layer": f", neuron {neuron}", "inputs": f", feature {neuron}"}
            return f"{here}, sample {sample}{column.get(self.kind, '')}"
        if self.by == "shape" and self.shapes:
            a, b = map(_shape, self.shapes)
            return f"{here}, which {'is' if self.kind == 'layer' else 'are'} {a} in A and {b} in B"
        if self.by == "dtype" and self.dtypes and self.dtypes[0] != self.dtypes[1]:
            a, b = self.dtypes
            return f"{here}, which {'is' if self.kind == 'layer' else 'are'} {a} in A and {b} in B"
        return f"{here} ({self.note})" if self.note else here

    def row(self) -> dict[str, Any]:
        """As plain values, flat."""
        row: dict[str, Any] = {
            "part": self.kind,
            "layer": self.a or None,
            "layer_b": self.b or None,
            "bits": self.bits,
            "same": self.same,
        }
        pairs = {"shape": self.shapes, "dtype": self.dtypes, "digest": self.digests}
        for name, pair in pairs.items():
            row[f"{name}_a"], row[f"{name}_b"] = pair or (None, None)
        found = self.differences
        first = found.first if found else None
        row |= {
            "sample": first.sample if first else None,
            "neuron": first.neuron if first else None,
            "value_a": _number(first.a) if first else None,
            "value_b": _number(first.b) if first else None,
        }
        names = "compared differing beyond share max_abs mean_abs max_rel mean_rel max_ulp nan inf"
        row |= {name: getattr(found, name) if found else None for name in names.split()}
        return {**row, "unread": self.unread, "note": self.note or None}

    def cells(self) -> tuple[str, ...]:
        """As text, a line of a table."""
        found = self.differences
        name = self.name or self.kind
        a, b = self.shapes or ((), ())
        shape = _shape(a) if a == b else f"{_shape(a)} / {_shape(b)}"
        bits = "same" if self.bits else "within" if self.same else "differ"
        if found is None or not found.differing:
            return (name, shape, bits, *[""] * 11)
        first = found.first
        place = (
            (f"{first.sample}, {first.neuron}", str(first.a), str(first.b)) if first else ("",) * 3
        )
        ulp = "" if found.max_ulp is None else str(found.max_ulp)
        numbers = (found.max_abs, found.mean_abs, found.max_rel, found.mean_rel)
        amounts = [f"{x:.4g}" for x in numbers]
        if found.differing == found.nan + found.inf:  # none of them has an amount
            amounts, ulp = [""] * 4, ""
        counts = (f"{100 * found.share:.3g}%", str(found.nan), str(found.inf))
        return (name, shape, bits, *place, *amounts, ulp, *counts)

    def statistics_cells(self, names: Sequence[str]) -> Iterator[str]:
        """Nothing for a statistic that is the same in both."""
        for name in names:
            pair = self.statistics.get(name)
            yield from (f"{value:.9g}" for value in pair) if pair else ("", "")


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _number(value: Any) -> Any:
    """A numpy scalar as Python's; what JSON has no number for as text."""
    plain = value.item()
    finite = not isinstance(plain, float) or abs(plain) < float("inf")
    return plain if finite else str(plain)
