"""One run, from overrides to a committed directory."""

from __future__ import annotations

import copy
import logging
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

from hydra._internal.callbacks import Callbacks
from hydra._internal.hydra import Hydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobStatus, run_job
from hydra.errors import HydraException
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from runner.app.allowed import check_directory, check_log_files
from runner.app.cache import Composition
from runner.app.callbacks import callbacks_of
from runner.app.compose import hydra_session
from runner.app.hints import explain_value
from runner.app.mode import compose_one
from runner.app.plain import environment_in, hidden, plain
from runner.app.remember import composition
from runner.app.work import carry_out, usual, warn_of_secrets
from runner.errors import ConfigError, RunnerError, one_line
from runner.job import Job, Result
from runner.store import load
from runner.store.claim import Claim
from runner.store.read import Run

_JOB_LOGGING = {
    "version": 1,
    "formatters": {"simple": {"format": "[%(asctime)s][%(name)s][%(levelname)s] - %(message)s"}},
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": "simple",
            "stream": "ext://sys.stderr",
            "level": "WARNING",
        },
        "file": {
            "class": "logging.FileHandler",
            "formatter": "simple",
            "filename": "${hydra.runtime.output_dir}/${hydra.job.name}.log",
        },
    },
    "root": {"level": "INFO", "handlers": ["console", "file"]},
    "disable_existing_loggers": False,
}
"""The logging of ``conf/config.yaml``, which :mod:`runner.job.log` does without Hydra."""


_ALONE = threading.RLock()
"""Hydra, the log, the folder and NumPy's functions are the process's: threads take turns."""


def run(overrides: Sequence[str] = (), *, config_dir: str | None = None) -> Run:
    """Does one run and loads it, for notebooks and scripts.

    Args:
        overrides: as on the command line: ``["layers=two_dense", "data.samples=100"]``.
        config_dir: a folder with configuration of your own, as ``-cd`` takes it.

    Returns:
        The finished run, below ``outputs`` in the current folder; see :func:`runner.load`.

    Raises:
        TypeError: the overrides are no list of texts.
        ConfigError: the configuration cannot be run; nothing was written.
        LayerFailedError: a class of yours raised; the run is stored as FAILED.
        WriteError: the disk is full, or not yours to write on.
        RunnerError: anything else that was refused.

    Example::

        run = runner.run(["layers=one_dense", "data.samples=5"])
        run.layers["dense1"].outputs.shape  # (15, 3)
    """
    texts = _texts(overrides)
    with _ALONE, hydra_session(config_dir) as hydra:
        return load(run_single(hydra, None, texts, quiet=True).directory)


def _texts(overrides: Any) -> list[str]:
    """What a caller from Python gives; a text by itself would be taken for its characters."""
    several = isinstance(overrides, Iterable) and not isinstance(overrides, (str, Mapping))
    texts: list[Any] = list(overrides) if several else [overrides]
    if not several or not all(isinstance(text, str) for text in texts):
        told = one_line(repr(overrides), 60)
        raise TypeError(f'overrides={told}: a list of texts is needed: ["data.samples=100"]')
    return texts


def run_single(
    hydra: Hydra,
    config_name: str | None,
    overrides: Sequence[str],
    *,
    quiet: bool = False,
    keep: Callable[[Composition], None] | None = None,
) -> Result:
    """Composes, checks, claims, runs, commits; ``keep`` gets what another run may start from."""
    cfg = compose_one(hydra, config_name, overrides)
    HydraConfig.instance().set_config(cfg)
    pairs = environment_in(cfg, "hydra.run.dir")
    directory, stamped = _directory(cfg)
    # Not by iterating, which would look up what is an interpolation in a text.
    typed: Any = OmegaConf.to_container(cfg.hydra.overrides.task, resolve=False)
    work = Job(
        *plain(_task(cfg)),
        overrides=tuple(typed),
        directory=directory,
        stamped=stamped,
    )
    if not is_usual(cfg):
        callbacks = callbacks_of(cfg)  # before there is a directory
        return carry_out(
            work,
            lambda claimed, do: _run_by_hydra(
                hydra,
                config_name,
                cfg,
                callbacks,
                claimed,
                lambda: _hide_and(do, claimed.directory, pairs),
            ),
            quiet=quiet,
        )

    def files(claimed: Path) -> dict[str, str]:
        _set_output_dir(cfg, claimed)
        warn_of_secrets(_typed_for_hydra(cfg))
        files = hydra_files(cfg)
        return {**files, "hydra.yaml": hidden(files["hydra.yaml"], pairs)}

    result = usual(work, files, quiet=quiet)
    found = composition(cfg, work, result.directory) if keep else None
    if keep and found:
        keep(found)
    return result


def _typed_for_hydra(cfg: DictConfig) -> dict[str, str]:
    """Key -> value of the overrides that are Hydra's, which it stores as they are."""
    texts: Any = OmegaConf.to_container(cfg.hydra.overrides.hydra, resolve=False)
    return {key: value for key, _, value in (text.partition("=") for text in texts)}


