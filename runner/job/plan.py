"""The checks of meaning: everything a run needs to know before it makes a directory."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import runner.data
from runner.data import Dataset, Shape, Source, nnfs_rules
from runner.errors import ConfigError, LayerFailedError, UnknownKeyError
from runner.forward import network
from runner.forward.custom import accepted, wants
from runner.forward.targets import (
    Instantiate,
    check_arguments,
    check_call,
    check_origin,
    check_target,
)
from runner.job import size
from runner.job.job import Job
from runner.numerics import Rule, rule
from runner.schema import BY_TARGET, Save
from runner.store.layout import STATISTICS

SEED_LIMIT = 2**32
CODECS = ("none", "zstd", "lz4", "snappy", "gzip")
KEEPS = ("all", "statistics", "first")
_RUN_ID = re.compile(r"[0-9a-f]{16}")
_LONGEST_NAME = 200
_LARGEST = 2**63 - 1
_ROWS = {field.name: field.default for field in dataclasses.fields(Save)}["rows"]


@dataclass(frozen=True)
class Plan:
    """A run whose configuration is known to make sense.

    Attributes:
        rule: the precision.
        layers: the layers, named and connected.
        batch_size: rows at a time.
        codec: of the stored outputs.
        keep: how many rows of each layer are kept; None: all of them.
        whole: positions of the layers that get all rows at once.
        source: the dataset, not drawn yet.
        stream: position -> the stream that layer draws from.
        config: what it was all read from.
    """

    rule: Rule
    layers: tuple[network.LayerPlan, ...]
    batch_size: int
    codec: str
    keep: int | None
    whole: frozenset[int]
    source: Source
    stream: Callable[[int], np.random.RandomState]
    config: Mapping[str, Any]

    @property
    def shape(self) -> Shape:
        """The dataset's."""
        return self.source.shape

    @property
    def kept_rows(self) -> int:
        """Rows of each layer that go to disk."""
        return self.shape.n_samples if self.keep is None else min(self.keep, self.shape.n_samples)


def prepare(job: Job, instantiate: Instantiate) -> Plan:
    """Checks what the configuration means; makes no directory and draws nothing.

    Raises:
        ConfigError: a value that cannot be run, with its key.
        UntrustedError: a class or function of a module that the user has not named.
        TooLargeError: more than the memory or the disk can hold.
        LayerFailedError: a dataset function of the user's raised.
    """
    config = job.config
    _check_name(config["name"])
    _check_tags(config["tags"])
    trust = _trusted(config["trust"])
    precision = rule(config["numerics"]["rule"])
    data_stream, layer_stream = _streams(config["seeds"])
    source = _dataset(config["data"], trust, data_stream, precision, instantiate)
    layers = list(network.plan(config["layers"], source.shape.n_features, trust))
    _check_objective(config["objective"], layers)
    at_once = set()
    for position, part in enumerate(layers):
        if not part.is_ours:
            found = _locate(part.key, part.target, instantiate, trust)
            arguments = accepted({"_target_": part.target, **part.arguments}, found)
            wanted = {"n_inputs": part.n_inputs} if wants(found, "n_inputs") else {}
            check_call(part.key, part.target, found, {**wanted, **arguments})
            layers[position] = dataclasses.replace(part, arguments=arguments)
            if not getattr(found, "rowwise", True):
                at_once.add(position)
    plan = Plan(
        rule=precision,
        layers=tuple(layers),
        batch_size=_whole("batch_size", config["batch_size"], 1),
        codec=_option("save.codec", config["save"]["codec"], CODECS),
        keep=_kept(config["save"]),
        whole=frozenset(at_once),
        source=source,
        stream=layer_stream,
        config=config,
    )
    size.check(plan, job.directory)
    return plan


def _check_name(name: str | None) -> None:
    """A name is what the run is asked for by: it must not mean something else."""
    if name is None:
        return
    if not name.strip() or name in ("latest", ".", "..") or "/" in name:
        raise ConfigError("name", name, "needs a word that is no path, and not latest")
    if name.startswith("-"):
        raise ConfigError("name", name, "would be taken for an option: begin it with a letter")
    if _RUN_ID.fullmatch(name):
        raise ConfigError("name", name, "looks like a run id: give it a letter after f")
    _check_word("name", name)


def _check_tags(tags: Any) -> None:
    if not isinstance(tags, list):
        raise ConfigError("tags", tags, "needs a list of words: tags=[book,first]")
    for at, tag in enumerate(tags):
        if not isinstance(tag, str) or not tag.strip():
            raise ConfigError(f"tags[{at}]", tag, "needs a word: tags=[book,first]")
        _check_word(f"tags[{at}]", tag)


def _check_word(key: str, word: str) -> None:
    if not word.isprintable():
        raise ConfigError(key, ascii(word)[1:-1], "has a character that cannot be printed")
    if len(word) > _LONGEST_NAME:
        raise ConfigError(key, word, f"has {len(word)} characters, at most {_LONGEST_NAME}")


def _check_objective(objective: Any, layers: Sequence[network.LayerPlan]) -> None:
    """A word that no run will ever answer to is told before the first of a sweep."""
    there = ["loss", "accuracy"]
    there += [f"{part.name}.{name}" for part in layers for name in STATISTICS]
    bare = objective
    for prefix in ("metrics.", "layers."):
        bare = bare.removeprefix(prefix) if isinstance(bare, str) else bare
    if objective is not None and bare not in there:
        raise UnknownKeyError("objective", objective, str(bare), there)


