"""A sweep, whichever of Hydra's sweepers and launchers does it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hydra._internal.hydra import Hydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.core.utils import configure_log
from hydra.errors import InstantiationException
from hydra.types import HydraContext
from omegaconf import OmegaConf, read_write
from omegaconf.errors import OmegaConfBaseException

from runner import console, job
from runner.app.allowed import check_directory, check_log_files
from runner.app.callbacks import callbacks_of
from runner.app.compose import compose, speaking_our_words
from runner.app.grid import check_size
from runner.app.hints import explain_value
from runner.app.instantiate import HydraInstantiate
from runner.app.lookups import followed
from runner.app.plain import environment_in, plain
from runner.app.single import speaking_of_logging
from runner.app.summary import Summary
from runner.app.work import lead_latest_to
from runner.data.table import paths_from
from runner.errors import ConfigError, MissingExtraError, RunnerError, UsageError, one_line
from runner.job import Job
from runner.store import layout
from runner.store.claim import adopt, remove_made
from runner.store.claim.sweep import claim_sweep, release_sweep
from runner.store.sweeps import INDEX_FILE, job_row, rebuild

_OPTIMISING = tuple(f"hydra_plugins.hydra_{name}_sweeper" for name in ("optuna", "ax", "nevergrad"))
_BASIC = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"


def run_sweep(
    hydra: Hydra, config_name: str | None, overrides: Sequence[str], *, by_file: bool = False
) -> int:
    """Composes the sweep and hands it to the sweeper that was chosen; gives the exit code.

    Args:
        hydra: the session.
        config_name: of the configuration; None: ours.
        overrides: as they were typed.
        by_file: a file sets ``hydra.mode``, which then stands in no list of overrides.
    """
    asked = by_file or any(text.startswith("hydra.mode=") for text in overrides)
    overrides = list(overrides) if asked else [*overrides, "hydra.mode=MULTIRUN"]
    if "hydra/sweeper=optuna" in overrides:
        _need_optuna()
    cfg = compose(hydra, config_name, overrides, multirun=True)
    _check_objective(cfg)
    HydraConfig.instance().set_config(cfg)
    _check_directory(cfg)
    callbacks = callbacks_of(cfg)
    callbacks.on_multirun_start(config=cfg, config_name=config_name)
    with speaking_of_options():
        sweeper: Any = Plugins.instance().instantiate_sweeper(
            config=cfg,
            hydra_context=HydraContext(config_loader=hydra.config_loader, callbacks=callbacks),
            task_function=task,
        )
    arguments: Any = OmegaConf.to_container(cfg.hydra.overrides.task, resolve=False)
    if getattr(sweeper, "claims_directory", False):
        with _hiding_options(cfg):
            outcome = sweeper.sweep(arguments)
        directory, failed = outcome.directory, outcome.failed
    else:
        with speaking_of_logging("hydra.hydra_logging"), redirect_stdout(sys.stderr):
            configure_log(cfg.hydra.hydra_logging, cfg.hydra.verbose)
        loader: Any = hydra.config_loader
        loader.places_jobs = True
        if cfg.hydra.sweeper._target_ == _BASIC:
            params = [f"{key}={value}" for key, value in (cfg.hydra.sweeper.params or {}).items()]
            check_size([*params, *arguments], loader)
        with speaking_our_words(hydra, overrides):
            directory, failed = _sweep_elsewhere(sweeper, cfg, arguments)
    callbacks.on_multirun_end(config=cfg, config_name=config_name)
    lead_latest_to(directory)
    console.give(directory)
    return 1 if failed else 0


@contextmanager
def _hiding_options(cfg: Any) -> Iterator[None]:
    """Takes what the options of a sweep have from the environment out of an error."""
    try:
        yield
    except RunnerError as error:
        nodes = {key: cfg.hydra._get_node(key) for key in ("sweeper", "launcher")}
        resolved = {key: followed(node, f"hydra.{key}") for key, node in nodes.items()}
        raw = {key: OmegaConf.to_container(node) for key, node in nodes.items()}
        job.Secrets({"hydra": resolved}, {"hydra": raw}).hide_in(error)
        raise


@contextmanager
def speaking_of_options() -> Iterator[None]:
    """Turns what Hydra says of a plugin that does not take its options into an error of ours."""
    try:
        yield
    except InstantiationException as error:
        key = re.search(r"full_key: (hydra\.\w+)", str(error))
        reason = one_line(str(error.__cause__ or error), 120)
        raise ConfigError(key[1] if key else "hydra.sweeper", "…", reason) from error


def _need_optuna() -> None:
    try:
        found = find_spec("hydra_plugins.hydra_optuna_sweeper")
    except ModuleNotFoundError:
        found = None
    if found is None:
        raise MissingExtraError("hydra-optuna-sweeper", "optuna", "hydra/sweeper=optuna")


def _check_directory(cfg: Any) -> None:
    try:
        directory = str(OmegaConf.select(cfg, "hydra.sweep.dir"))
    except OmegaConfBaseException as error:
        raise explain_value(error, asked="hydra.sweep.dir") from None
    environment_in(cfg, "hydra.sweep.dir")  # first: what is refused is shown
    check_directory("hydra.sweep.dir", directory)
    check_log_files(cfg, "hydra_logging", Path(directory))


def _check_objective(cfg: Any) -> None:
    """Without a number to work on, an optimising sweeper would tell so after its first jobs."""
    module = str(cfg.hydra.sweeper.get("_target_"))
    if module.startswith(_OPTIMISING) and cfg.get("objective") is None:
        problem = "has to be given: the name of a metric or a layer's statistic, as dense2.std"
        raise ConfigError("objective", None, problem)


def _sweep_elsewhere(sweeper: Any, cfg: Any, arguments: Sequence[str]) -> tuple[Path, int]:
    """A sweep of another sweeper: it goes its own way, and the index is made of what it left."""
    parents = Path(str(cfg.hydra.sweep.dir)).absolute().parents
    missing = [folder for folder in reversed(parents) if not folder.exists()]
    claimed = _claim_elsewhere(cfg)
    failure: Exception | None = None
    summary = Summary()
    try:
        with redirect_stdout(sys.stderr):
            sweeper.sweep(list(arguments))
    except Exception as error:  # noqa: BLE001 - told below, after what is there is recorded
        failure = error
    except BaseException:
        console.give(claimed)
        raise
    finally:
        release_sweep(claimed)
        rows = rebuild(claimed)
    if failure is not None and not rows:
        files = list(claimed.iterdir())
        if all(path.name in (INDEX_FILE, "multirun.yaml") for path in files):
            for path in files:
                path.unlink()
            claimed.rmdir()
            remove_made(missing)
        raise failure
    bad = [row for row in rows if row["status"] != layout.FINISHED]
    if failure is not None and not bad:
        raise UsageError(f"the sweeper ended early: {failure}") from failure
    if bad:
        summary.show(claimed, rows, len(rows))
    return claimed, len(bad)


def _claim_elsewhere(cfg: Any) -> Path:
    """The sweep's directory; of a timestamp that is taken, all are told what it became."""
    pattern: Any = OmegaConf.to_container(cfg.hydra.sweep, resolve=False)
    wanted = Path(str(cfg.hydra.sweep.dir)).absolute()
    claimed = claim_sweep(wanted, stamped="${now:" in str(pattern["dir"]))
    if claimed != wanted:
        with read_write(cfg.hydra):
            cfg.hydra.sweep.dir = str(claimed)
            cfg.hydra.overrides.hydra.append(f"hydra.sweep.dir='{claimed}'")
    return claimed


def task(cfg: Any) -> Any:
    """One job of a sweep on one of Hydra's own launchers, inside its ``run_job``."""
    hydra = HydraConfig.get()
    directory = Path(hydra.runtime.output_dir)
    # As they were typed: a value from the environment is no text to keep.
    typed: Any = OmegaConf.to_container(hydra.overrides.task, resolve=False)
    work = Job(
        *plain(cfg),
        overrides=tuple(typed),
        directory=directory,
        stamped=False,
    )
    rows: list[dict[str, Any]] = []
    with paths_from(Path(hydra.runtime.cwd)):
        job.execute(
            work,
            adopt(directory),
            HydraInstantiate(hydra.runtime.cwd),
            own_log=False,
            ended=lambda record: rows.append(job_row(0, "", record)),
        )
    return job.value_of(rows[0], cfg.objective) if cfg.objective else None
