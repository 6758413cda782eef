"""How alike the stored layers of one run, or of two, represent the same samples: a matrix."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner import limits
from runner.analysis.aggregation import NOTE_LIMIT
from runner.analysis.differences import Tolerance
from runner.analysis.measurement import differences
from runner.analysis.moments import FloatArray
from runner.analysis.similarity import (
    BLOCK_ROWS,
    CrossMoments,
    Scores,
    bytes_needed,
    cka,
    procrustes,
    svcca,
)
from runner.errors import NotFoundError, TooLargeError, UnknownKeyError, clip
from runner.store.layer import Layer
from runner.store.matrix.pairs import unequal
from runner.store.read import Run, load

if TYPE_CHECKING:
    import pandas as pd

MEASURES: dict[str, tuple[str, Callable[[CrossMoments], Scores]]] = {
    "cka": ("linear CKA", cka),
    "debiased": ("debiased linear CKA", lambda moments: cka(moments, debiased=True)),
    "svcca": ("SVCCA", svcca),
    "procrustes": ("orthogonal Procrustes distance", procrustes),
}
"""Name -> title and function of :mod:`runner.analysis.similarity`."""


@dataclass(frozen=True)
class Similarity:
    """A measure between layers; ``.frame()`` is the same as a table.

    Attributes:
        measure: its name.
        rows, columns: the layers of A and of B, or of the one run.
        values: (rows, columns) float64; NaN where there is none.
        n_samples: the rows that went in.
        reasons: why values are missing, a line each.
        notes: what to keep in mind.
    """

    measure: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: FloatArray
    n_samples: int
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """``linear CKA over 300 samples``."""
        samples = "sample" if self.n_samples == 1 else "samples"
        return f"{MEASURES[self.measure][0]} over {self.n_samples} {samples}"

    def frame(self) -> pd.DataFrame:
        """Layers of A down, of B across."""
        import pandas as pd

        return pd.DataFrame(self.values, index=list(self.rows), columns=list(self.columns))

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain values."""
        lists = {name: list(getattr(self, name)) for name in ("rows", "columns")}
        values = {"values": self.values.tolist(), "reasons": list(self.reasons)}
        head = {"measure": self.measure, "n_samples": self.n_samples}
        return {**head, **lists, **values, "notes": list(self.notes)}

    def __repr__(self) -> str:
        return f"<Similarity {self.title}: {len(self.rows)} x {len(self.columns)} layers>"

    def _repr_html_(self) -> str:
        return f"<p>{self.title}</p>{self.frame().round(4).to_html()}"


def similarity(
    a: str | Path | Run, b: str | Path | Run | None = None, *, measure: str = "cka"
) -> Similarity:
    """Compares every layer with every other, in one pass over the rows that are kept of all.

    Layers with values that are not finite are left out, and a note says so.

    Args:
        a: a loaded run, or what :func:`runner.load` takes.
        b: the run whose layers are compared with those of A; None: those of A with each other.
        measure: ``cka``, ``debiased``, ``svcca`` or ``procrustes``.

    Raises:
        NotFoundError: there is no such run, no outputs were kept, or none that are all finite.
        UnknownKeyError: no such measure.
        TooLargeError: the cross moments of such wide layers don't fit into the memory.
    """
    if measure not in MEASURES:
        raise UnknownKeyError("measure", measure, measure, MEASURES)
    runs = [run if isinstance(run, Run) else load(run) for run in (a, b) if run is not None]
    chosen = [_kept(run) for run in runs]
    marks = [""] if len(runs) == 1 else ["A.", "B."]
    layers = {
        f"{mark}{layer.name}": layer
        for mark, some in zip(marks, chosen, strict=True)
        for layer in some
    }
    left = [f"{marks[0]}{layer.name}" for layer in chosen[0]]
    right = [f"{marks[-1]}{layer.name}" for layer in chosen[-1]]
    pairs = None if len(runs) == 1 else [(x, y) for x in left for y in right]
    rows = min(layer.kept_rows for layer in layers.values())
    _check_memory(layers, rows, pairs)
    moments = CrossMoments(pairs)
    for batch in _in_step(layers, rows):
        moments.update(batch)
    scores = MEASURES[measure][1](moments)
    at = {name: index for index, name in enumerate(scores.names)}
    values = scores.values[[at[name] for name in left]][:, [at[name] for name in right]]
    wanted = [(x, y) for x in left for y in right]
    reasons = dict.fromkeys(scores.reasons[pair] for pair in wanted if pair in scores.reasons)
    names = [tuple(layer.name for layer in some) for some in (chosen[0], chosen[-1])]
    notes = [*_notes(runs, chosen, rows), *_few_samples(measure, layers.values(), rows)]
    notes = [clip(note, NOTE_LIMIT) for note in notes]
    said = tuple(clip(reason, NOTE_LIMIT) for reason in reasons)
    return Similarity(measure, names[0], names[1], values, rows, said, tuple(notes))


