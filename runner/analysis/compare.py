"""Compares two stored runs: configuration, environment, inputs, then layer by layer.

Digests say which layers differ before any outputs are read. Where they are unequal the stored
outputs are streamed, in the memory of a few batches. Of a large file, the checksum of every page
whose values are looked at is verified, and not the sum of the whole file: that takes longer than
the comparison, and whether a layer differs is known without it. Where the digests are equal, a
small file is read against its sum and a large one has to be there, of its size and shape.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal, get_args

from runner.analysis import changes
from runner.analysis.comparison import Comparison
from runner.analysis.differences import Tolerance
from runner.analysis.matching import Pair, matched
from runner.analysis.measurement import differences, measure
from runner.analysis.part import Part
from runner.errors import ConfigError, DamagedError, NotFoundError, UnknownKeyError, clip
from runner.store.layer import Layer
from runner.store.layout import FINISHED, STATISTICS
from runner.store.matrix.pairs import Piece, unequal
from runner.store.read import Run, load

Check = Literal["digests", "files", "bytes"]


def compare(
    a: str | Path | Run,
    b: str | Path | Run,
    *,
    atol: float = 0.0,
    rtol: float = 0.0,
    ulp: int = 0,
    check: Check = "files",
) -> Comparison:
    """Says whether two runs have the same bits, and if not, where they part.

    Args:
        a: a loaded run, or what :func:`runner.load` takes: a path, a run id, a name, ``latest``.
        b: the other one.
        atol: values are the same within atol + rtol * abs(b);
        rtol: see there;
        ulp: or with at most so many floats between them.
        check: what is asked of the outputs of layers whose digests are equal: ``digests``: nothing,
            they need not be there; ``files``: that the files are there, whole, and where they are
            small, what was written; ``bytes``: every byte of both runs is read first, as
            :func:`runner.store.verify.verify` does.

    Returns:
        The comparison: ``.same``, ``.sentence``, ``.layers``, and ``.frame()``, with a row for the
        inputs and for each layer.

    Raises:
        NotFoundError: there is no such run, or neither has any layer.
        DamagedError: a file is not what was written.
        ConfigError: a tolerance that is negative or no number; ``ulp`` between layers of two
            precisions; or no such check.

    Example::

        found = runner.compare("run-a", "latest", ulp=1)
        found.same, found.sentence
    """
    if check not in get_args(Check):
        raise UnknownKeyError("check", check, str(check), get_args(Check))
    tolerance = Tolerance(atol, rtol, ulp)
    left, right = (run if isinstance(run, Run) else load(run) for run in (a, b))
    if not left.layers and not right.layers:
        raise NotFoundError(
            "layers in runs", f"{left.id} and {right.id}", (), hint="neither has any"
        )
    layers = matched(list(left.layers.values()), list(right.layers.values()))
    if tolerance.ulp:
        _make_sure_of_ulps(tolerance.ulp, left, right, layers)
    if check == "bytes":
        _read_back(left, right)
    parts = _inputs(left, right, tolerance)
    parts += [_layer(x, y, tolerance, check) for x, y in layers]
    return Comparison(
        a=left,
        b=right,
        tolerance=tolerance,
        config=changes.configuration(left.config, right.config),
        environment=changes.environment(left.metadata, right.metadata),
        metrics=changes.metrics(left.metadata, right.metadata),
        parts=parts,
    )


def _make_sure_of_ulps(ulp: int, a: Run, b: Run, layers: Iterable[Pair]) -> None:
    kinds = [(f"layer {clip(x.name, 40)}", x.dtype, y.dtype) for x, y in layers if x and y]
    if a.status == b.status == FINISHED:
        x, y = (run.inputs_matrix.dtype.name for run in (a, b))
        kinds.insert(0, ("the inputs", x, y))
    for place, one, other in kinds:
        if one != other:
            problem = f"counts nothing between {one} in A and {other} in B, as in {place}"
            raise ConfigError("ulp", ulp, f"{problem}; use atol or rtol")


def _inputs(a: Run, b: Run, tolerance: Tolerance) -> list[Part]:
    """Inputs and targets; runs that ended before they were stored have none."""
    if a.status != FINISHED or b.status != FINISHED:
        return []
    shapes = (a.inputs_matrix.shape, b.inputs_matrix.shape)
    dtypes = (a.inputs_matrix.dtype.name, b.inputs_matrix.dtype.name)
    part = Part("inputs", shapes=shapes, dtypes=dtypes)
    if shapes[0] == shapes[1]:
        found = differences(unequal(a.inputs_matrix, b.inputs_matrix), tolerance)
        part.settle(found, tolerance, rows=shapes[0][0])
    return [part, *_targets(a, b, tolerance)]


def _targets(a: Run, b: Run, tolerance: Tolerance) -> list[Part]:
    if a.targets is None and b.targets is None:
        return []
    part = Part("targets")
    if a.targets is None or b.targets is None:
        part.note = f"only {'A' if b.targets is None else 'B'} has any"
        return [part]
    shapes = (a.targets.shape, b.targets.shape)
    part = Part("targets", shapes=shapes, dtypes=(a.targets.dtype.name, b.targets.dtype.name))
    if a.targets.shape == b.targets.shape:
        piece = Piece(0, 0, a.targets[:, None], b.targets[:, None])
        part.settle(measure(piece, tolerance), tolerance, rows=len(a.targets))
    return [part]


def _read_back(*runs: Run) -> None:
    from runner.store.verify import verify

    for finding in (finding for run in runs for finding in verify(run.path)):
        raise DamagedError(finding.path, finding.problem)


def _layer(a: Layer | None, b: Layer | None, tolerance: Tolerance, check: Check) -> Part:
    if a is None or b is None:
        alone = a or b
        assert alone is not None
        part = Part("layer", alone.name, alone.name, entry=alone.name)
        part.note = f"only {'B' if a is None else 'A'} has it"
        return part
    part = Part(
        "layer",
        a.name,
        b.name,
        entry=a.name,
        shapes=((a.n_samples, a.n_neurons), (b.n_samples, b.n_neurons)),
        dtypes=(a.dtype, b.dtype),
        digests=(a.digest, b.digest),
    )
    if a.digest == b.digest:
        part.same = part.bits = True
        if check == "files":
            for layer in (a, b):
                layer.look()
            part.unread = a.is_large or b.is_large
    elif part.by != "shape":
        _outputs(part, a, b, tolerance)
    return part


def _outputs(part: Part, a: Layer, b: Layer, tolerance: Tolerance) -> None:
    """Two layers of one shape whose digests differ."""
    part.statistics = {
        name: (a.statistics[name], b.statistics[name])
        for name in STATISTICS
        if changes.between({name: a.statistics[name]}, {name: b.statistics[name]})
    }
    missing = [run for run, layer in (("A", a), ("B", b)) if layer.path is None]
    if missing:
        part.note = f"outputs not kept in {' and '.join(missing)}: by digest and statistics"
        return
    left, right = (layer.matrix(check=not layer.is_large) for layer in (a, b))
    found = differences(unequal(left, right), tolerance)
    rows = min(left.shape[0], right.shape[0])
    part.settle(found, tolerance, rows)
    if rows < a.n_samples:
        # The digests are of all the rows: those that are kept don't make the layers the same.
        part.bits = part.same = False
        part.note = f"the first {rows} of {a.n_samples} rows are kept"
        if not found.beyond:
            part.by = "digest"
            part.note += ", and agree; the digests differ"
    elif a.dtype == b.dtype and not found.differing:
        for layer in (a, b):
            layer.check()
        raise DamagedError(left.path, "has not the outputs of its digest, or that of B has not")
