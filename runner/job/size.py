"""What a run will take of memory and disk, compared with what there is before any work is done."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner import limits
from runner.errors import TooLargeError
from runner.forward.budget import pace, stages, waiting
from runner.numerics import TILE
from runner.store.layout import WIDE, group_rows
from runner.store.matrix.matrix_file import SMALL

if TYPE_CHECKING:
    from runner.job.plan import Plan

_DRAWING = {"runner.data.spiral": 72, "runner.data.vertical": 40, "runner.data.sine": 8}
"""Bytes that nnfs needs besides the result for each point of a class while it draws: measured."""

_MAKING = 20
"""Bytes a weight while a layer is made and stored, besides what is held of it: measured."""

_SUMMING = 16
"""Bytes a value of a tile while its statistics are taken, in float64."""

_SUMMED = 1 << 23
"""Of these, bytes that a thread keeps for the next tile."""

_OPEN = 1 << 14
"""Bytes of a layer's file in the making, besides its rows: measured with thousands of them."""

_PIECE = 8
"""Bytes that are kept of every column of a row group until a file is complete: where it begins."""

_FOOTER = 400
"""Bytes a column of a row group while a file is completed: what its footer is put together from."""

_ARROW_PIECE, _ARROW_COLUMN = 1700, 4000
"""The same where pyarrow writes: of every column of a row group, and of every column.

From the most memory that runs of 4 and of 40 million samples, and of thousands of layers, had."""

_HASHED = 17 << 20
"""Bytes of a large file that wait to be hashed: as many files at a time as there are cores."""

_TARGET = 8

_STREAMED = 4
"""Row groups of the inputs that a stream has in memory: being drawn, written, read and cut."""


def check(plan: Plan, directory: Path) -> None:
    """Refuses what will not fit.

    Raises:
        TooLargeError: more than the memory, or the disk that ``directory`` is on, can hold; or more
            files than a process may have open.
    """
    files, most = files_of(plan), limits.most_files()
    if most is not None and files > most:
        problem = f"needs {files} files open at a time, {most} may be; save.codec=none?"
        raise TooLargeError("save.codec", plan.codec, problem)
    disk, memory = limits.free_disk(directory), limits.available_memory()
    _compare(plan, memory_of(plan, limits.cores()), memory, "memory")
    _compare(plan, disk_of(plan), disk, "disk")


def memory_of(plan: Plan, threads: int) -> dict[str, int]:
    """Bytes of memory that the data, the weights and the outputs take at the most, together."""
    return {
        "data": _arriving(plan),
        "weights": _weights(plan),
        "outputs": _passing(plan, threads),
    }


def disk_of(plan: Plan) -> dict[str, int]:
    """Bytes of disk that the inputs, the weights and the outputs take."""
    item = plan.rule.dtype.itemsize
    return {
        "data": _inputs(plan),
        "weights": sum(_counts(plan)) * item,
        "outputs": plan.kept_rows * sum(p.n_neurons for p in plan.layers) * item,
    }


def files_of(plan: Plan) -> int:
    """How many files are open from a tile to the next: those that pyarrow writes."""
    if not plan.kept_rows or plan.shape.n_samples <= TILE:
        return 0
    return sum(plan.codec != "none" or p.n_neurons > WIDE for p in plan.layers)


def out_of_memory(plan: Plan) -> TooLargeError:
    """What to say of a run that the check let pass, and the memory did not."""
    parts = memory_of(plan, limits.cores())
    problem = f"memory ran out, though {limits.size(sum(parts.values()))} were expected to do"
    return TooLargeError(*_blamed(plan, parts), problem)


def _inputs(plan: Plan) -> int:
    """Bytes of the inputs and the targets."""
    width = plan.shape.n_features * plan.shape.dtype.itemsize + _TARGET
    return plan.shape.n_samples * width


def _arriving(plan: Plan) -> int:
    """Bytes of the dataset: all of it, and what drawing it takes; or what passes of a stream."""
    if plan.source.rows is not None:
        width, item = plan.shape.n_features, plan.shape.dtype.itemsize
        rows = min(group_rows(width, item), plan.shape.n_samples)
        return _STREAMED * (rows * (width * item + _TARGET))
    per_point = _DRAWING.get(str(plan.config["data"].get("_target_")), 0)
    points = plan.config["data"]["samples"] if per_point else 0
    return _inputs(plan) + points * per_point


def _counts(plan: Plan) -> list[int]:
    """How many weights each Dense layer has."""
    return [p.n_inputs * p.n_neurons for p in plan.layers if p.kind == "Dense"]


def _weights(plan: Plan) -> int:
    """Bytes of all weights as they are held for products and to be stored, and of making one."""
    held = plan.rule.product_dtype.itemsize
    if plan.rule.dtype != plan.rule.product_dtype:
        held += plan.rule.dtype.itemsize
    return sum(_counts(plan)) * held + max(_counts(plan), default=0) * _MAKING