def _hide_and(
    do: Callable[[bool], Result], directory: Path, pairs: Sequence[tuple[str, str]]
) -> Result:
    """The run, once what Hydra has written of its directory is as it may be stored."""
    for file in directory.glob("*/hydra.yaml") if pairs else ():
        file.write_text(hidden(file.read_text("utf-8"), pairs), "utf-8")
    return do(False)


def hydra_files(cfg: DictConfig) -> dict[str, str]:
    """The texts of ``.hydra``, as Hydra's ``run_job`` writes them."""
    HydraConfig.instance().set_config(cfg)
    own = copy.deepcopy(HydraConfig.instance().cfg)
    return {
        "config.yaml": OmegaConf.to_yaml(_task(cfg)),
        "hydra.yaml": OmegaConf.to_yaml(own),
        "overrides.yaml": OmegaConf.to_yaml(cfg.hydra.overrides.task),
    }


def _task(cfg: DictConfig) -> DictConfig:
    task = copy.deepcopy(cfg)
    with read_write(task), open_dict(task):
        del task["hydra"]
    return task


def _directory(cfg: DictConfig) -> tuple[Path, bool]:
    raw: Any = OmegaConf.to_container(cfg.hydra.run, resolve=False)
    pattern = str(raw["dir"])
    try:
        text = str(OmegaConf.select(cfg, "hydra.run.dir"))
    except OmegaConfBaseException as error:
        raise explain_value(error, asked="hydra.run.dir") from None
    if not text.strip() or text == "None":
        raise ConfigError("hydra.run.dir", text, "needs a directory; leave it out for a new one")
    check_directory("hydra.run.dir", text)
    return Path(text).absolute(), "${now:" in pattern


def _set_output_dir(cfg: DictConfig, directory: Path) -> None:
    with read_write(cfg.hydra.runtime), open_dict(cfg.hydra.runtime):
        cfg.hydra.runtime.output_dir = str(directory)


def is_usual(cfg: DictConfig) -> bool:
    """Whether Hydra would do nothing around this job that we don't do faster."""
    hydra = cfg.hydra
    return (
        not hydra.callbacks
        and not hydra.job.env_set
        and not hydra.job.env_copy
        and not hydra.job.chdir
        and hydra.verbose is False
        and hydra.output_subdir == ".hydra"
        and hydra.job.name == "runner"
        and OmegaConf.to_container(hydra.job_logging, resolve=False) == _JOB_LOGGING
    )


@contextmanager
def logging_restored() -> Iterator[None]:
    """Puts the handlers and the level of the root logger back, which Hydra replaces."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        for handler in root.handlers:
            if handler not in handlers:
                handler.close()
        root.handlers[:] = handlers
        root.setLevel(level)


_OF_LOGGING = (ValueError, TypeError, AttributeError, KeyError, HydraException)


@contextmanager
def speaking_of_logging(key: str = "hydra.job_logging") -> Iterator[None]:
    """Turns what the ``logging`` library says of a configuration into an error of ours."""
    try:
        yield
    except OmegaConfBaseException as error:
        raise explain_value(error) from None
    except _OF_LOGGING as error:
        if isinstance(error, RunnerError):
            raise
        said = str(error) if isinstance(error, ValueError) else "cannot be set up"
        reason = one_line(str(error.__cause__ or error), 80)
        problem = one_line(said, 60) if reason == said else f"{one_line(said, 60)}: {reason}"
        raise ConfigError(key, "…", problem) from None


def _run_by_hydra(
    hydra: Hydra,
    config_name: str | None,
    cfg: DictConfig,
    callbacks: Callbacks,
    claimed: Claim,
    do: Callable[[], Result],
) -> Result:
    """The same inside Hydra's own ``run_job``: callbacks, env_set, chdir, other logging."""
    _set_output_dir(cfg, claimed.directory)
    warn_of_secrets(_typed_for_hydra(cfg))
    HydraConfig.instance().set_config(cfg)  # for `${hydra:runtime.output_dir}`
    check_log_files(cfg, "job_logging", claimed.directory)
    # A log that asks for stdout, as Hydra's own does, is no result.
    with logging_restored(), speaking_of_logging(), redirect_stdout(sys.stderr):
        callbacks.on_run_start(config=cfg, config_name=config_name)
        outcome = run_job(
            task_function=lambda task: do(),
            config=cfg,
            job_dir_key="hydra.runtime.output_dir",  # `run.dir` would be asked for the time again
            job_subdir_key=None,
            hydra_context=HydraContext(config_loader=hydra.config_loader, callbacks=callbacks),
        )
        callbacks.on_run_end(config=cfg, config_name=config_name, job_return=outcome)
    result = outcome._return_value
    if outcome.status is JobStatus.FAILED:
        raise result  # `outcome.return_value` would print a line of its own as well
    assert isinstance(result, Result)
    return result