def _trusted(trust: Any) -> list[str]:
    if not isinstance(trust, list):
        raise ConfigError("trust", trust, "needs names of modules: trust=[mymodule]")
    for module in trust:
        if not all(part.isidentifier() for part in str(module).split(".")):
            raise ConfigError("trust", module, "needs names of modules: trust=[mymodule]")
    return list(trust)


def _streams(
    seeds: Mapping[str, Any],
) -> tuple[np.random.RandomState, Callable[[int], np.random.RandomState]]:
    if "seed" in seeds:
        book = np.random.RandomState(_seed("seeds.seed", seeds["seed"]))
        return book, lambda position: book
    data, layers = (_seed(f"seeds.{key}", seeds[key]) for key in ("data", "layers"))

    def stream(position: int) -> np.random.RandomState:
        sequence = np.random.SeedSequence(layers, spawn_key=(position,))
        return np.random.RandomState(np.random.MT19937(sequence))

    return np.random.RandomState(data), stream


def _seed(key: str, value: Any) -> int:
    if _whole(key, value, 0) >= SEED_LIMIT:
        raise ConfigError(key, value, f"needs a seed from 0 to {SEED_LIMIT - 1}")
    return int(value)


def _dataset(
    entry: Any,
    trust: list[str],
    stream: np.random.RandomState,
    precision: Rule,
    instantiate: Instantiate,
) -> Source:
    if not isinstance(entry, Mapping) or "_target_" not in entry:
        raise ConfigError("data", entry, "needs a dataset, a mapping with a _target_: data=spiral")
    ours = [target for target in BY_TARGET if target.startswith("runner.data.")]
    target = check_target("data", entry["_target_"], ours, trust)
    arguments = {str(key): value for key, value in entry.items() if key != "_target_"}
    check_arguments("data", arguments)
    if target in ours:
        try:
            return runner.data.source(target, arguments, stream)
        except ConfigError as error:
            raise error.under("data") from None
    found = _locate("data", target, instantiate, trust)
    arguments = accepted(entry, found)
    check_call("data", target, found, arguments)
    # How much a function of the user's gives is not known before it is called.
    with nnfs_rules(stream, dot=precision.name == "nnfs"):
        try:
            made = instantiate.call(target, arguments)
        except (Exception, SystemExit) as error:
            reason = f"{type(error).__name__}: {error}"
            raise LayerFailedError(f"dataset {target} raised {reason}") from error
    dataset = _as_dataset(target, made)
    targets = dataset.targets
    classes = targets is not None and targets.dtype.kind in "iu"
    n_classes = int(targets.max()) + 1 if targets is not None and classes else None
    n_samples, n_features = dataset.inputs.shape
    shape = Shape(n_samples, n_features, n_classes, dataset.inputs.dtype)
    return Source(shape, lambda: dataset)


def _locate(key: str, target: str, instantiate: Instantiate, trust: list[str]) -> Any:
    """Imports what a trusted target names, so that what isn't there is said before a run."""
    try:
        # A script of the book's calls nnfs.init() when it is imported, which is undone here.
        with nnfs_rules(np.random.RandomState(0)):
            found = instantiate.locate(target)
    except ConfigError as error:
        raise ConfigError(f"{key}._target_", target, error.problem) from None
    check_origin(key, target, found, trust)
    return found


def _as_dataset(target: str, made: Any) -> Dataset:
    """What a function of the reader's gave: inputs, or inputs and targets."""

    def array(what: str, given: Any) -> NDArray[Any]:
        try:
            found = np.asarray(given)
        except ValueError:
            found = np.asarray(None)
        if found.dtype.kind not in "fiu" or not found.size or np.ma.is_masked(given):
            raise ConfigError(key, target, f"gave {what} that are no table of numbers; {needs}")
        return found.astype(found.dtype.newbyteorder("="), order="C", copy=False)

    key, needs = "data._target_", "return inputs, or a tuple of inputs and targets"
    if isinstance(made, tuple) and len(made) not in (1, 2):
        raise ConfigError(key, target, f"gave {len(made)} things; {needs}")
    given = made if isinstance(made, tuple) else (made,)
    inputs = array("inputs", given[0])
    if inputs.ndim != 2:
        raise ConfigError(
            key, target, f"gave inputs of shape {inputs.shape}, not samples x features"
        )
    if inputs.dtype not in (np.float32, np.float64):
        inputs = inputs.astype(np.float64)
    if len(given) == 1 or given[1] is None:
        return Dataset(inputs, None)
    targets = array("targets", given[1])
    if targets.size != len(inputs):
        problem = (
            f"gave targets of shape {targets.shape}, not one for each of {len(inputs)} samples"
        )
        raise ConfigError(key, target, problem)
    return Dataset(inputs, targets.reshape(-1))


def _whole(key: str, value: Any, least: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ConfigError(key, value, f"needs a whole number from {least}")
    if value > _LARGEST:
        raise ConfigError(key, value, f"needs a whole number up to {_LARGEST}")
    return value


def _option(key: str, value: Any, options: tuple[str, ...]) -> str:
    if value not in options:
        raise ConfigError(key, value, f"needs one of {', '.join(options)}")
    return str(value)


def _kept(save: Mapping[str, Any]) -> int | None:
    keep = _option("save.keep", save["keep"], KEEPS)
    rows = _whole("save.rows", save["rows"], 1)
    if keep != "first" and rows != _ROWS:
        raise ConfigError("save.rows", rows, f"goes with save=first, and {keep} is kept")
    return {"all": None, "statistics": 0, "first": rows}[keep]
