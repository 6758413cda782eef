"""What came of comparing two runs: part by part, and in one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from runner.analysis.cause import cause
from runner.analysis.changes import Change
from runner.analysis.differences import Tolerance
from runner.analysis.part import Part
from runner.errors import clip
from runner.store.drawn import draw
from runner.store.read import Run

if TYPE_CHECKING:
    import pandas as pd

_LABELS = ("name", "tags", "trust")  # say nothing of what was run
_NAMED = 3  # harmless keys that the sentence lists by name


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
        if self.parting is None:
            return None
        layer = self.parting.entry if self.parting.kind == "layer" else None
        return cause((self.a.config, self.b.config), self.config, self.environment, layer)

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
        """The same as a table; ``sample`` and ``neuron`` are Int64, as most rows lack them."""
        import pandas as pd

        table = pd.DataFrame(self.rows())
        places = [name for name in ("sample", "neuron") if name in table]
        return table.astype(dict.fromkeys(places, "Int64"))

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
        a, b = (run.metadata["name"] or run.id[:8] for run in (self.a, self.b))
        return f"<Comparison {a} {b}: {self.sentence}>"

    def _repr_html_(self) -> str:
        return str(draw("of_comparison", self))

    def table(self) -> list[tuple[str, ...]]:
        """The parts as text, the heads first; without columns in which nothing stands."""
        heads = ("part", "shape", "bits", "first", "A", "B", "max abs", "mean abs", "max rel")
        more = ("mean rel", "max ulp", "differ", "NaN", "inf")
        rows = [part.cells() for part in self.parts]
        used = [at for at in range(len(heads + more)) if any(row[at] for row in rows)]
        return [tuple(row[at] for at in used) for row in ((*heads, *more), *rows)]

    def statistics_table(self) -> list[tuple[str, ...]]:
        """Of layers that differ by their digests alone, the statistics that do; heads first."""
        parts = [part for part in self.parts if part.by == "digest" and part.statistics]
        names = list(dict.fromkeys(name for part in parts for name in part.statistics))
        heads = ("layer", *(f"{name} {run}" for name in names for run in "AB"))
        rows = [(part.name, *part.statistics_cells(names)) for part in parts]
        return [heads, *rows] if rows else []

    def notes(self) -> Iterator[str]:
        """What the tables have no column for, each once."""
        if self.a.path.resolve() == self.b.path.resolve():
            yield "A and B are one and the same run"
        if unread := [part.name for part in self.parts if part.unread]:
            names = clip(", ".join(unread), 60)
            yield f"not read, as the digests are equal (--verify reads every byte): {names}"
        said: dict[str, list[str]] = {}
        for part in self.parts:
            name = part.name or part.kind
            if part.note:
                said.setdefault(part.note, []).append(name)
            if part.dtypes and part.dtypes[0] != part.dtypes[1]:
                said.setdefault("{} in A, {} in B".format(*part.dtypes), []).append(name)
        layers = [part.name for part in self.layers]
        for text, parts in said.items():
            every = len(layers) > 1 and parts == layers
            yield f"{'every layer' if every else clip(', '.join(parts), 100)}: {text}"
