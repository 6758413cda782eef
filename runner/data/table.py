"""The user's own table, from a CSV, parquet or npz file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from runner import limits
from runner.data.columns import Columns, Part, Seen, UnreadableError
from runner.data.dataset import sized_by
from runner.data.stream import Dataset, Rows, Shape, Source, is_held
from runner.errors import ConfigError, TooLargeError, UnknownKeyError

_OPEN = {".csv": "arrow", ".parquet": "arrow", ".npz": "npz"}
"""What a file's name ends in -> the module that opens it, by a function ``open_csv`` and so on."""

_EMPTY = "the table is empty: it needs a row and a column at least"

_folder: ContextVar[Path | None] = ContextVar("folder", default=None)


@contextmanager
def paths_from(folder: Path) -> Iterator[None]:
    """Has relative paths of tables meant from a folder, wherever the block stands.

    A stored run is done again somewhere else, and ``hydra.job.chdir`` goes away before a run.
    """
    token = _folder.set(folder)
    try:
        yield
    finally:
        _folder.reset(token)


def located(path: str) -> Path:
    """The file that a path means, absolute."""
    return Path.cwd() / (_folder.get() or "") / Path(path).expanduser()


def _size_table(
    path: str, features: Sequence[str] | None = None, target: str | None = None
) -> Shape:
    # Whether all of its numbers are finite can be known only by reading them.
    return _source(path, features, target).shape


def _source(path: str, features: Sequence[str] | None = None, target: str | None = None) -> Source:
    """Reads the table once, part by part, to know what it is; what is small is kept."""
    try:
        opened = _open(path)
        named = _named(opened, features, target)
        aim = [] if target is None else _expand(opened, "target", target)
        if len(aim) > 1:
            raise ConfigError("target", target, f"is {len(aim)} columns, needs one: {aim[0]}, …")
        wanted = list(dict.fromkeys([*named, *aim]))
        small = opened.rows is not None and is_held(opened.rows, len(named))
        kept = opened.rows * (len(wanted) + len(named)) if small and opened.rows else 0
        _check_memory(path, opened.cells(wanted) + kept)
        seen, rows, parts = _look(opened, wanted, len(named))
    except UnreadableError as error:
        raise ConfigError("path", str(path), str(error)) from None
    if opened.rows not in (None, rows):
        problem = f"says that it has {opened.rows} rows, and has {rows}"
        raise ConfigError("path", str(path), problem)
    for key, names in (("features", named), ("target", aim)):
        for name in names:
            seen[name].check(key, name, rows)
    classes = _classes(aim[0], seen[aim[0]]) if aim else None
    single = all(seen[name].dtype.name == "float32" for name in named)
    shape = Shape(rows, len(named), classes, np.dtype(np.float32 if single else np.float64))
    types = {name: seen[name].dtype.name for name in wanted}
    table = _Table(str(path), opened, named, aim, shape, types)
    if parts is None:
        return Source(shape, table.make, Rows(table.blocks, table.targets if aim else None))
    as_read = all(len(column.dtypes) == 1 for column in seen.values())
    made = table.joined(parts) if as_read else table.make()
    return Source(shape, lambda: made)


@sized_by(_size_table, source=_source)
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
    source = _source(path, features, target)
    if source.rows is not None:
        _check_memory(path, source.shape.n_samples * (source.shape.n_features + 1))
    return source.make()


