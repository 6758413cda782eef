"""The user's own table, from a CSV, parquet or npz file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from runner import limits
from runner.data.columns import OPEN, Column, Columns, UnreadableError
from runner.data.dataset import Dataset, Shape, sized_by
from runner.errors import ConfigError, TooLargeError, UnknownKeyError

FOLDER: ContextVar[Path | None] = ContextVar("FOLDER", default=None)
"""What relative paths are meant from, where that is not the current folder: a stored run is done
again somewhere else."""


def located(path: str) -> Path:
    """The file that a path means, absolute."""
    return Path.cwd() / (FOLDER.get() or "") / Path(path).expanduser()


def _size_table(
    path: str, features: Sequence[str] | None = None, target: str | None = None
) -> Shape:
    # Whether all of its numbers are finite can be known only by reading them.
    inputs, targets = _read(path, features, target)
    classes = targets is not None and targets.dtype.kind == "i"
    n_classes = max(int(targets.max()) + 1, 1) if targets is not None and classes else None
    n_samples, n_features = inputs.shape
    return Shape(n_samples, n_features, n_classes, inputs.dtype)


@sized_by(_size_table)
def table(
    path: str,
    features: Sequence[str] | None = None,
    target: str | None = None,
    *,
    random_state: RandomState | None = None,  # noqa: ARG001
) -> Dataset:
    """Columns of a file as inputs, and one as target.

    Args:
        path: a ``.csv`` (commas, names in the first line), a ``.parquet``, or an ``.npz``, in which
            an array of one dimension is a column, and one ``X`` of two has the columns ``X_0``,
            ``X_1``, …, which may be named ``X`` together. Nothing is unpickled.
        features: names of the columns to feed in, in this order. None: all but the target and, in
            a parquet file, the index that pandas put there.
        target: name of the column to predict. None: no target.
        random_state: not drawn from.

    Returns:
        inputs (rows, features), float32 where all of these columns are float32 in the file, else
        float64 (whole numbers are exact up to 2**53); targets int64 where the column holds whole
        numbers, which are classes, float64 where it holds real ones.

    Raises:
        ConfigError: no such file or column, an empty table, a column that is not all finite
            numbers, two columns of one name.
        TooLargeError: the columns unpack to more than the memory can hold.
    """
    return _read(path, features, target)


def _read(path: str, features: Sequence[str] | None, target: str | None) -> Dataset:
    try:
        opened = _open(path)
        named = _named(opened, features, target)
        aim = [] if target is None else _expand(opened, "target", target)
        if len(aim) > 1:
            raise ConfigError("target", target, f"is {len(aim)} columns, needs one: {aim[0]}, …")
        wanted = list(dict.fromkeys([*named, *aim]))
        _check_memory(path, opened.cells(wanted) + opened.rows * len(named))
        loaded = opened.load(wanted)
    except UnreadableError as error:
        raise ConfigError("path", str(path), str(error)) from None
    inputs = _inputs(loaded, named)
    return Dataset(inputs, _targets(aim[0], loaded[aim[0]]) if aim else None)


def _open(path: str) -> Columns:
    if not path:
        raise ConfigError("path", path, "needs the name of a .csv, .parquet or .npz file")
    place = located(path)
    try:
        exists, is_file = place.exists(), place.is_file()
    except OSError as error:
        raise ConfigError("path", str(path), error.strerror or str(error)) from None
    if not is_file:
        raise ConfigError("path", str(path), "is not a file" if exists else "there is no such file")
    if place.suffix.lower() not in OPEN:
        raise ConfigError("path", str(path), f"needs a file of {', '.join(OPEN)}")
    opened = OPEN[place.suffix.lower()](place)
    if not opened.rows or not opened.names:
        raise UnreadableError("the table is empty: it needs a row and a column at least")
    twice = [n for n, count in Counter([*opened.names, *opened.groups]).items() if count > 1]
    if twice:
        raise UnreadableError(f"has two columns of the name {twice[0]}")
    return opened


def _named(opened: Columns, features: Any, target: str | None) -> list[str]:
    """The names of the feature columns, each in the file and none twice."""
    if features is None:
        left_out = {*opened.index, *(_expand(opened, "target", target) if target else ())}
        names = [name for name in opened.names if name not in left_out]
        if not names:
            raise ConfigError("target", target, "no column is left to feed in")
        return names
    if isinstance(features, str) or not isinstance(features, Sequence) or not features:
        raise ConfigError("features", features, "needs names of columns: data.features=[a,b]")
    names = [name for asked in features for name in _expand(opened, "features", asked)]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ConfigError("features", list(features), f"has column {twice[0]} twice")
    return names


def _expand(opened: Columns, key: str, asked: Any) -> list[str]:
    if isinstance(asked, str) and asked in opened.groups:
        return opened.groups[asked]
    if not isinstance(asked, str) or asked not in opened.known:
        raise UnknownKeyError(key, asked, str(asked), (*opened.groups, *opened.names))
    return [asked]


def _check_memory(path: str, values: int) -> None:
    """A small file can unpack to any size, so its header is asked before it is."""
    free, needed = limits.available_memory(), 8 * values
    if free is not None and needed > free:
        raise TooLargeError(
            "path",
            str(path),
            f"unpacks to {limits.size(needed)}, {limits.size(free)} of memory is free",
        )


def _inputs(loaded: Mapping[str, Column], names: list[str]) -> NDArray[Any]:
    columns = [_checked("features", name, loaded[name]) for name in names]
    single = all(c.dtype.kind == "f" and c.dtype.itemsize == 4 for c in columns)
    inputs = np.empty((len(columns[0]), len(columns)), np.float32 if single else np.float64)
    for position, column in enumerate(columns):
        inputs[:, position] = column
    return inputs


def _targets(name: str, loaded: Column) -> NDArray[Any]:
    column = _checked("target", name, loaded)
    if column.dtype.kind == "f":
        return column.astype(np.float64)
    if column.max() > np.iinfo(np.int64).max:
        raise ConfigError("target", name, "has a class beyond 2**63 - 1")
    return column.astype(np.int64)


def _checked(key: str, name: str, column: Column) -> NDArray[Any]:
    if isinstance(column, str):
        raise ConfigError(key, name, column)
    finite = np.isfinite(column)
    if not finite.all():
        first = int(np.argmin(finite))
        raise ConfigError(
            key, name, f"has {column[first]} in row {first} (from 0), needs finite numbers"
        )
    return column