def _passing(plan: Plan, threads: int) -> int:
    """Bytes of the forward pass: tiles in the works, rows that wait, temporaries, open files."""
    layers, samples = plan.layers, plan.shape.n_samples
    item, product = plan.rule.dtype.itemsize, plan.rule.product_dtype.itemsize
    tile = min(TILE, samples)
    busy = min(threads, -(-samples // TILE))
    multiplied = tile * max(p.n_inputs + p.n_neurons for p in layers) * (product + item)
    summed = tile * max(p.n_neurons for p in layers) * _SUMMING
    aside = busy * (max(multiplied, summed) + min(summed, _SUMMED))
    # All rows at once: what arrives, its copy, what comes out, its copy, and what goes on.
    whole = sum(samples * (2 * layers[at].n_inputs + 3 * layers[at].n_neurons) for at in plan.whole)
    held = tile * (_in_works(plan, threads) + _waiting(plan, threads))
    return held + whole * item + aside + _open_files(plan, threads)


def _in_works(plan: Plan, threads: int) -> int:
    """Bytes a row of a tile: of the legs that tiles are in, of one at its end, of what arrives."""
    widths, item = [p.n_neurons for p in plan.layers], plan.rule.dtype.itemsize
    arriving = max(plan.shape.n_features * plan.shape.dtype.itemsize, max(widths) * item)
    found = 0
    for stage in stages([at not in plan.whole for at in range(len(widths))]):
        legs, ahead = pace(widths, stage, item, batch_size=plan.batch_size, threads=threads)
        ahead = min(ahead, -(-plan.shape.n_samples // TILE))
        leg = max(sum(widths[leg.start : leg.stop]) for leg in legs) * item
        found = max(found, (ahead + 1) * leg + ahead * arriving)
    return found


def _waiting(plan: Plan, threads: int) -> int:
    """Bytes a row of a tile: of batches that wait for a lane, or are in one's hands."""
    widths, item = [p.n_neurons for p in plan.layers], plan.rule.dtype.itemsize
    if plan.shape.n_samples <= TILE:
        return max(widths) * item
    tasks = len(widths) * (2 if plan.kept_rows else 1)
    lanes = min(threads, tasks)
    rooms = waiting(widths, [-(-tasks // lanes)] * lanes, item, batch_size=plan.batch_size)
    return (sum(rooms) + lanes + 1) * max(widths) * item


def _open_files(plan: Plan, threads: int) -> int:
    """Bytes of the layers' files: all of them are open together, where rows come in tiles."""
    kept, item = plan.kept_rows, plan.rule.dtype.itemsize
    if not kept:
        return 0
    together = sum(p.n_neurons for p in plan.layers)
    held, hand = [], 0
    for part in plan.layers:
        width = part.n_neurons
        rows = min(kept, group_rows(width, item, together))
        group, pieces = rows * width * item, -(-kept // rows) * width
        # A group that a tile fills is in memory only while it is written.
        stays = rows > TILE or (rows == kept and width * kept <= SMALL)
        waits, ends = _OPEN + (group if stays else 0), 0
        if width > WIDE:
            waits += -(-kept // rows) * _ARROW_PIECE
            ends = 2 * group  # where each list begins and ends, of every value
        elif plan.codec == "none":
            waits += pieces * _PIECE
            ends = pieces * _FOOTER
        else:
            waits += pieces * _ARROW_PIECE + width * _ARROW_COLUMN
        held.append(waits)
        hand = max(hand, ends + (0 if stays else group))
    busy = min(threads, len(held))
    hashed = _HASHED if kept * max(p.n_neurons for p in plan.layers) * item > _HASHED else 0
    return (sum(held) if plan.shape.n_samples > TILE else max(held)) + busy * (hand + hashed)


def _compare(plan: Plan, parts: Mapping[str, int], there: int | None, what: str) -> None:
    needed = sum(parts.values())
    if there is None or needed <= there:
        return
    advice = "; save=statistics?" if what == "disk" and plan.kept_rows else ""
    raise TooLargeError(
        *_blamed(plan, parts),
        f"needs {limits.size(needed)} of {what}, {limits.size(there)} is free{advice}",
    )


def _blamed(plan: Plan, parts: Mapping[str, int]) -> tuple[str, Any]:
    """The key, and its value, behind what takes the most."""
    most = max(parts, key=lambda part: parts[part])
    widest = max(plan.layers, key=lambda p: p.n_neurons)
    entry = plan.config["layers"][widest.key.removeprefix("layers.")]
    samples, features = plan.shape.n_samples, plan.shape.n_features
    if widest.n_neurons >= features and (most == "weights" or widest.n_neurons > samples):
        for key in ("width", "n_neurons"):
            if entry.get(key) is not None:
                return f"{widest.key}.{key}", entry[key]
    for key in ("features", "samples", "path") if features > samples else ("samples", "path"):
        if key in plan.config["data"]:
            return f"data.{key}", plan.config["data"][key]
    return "data", plan.config["data"]["_target_"]
