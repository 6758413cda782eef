"""What Hydra may import, and where it may write, on behalf of its own configuration.

Layers and data have their own allow-list: see :mod:`runner.forward.targets`. This is about the
``hydra`` node: plugins, callbacks and logging, which name classes as well.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import NoneType
from typing import Any

from omegaconf import DictConfig, OmegaConf

from runner.app.lookups import followed, raw_value
from runner.app.plain import watching_environment
from runner.errors import ConfigError, UntrustedError, clip
from runner.job import is_secret_name
from runner.store import layout
from runner.store.sweeps import OWN_FILES

_PLUGINS = ("hydra_plugins.", "hydra._internal.core_plugins.")
_KNOWN = (*_PLUGINS, "hydra.experimental.callbacks.", "optuna.samplers.")
_LOGGING = {
    "logging.StreamHandler",
    "logging.FileHandler",
    "logging.NullHandler",
    "logging.Formatter",
    "logging.handlers.RotatingFileHandler",
    "logging.handlers.TimedRotatingFileHandler",
    "colorlog.ColoredFormatter",  # of the plugin hydra_colorlog
}
_STREAMS = ("ext://sys.stderr", "ext://sys.stdout")
_NAMED = ("_target_", "custom_search_space")  # the second is the Optuna sweeper's
_NAMES = (*_NAMED, "class", "()")
_LATER = tuple(
    f"${{hydra{sign}{key}}}"
    for sign in ".:"
    for key in ("runtime.output_dir", "runtime.cwd", "job.num", "job.id")
)
"""What is known once a run or a job has its place; none of them is a class."""

_MAPPINGS = ("sweeper", "launcher", "callbacks", "job_logging", "hydra_logging", "job")
_FIXED = ("run", "sweep", "runtime", "overrides")
_WRITTEN_OUT = "needs its keys written out, as a mapping"
_PART = re.compile(r"\.?\w[\w.@%+=,~ -]*")
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_OURS = re.compile(
    rf"{layout.LAYERS_FOLDER}|{layout.STAGING_FOLDER}|{layout.CLAIM_FILE}|{layout.SUMS_FILE}"
    r"|.*\.(?:parquet|log)",
    re.IGNORECASE,
)


def check_hydra(cfg: DictConfig) -> None:
    """Refuses what would import a class that nobody trusts, or write outside the run; imports none.

    Lookups are followed as far as they lead now. What leads somewhere else in a job of a sweep is
    looked at again when the job is composed.

    Raises:
        UntrustedError: a class of a module that is not in ``trust``.
        ConfigError: a name of a folder or a file that leads out of the run's directory; or what
            Hydra could do nothing with.
    """
    hydra = _node(cfg)
    trust: Any = OmegaConf.to_container(cfg.trust) if OmegaConf.is_list(cfg.get("trust")) else []
    for key in ("sweeper", "launcher", "callbacks"):
        for where, target in _named(hydra[key], f"hydra.{key}", _NAMED):
            _check_class(where, target, _KNOWN, trust)
    _check_callbacks(hydra["callbacks"])
    for key in ("job_logging", "hydra_logging"):
        _check_logging(f"hydra.{key}", hydra[key], trust)
        _check_secrets(f"hydra.{key}", cfg.hydra._get_node(key))
    _check_part("hydra.job.name", hydra["job"]["name"])
    _check_job(hydra["job"])
    subdir = hydra["output_subdir"]
    if subdir is not None:
        _check_part("hydra.output_subdir", subdir)
        if _OURS.fullmatch(subdir):
            raise ConfigError("hydra.output_subdir", subdir, "is a name of the run's own files")
    verbose = hydra["verbose"]
    if not isinstance(verbose, (bool, str, list)) or "${" in str(verbose):
        raise ConfigError("hydra.verbose", verbose, "needs true, false or names of loggers")


def _node(cfg: DictConfig) -> dict[str, Any]:
    """What is looked at of Hydra's own node, as plain values, lookups followed."""
    hydra = cfg._get_node("hydra")
    if not isinstance(hydra, DictConfig) or hydra._is_interpolation() or hydra._is_none():
        raise ConfigError("hydra", raw_value(hydra), _WRITTEN_OUT)
    for key in (*_MAPPINGS, *_FIXED):
        part = hydra._get_node(key)
        if not isinstance(part, DictConfig) or part._is_interpolation() or part._is_none():
            raise ConfigError(f"hydra.{key}", raw_value(part), _WRITTEN_OUT)
    found = {
        key: followed(hydra._get_node(key), f"hydra.{key}", kept=_NAMES)
        for key in (*_MAPPINGS, "verbose")
    }
    # Names of files, which are to be the same at every look.
    found["job"]["name"] = raw_value(hydra.job._get_node("name"))
    return {**found, "output_subdir": raw_value(hydra._get_node("output_subdir"))}


def _check_logging(key: str, node: Mapping[str, Any], trust: Sequence[Any]) -> None:
    for where, target in _named(node, key, ("class", "()")):
        if target not in _LOGGING:
            _check_class(where, target, (), trust)
    for where, value in _named(node, key, (".",)):
        raise ConfigError(where, value, "sets what a handler is told otherwise: leave it out")
    for where, text in _texts(node, key):
        if text.startswith("ext://") and text not in _STREAMS:
            _check_class(where, text.removeprefix("ext://"), (), trust)
        if text.startswith("${") and not text.startswith(_LATER):
            raise ConfigError(where, text, "cannot be resolved: write it out")
    if "root" not in node or node.get("version") != 1:
        raise ConfigError(key, "…", "needs version: 1 and a root, as the logging module has it")