@dataclass(frozen=True)
class _Table:
    """A table that was looked at, to be read again.

    Attributes:
        path: as it was given.
        opened: the file.
        named: the columns to feed in.
        aim: the column to predict, or none.
        shape: of the dataset.
        types: name -> numpy's name for the type that holds all of the column's values.
    """

    path: str
    opened: Columns
    named: list[str]
    aim: list[str]
    shape: Shape
    types: Mapping[str, str]

    def blocks(self) -> Iterator[Dataset]:
        """Inputs and targets, some rows at a time."""
        for part in self._parts(list(self.types)):
            yield self.joined([part])

    def targets(self) -> Iterator[NDArray[Any]]:
        """The targets alone."""
        for part in self._parts(self.aim):
            yield _as_targets([part.numbers(self.aim[0])])

    def make(self) -> Dataset:
        """All of it."""
        return self.joined(list(self._parts(list(self.types))))

    def joined(self, parts: Sequence[Part]) -> Dataset:
        """Some parts, one after the other."""
        rows = sum(part.rows for part in parts)
        inputs = np.empty((rows, len(self.named)), self.shape.dtype)
        start = 0
        for part in parts:
            stop = start + part.rows
            for position, name in enumerate(self.named):
                inputs[start:stop, position] = part.numbers(name)
            start = stop
        if not self.aim:
            return Dataset(inputs, None)
        return Dataset(inputs, _as_targets([part.numbers(self.aim[0]) for part in parts]))

    def _parts(self, names: list[str]) -> Iterator[Part]:
        """The columns of these names once more.

        Raises:
            ConfigError: the file is not what it was.
        """
        missing = self.shape.n_samples
        changed = ConfigError("path", self.path, "was changed while it was in use")
        try:
            for part in self.opened.parts(names, {name: self.types[name] for name in names}):
                missing -= part.rows
                if missing < 0 or any(part.type(name) != self.types[name] for name in names):
                    raise changed
                yield part
        except UnreadableError as error:
            raise ConfigError("path", self.path, str(error)) from None
        if missing:
            raise changed


def _look(
    opened: Columns, names: list[str], n_features: int
) -> tuple[dict[str, Seen], int, list[Part] | None]:
    """What the columns are, how many rows there are, and the columns themselves if they are few."""
    seen = {name: Seen() for name in names}
    parts: list[Part] | None = []
    rows = 0
    for part in opened.parts(names, {}):
        for name in names:
            seen[name].add(rows, part.columns[name])
        rows += part.rows
        if parts is not None:
            parts.append(part)
            if not is_held(rows, n_features):
                parts = None
    if not rows:
        raise UnreadableError(_EMPTY)
    return seen, rows, parts


def _open(path: str) -> Columns:
    if not path:
        raise ConfigError("path", path, "needs the name of a .csv, .parquet or .npz file")
    # Hydra may change the folder before it is read again.
    place = located(path)
    try:
        exists, is_file = place.exists(), place.is_file()
    except OSError as error:
        raise ConfigError("path", str(path), error.strerror or str(error)) from None
    if not is_file:
        raise ConfigError("path", str(path), "is not a file" if exists else "there is no such file")
    kind = place.suffix.lower()
    if kind not in _OPEN:
        raise ConfigError("path", str(path), f"needs a file of {', '.join(_OPEN)}")
    opener = getattr(import_module(f"runner.data.{_OPEN[kind]}"), f"open_{kind[1:]}")
    opened: Columns = opener(place)
    if opened.rows == 0 or not opened.names:
        raise UnreadableError(_EMPTY)
    twice = [n for n, count in Counter([*opened.names, *opened.groups]).items() if count > 1]
    if any(twice):
        raise UnreadableError(f"has two columns of the name {twice[0]}")
    return opened


def _named(opened: Columns, features: Any, target: str | None) -> list[str]:
    """The names of the feature columns, each in the file and none twice."""
    if features is None:
        left_out = {*opened.index, *(_expand(opened, "target", target) if target else ())}
        names = [name for name in opened.names if name not in left_out]
        if not names:
            raise ConfigError("target", target, "no column is left to feed in")
        if "" in names:
            raise UnreadableError(_unnamed(opened.names.index("")))
        return names
    if isinstance(features, str) or not isinstance(features, Sequence) or not features:
        raise ConfigError("features", features, "needs names of columns: data.features=[a,b]")
    names = [name for asked in features for name in _expand(opened, "features", asked)]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ConfigError("features", list(features), f"has column {twice[0]} twice")
    return names


def _unnamed(position: int) -> str:
    """Of a column that nobody has named: an index of pandas', or what a last comma makes."""
    pandas = " (pandas: to_csv(…, index=False))" if position == 0 else ""
    return f"column {position + 1} has no name: name it, take it out{pandas}, or say data.features"


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


def _as_targets(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    real = parts[0].dtype.kind == "f"
    return np.concatenate(parts).astype(np.float64 if real else np.int64, copy=False)


def _classes(name: str, seen: Seen) -> int | None:
    """One more than the largest class, if the column has whole numbers."""
    if seen.dtype.kind == "f" or seen.greatest is None:
        return None
    if seen.greatest > np.iinfo(np.int64).max:
        raise ConfigError("target", name, "has a class beyond 2**63 - 1")
    return max(seen.greatest + 1, 1)