def _few_samples(measure: str, layers: Iterable[Layer], rows: int) -> Iterator[str]:
    """What a measure says of any two layers, however little they have to do with each other."""
    widest = max(layer.n_neurons for layer in layers)
    if measure == "debiased" or not 1 < rows <= widest:
        return
    says = {
        "cka": "biased CKA is large for any two such layers; --similarity debiased is not",
        "svcca": "SVCCA nears 1 for any two such layers",
        "procrustes": "the distance is small for any two such layers",
    }
    yield f"{rows} samples of up to {widest} neurons: {says[measure]}"


def _kept(run: Run) -> list[Layer]:
    layers = [layer for layer in run.layers.values() if layer.path is not None]
    if not layers:
        hint = "similarity is computed from outputs, and none were kept"
        raise NotFoundError("outputs in run", run.id, (), hint=hint)
    finite = [layer for layer in layers if not _not_finite(layer)]
    if not finite:
        hint = "every layer has values that are not finite: no similarity exists"
        raise NotFoundError("layers in run", run.id, (), hint=hint)
    return finite


def _not_finite(layer: Layer) -> int:
    return int(layer.statistics["nonfinite_count"])


def _in_step(layers: dict[str, Layer], rows: int) -> Iterator[dict[str, Any]]:
    streams = {name: layer.batches(BLOCK_ROWS) for name, layer in layers.items()}
    for start in range(0, rows, BLOCK_ROWS):
        yield {name: next(stream)[: rows - start] for name, stream in streams.items()}


def _check_memory(layers: dict[str, Layer], rows: int, pairs: list[tuple[str, str]] | None) -> None:
    widths = {name: layer.n_neurons for name, layer in layers.items()}
    needed, there = bytes_needed(widths, rows, pairs), limits.available_memory()
    if there is not None and needed > there:
        widest = max(widths.values())
        problem = f"needs {limits.size(needed)} of memory, {limits.size(there)} is free"
        raise TooLargeError(f"similarity of {len(layers)} layers", f"{widest} neurons", problem)


def _notes(runs: list[Run], chosen: list[list[Layer]], rows: int) -> Iterator[str]:
    for run, some in zip(runs, chosen, strict=True):
        left_out = [layer for layer in run.layers.values() if layer not in some]
        if bare := [layer.name for layer in left_out if layer.path is None]:
            yield f"run {run.id}: no outputs kept of {', '.join(bare)}"
        if hot := [layer.name for layer in left_out if layer.path is not None]:
            yield f"run {run.id}: left out, with values that are not finite: {', '.join(hot)}"
    layers = [layer for some in chosen for layer in some]
    if any(layer.kept_rows < layer.n_samples for layer in layers):
        yield f"only the first {rows} samples are kept of every layer"
    elif any(layer.n_samples > rows for layer in layers):
        yield f"compared over the first {rows} samples, which both runs have"
    if len(runs) == 2:
        x, y = (run.inputs_matrix for run in runs)
        if x.shape != y.shape or differences(unequal(x, y), Tolerance()).differing:
            yield "the inputs differ: sample by sample, these layers saw different things"
