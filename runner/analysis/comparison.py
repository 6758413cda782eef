"""What came of comparing two runs: part by part, and in one sentence."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from runner.analysis.changes import Change, cause, interpolated
from runner.analysis.differences import Differences, Tolerance
from runner.analysis.entries import entry_of
from runner.errors import clip
from runner.store.read import Run

if TYPE_CHECKING:
    import pandas as pd

_LABELS = ("name", "tags", "trust")  # say nothing of what was run
_NAMED = 3  # harmless keys that the sentence lists by name


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
            return (
                f"{here}, which is {_shape(self.shapes[0])} in A and {_shape(self.shapes[1])} in B"
            )
        if self.by == "dtype" and self.dtypes and self.dtypes[0] != self.dtypes[1]:
            return f"{here}, which is {self.dtypes[0]} in A and {self.dtypes[1]} in B"
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


@dataclass
class Comparison:
    """Two runs beside each other; :func:`runner.compare` makes it.

    Attributes:
        a, b: the runs.
        tolerance: what counts as the same.
        config, environment, metrics: the keys that differ.
        parts: inputs, targets and layers, in the order of the data.
    """

    a: Run
    b: Run
    tolerance: Tolerance
    config: list[Change]
    environment: list[Change]
    metrics: list[Change]
    parts: list[Part]

    @property
    def same(self) -> bool:
        """Whether inputs, targets and every layer count as the same."""
        return all(part.same for part in self.parts) and self.a.status == self.b.status

    @property
    def bits(self) -> bool:
        """Whether they are the same to the bit."""
        return all(part.bits for part in self.parts) and self.a.status == self.b.status

    @property
    def layers(self) -> list[Part]:
        """The layers alone."""
        return [part for part in self.parts if part.kind == "layer"]

    @cached_property
    def parting(self) -> Part | None:
        """The first part that isn't the same."""
        return next((part for part in self.parts if not part.same), None)

    @cached_property
    def cause(self) -> str | None:
        """The one key that the runs part by; None where it isn't exactly one."""
        if self.parting is None or any(interpolated(run.config) for run in (self.a, self.b)):
            return None
        order = list(self.a.config.get("layers") or {})
        order += [name for name in self.b.config.get("layers") or {} if name not in order]
        entry = None
        if self.parting.kind == "layer":
            entry = entry_of(self.parting.entry, order)
        return cause(self.config, self.environment, order, entry)

    @property
    def sentence(self) -> str:
        """What came of it."""
        ended = [(n, run) for n, run in (("A", self.a), ("B", self.b)) if run.status != "FINISHED"]
        if ended and not self.same:
            said = " and ".join(f"run {name} {run.status}" for name, run in ended)
            return f"the runs cannot be the same: {said}"
        if self.parting is not None:
            because = f", because {self.cause} differs" if self.cause else ""
            return f"the runs part at {self.parting.where()}{because}"
        count = f"{len(self.layers)} layer{'' if len(self.layers) == 1 else 's'}"
        if not self.bits:
            return f"the runs agree within {self.tolerance} in {count}, though not to the bit"
        keys = [change.key for change in self.config if change.key not in _LABELS]
        though = f", though {len(keys)} keys of the configuration differ" if keys else ""
        if 0 < len(keys) <= _NAMED:
            though = f", though {' and '.join(keys)} differ{'' if len(keys) > 1 else 's'}"
        return f"the runs are the same to the bit in {count}{though}"

    def rows(self) -> list[dict[str, Any]]:
        """One flat row for each part."""
        return [part.row() for part in self.parts]

    def frame(self) -> pd.DataFrame:
        """The same as a table."""
        import pandas as pd

        return pd.DataFrame(self.rows())

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain values."""
        runs = {"a": self.a, "b": self.b}
        return {
            **{
                name: {"run_id": run.id, "status": run.status, "path": str(run.path)}
                for name, run in runs.items()
            },
            "same": self.same,
            "bits": self.bits,
            "sentence": self.sentence,
            "cause": self.cause,
            "tolerance": {name: getattr(self.tolerance, name) for name in ("atol", "rtol", "ulp")},
            "config": [change.row() for change in self.config],
            "environment": [change.row() for change in self.environment],
            "metrics": [change.row() for change in self.metrics],
            "parts": [{**part.row(), "statistics": part.statistics} for part in self.parts],
        }

    def __repr__(self) -> str:
        return f"<Comparison {self.a.id[:8]} {self.b.id[:8]}: {self.sentence}>"

    def _repr_html_(self) -> str:
        sections = (("configuration", self.config), ("environment", self.environment))
        lists = "".join(
            f"<p><b>{title}</b><br>{'<br>'.join(html.escape(str(c)) for c in found)}</p>"
            for title, found in sections
            if found
        )
        head, *rows = self.table()
        cells = [_html_row("th", head), *(_html_row("td", row) for row in rows)]
        return f"<p>{html.escape(self.sentence)}</p>{lists}<table>{''.join(cells)}</table>"

    def table(self) -> list[tuple[str, ...]]:
        """The parts as text, the heads first."""
        heads = ("part", "shape", "bits", "first", "A", "B", "max abs", "mean abs", "max rel")
        return [(*heads, "max ulp", "differ", "NaN", "inf"), *map(_text_row, self.parts)]

    def notes(self) -> Iterator[str]:
        """What the table has no column for."""
        if unread := [part.name for part in self.parts if part.unread]:
            names = clip(", ".join(unread), 60)
            yield f"not read, as the digests are equal (--verify reads every byte): {names}"
        for part in self.parts:
            where = part.name or part.kind
            if part.note:
                yield f"{where}: {part.note}"
            if part.dtypes and part.dtypes[0] != part.dtypes[1]:
                yield f"{where}: {part.dtypes[0]} in A, {part.dtypes[1]} in B"
            if part.by == "digest" and not part.same:
                for name, (a, b) in part.statistics.items():
                    yield f"{where}: {name} {a:.9g} in A, {b:.9g} in B"


def _text_row(part: Part) -> tuple[str, ...]:
    found = part.differences
    name = part.name or part.kind
    a, b = part.shapes or ((), ())
    shape = _shape(a) if a == b else f"{_shape(a)} / {_shape(b)}"
    bits = "same" if part.bits else "within" if part.same else "differ"
    if found is None or not found.differing:
        return (name, shape, bits, *[""] * 10)
    first = found.first
    place = (f"{first.sample}, {first.neuron}", str(first.a), str(first.b)) if first else ("",) * 3
    ulp = "" if found.max_ulp is None else str(found.max_ulp)
    amounts = [f"{x:.4g}" for x in (found.max_abs, found.mean_abs, found.max_rel)]
    if found.differing == found.nan + found.inf:  # none of them has an amount
        amounts, ulp = [""] * 3, ""
    counts = (f"{100 * found.share:.3g}%", str(found.nan), str(found.inf))
    return (name, shape, bits, *place, *amounts, ulp, *counts)


def _html_row(tag: str, cells: Sequence[str]) -> str:
    return f"<tr>{''.join(f'<{tag}>{html.escape(cell)}</{tag}>' for cell in cells)}</tr>"


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _number(value: Any) -> Any:
    """A numpy scalar as Python's; what JSON has no number for as text."""
    plain = value.item()
    finite = not isinstance(plain, float) or abs(plain) < float("inf")
    return plain if finite else str(plain)