def _check_secrets(key: str, node: Any) -> None:
    with watching_environment() as uses:
        followed(node, key)
    for name in uses:
        if is_secret_name(name):
            problem = f"{name} looks like a secret, and a log tells it: leave it out"
            raise ConfigError(key, f"${{oc.env:{name}}}", problem)


def _check_job(job: Mapping[str, Any]) -> None:
    kinds: dict[str, tuple[tuple[type, ...], str]] = {
        "chdir": ((bool, NoneType), "needs true or false"),
        "env_set": ((dict,), "needs a mapping"),
        "env_copy": ((list,), "needs names of variables: [HOME]"),
    }
    for name, (kind, problem) in kinds.items():
        if not isinstance(job[name], kind):
            raise ConfigError(f"hydra.job.{name}", job[name], problem)
    for name, value in job["env_set"].items():
        if not isinstance(value, str):
            raise ConfigError(f"hydra.job.env_set.{name}", value, "needs a text")


def check_directory(key: str, path: str) -> None:
    """Refuses what is no directory's name, or would end the line it is printed on.

    Raises:
        ConfigError: it has a character that steers a terminal; or is an address, of which a folder
            ``http:`` would be made.
    """
    if not path.isprintable():
        raise ConfigError(key, ascii(path)[1:-1], "has a character that cannot be printed")
    if _ADDRESS.match(path):
        raise ConfigError(key, path, "is an address: name a directory of this machine")


def _check_callbacks(callbacks: Mapping[str, Any]) -> None:
    for name, entry in callbacks.items():
        if not isinstance(entry, Mapping) or "_target_" not in entry:
            problem = "needs a mapping with the _target_ of a callback"
            raise ConfigError(f"hydra.callbacks.{name}", entry, problem)


def check_log_files(cfg: DictConfig, key: str, directory: Path) -> None:
    """Refuses log files outside a directory; the configuration knows its own by now.

    Args:
        cfg: the whole configuration.
        key: ``job_logging`` or ``hydra_logging``.
        directory: of the run, or of the sweep.

    Raises:
        ConfigError: one leads out of it.
    """
    node = followed(cfg.hydra._get_node(key), f"hydra.{key}")
    for where, file in _named(node, f"hydra.{key}", ("filename",)):
        if file is not None and not is_below(Path(str(file)), directory):
            raise ConfigError(where, str(file), "a log goes into the run's own directory")


def check_job_directory(sweep: str, subdir: str) -> None:
    """Refuses a job's directory that is not in its sweep's, or where the sweep's own files are.

    Raises:
        ConfigError: it is elsewhere.
    """
    key, path = "hydra.sweep.subdir", os.path.join(sweep, subdir)
    check_directory(key, subdir)
    if not is_below(Path(path), Path(sweep)):
        raise ConfigError(key, subdir, "leads out of the sweep's directory: name one in it")
    first = os.path.relpath(path, sweep).split(os.sep)[0]
    if first.startswith(".") or first in OWN_FILES:
        raise ConfigError(key, subdir, "is a name of the sweep's own files: take another")
    if any(len(part.encode("utf-8", "surrogateescape")) > 255 for part in subdir.split(os.sep)):
        raise ConfigError(key, subdir, "is too long for a file system: at most 255 bytes a part")


def is_below(path: Path, directory: Path) -> bool:
    """Whether a path is inside a directory, by its text alone."""
    inside, outside = os.path.abspath(path), os.path.abspath(directory)
    return inside.startswith(outside.rstrip(os.sep) + os.sep)


def _named(node: Any, where: str, names: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Every value at a key of these names, at any depth, with its dotted key."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key in names:
                yield f"{where}.{key}", value
            yield from _named(value, f"{where}.{key}", names)
    elif isinstance(node, list):
        for at, value in enumerate(node):
            yield from _named(value, f"{where}[{at}]", names)


def _texts(node: Any, where: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from _texts(value, f"{where}.{key}")
    elif isinstance(node, list):
        for at, value in enumerate(node):
            yield from _texts(value, f"{where}[{at}]")
    elif isinstance(node, str):
        yield where, node


def _check_class(key: str, target: Any, known: Sequence[str], trust: Sequence[Any]) -> None:
    if target is None:
        return
    if not isinstance(target, str) or "${" in target:
        raise ConfigError(key, target, "needs the dotted name of a class, and no lookup")
    if any(target.startswith(f"{name}.") for name in trust):
        return
    holder = target.rpartition(".")[0] or target
    # What is known lends that to nothing it has imported: Hydra has loaded all of its plugins.
    if target.startswith(tuple(known)) and (holder in sys.modules or f"{holder}." in known):
        return
    raise UntrustedError(
        f"{clip(key, 60)}={clip(target, 45)}: would be imported; "
        f"if you mean it, add trust=[{clip(holder, 45)}]"
    )


def _check_part(key: str, name: Any) -> None:
    if not isinstance(name, str) or not _PART.fullmatch(name) or "${" in name:
        raise ConfigError(key, name, "needs the name of one file: letters, digits, _ - .")
    if len(name.encode()) > 200:
        raise ConfigError(key, name, "is too long: at most 200 bytes")
