"""Hydra, driven from our side: one composition a run, errors in our words."""

from __future__ import annotations

import importlib.util
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from runner import schema

with warnings.catch_warnings():
    # Hydra's own warnings to its developers say nothing to our users.
    warnings.simplefilter("ignore")
    from hydra import version
    from hydra._internal.config_loader_impl import ConfigLoaderImpl
    from hydra._internal.config_repository import CachingConfigRepository
    from hydra._internal.hydra import Hydra
    from hydra._internal.utils import create_config_search_path
    from hydra.core.config_search_path import ConfigSearchPath, SearchPathQuery
    from hydra.core.config_store import ConfigStore
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.core.override_parser.types import Override
    from hydra.core.utils import JobRuntime
    from hydra.types import RunMode
    from hydra.version import VersionBase

from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from omegaconf.basecontainer import BaseContainer
from omegaconf.errors import OmegaConfBaseException

from runner.app.allowed import check_hydra, check_job_directory
from runner.app.folders import add_current_folder, config_directory, plugin_directory
from runner.app.hints import explain_value, translate
from runner.app.plain import environment_in
from runner.app.sources import check_package, checked_sources
from runner.app.typed import check_overrides, trusted_in
from runner.errors import ConfigError, UsageError

CONFIG_NAME = "config"
TASK_NAME = "runner"
_SEARCHPATH = "hydra.searchpath"


def register_configs() -> None:
    """Makes the schema known to Hydra, under ``schema`` and ``schema/<group>/<name>``."""
    store = ConfigStore.instance()
    store.store(name="schema", node=schema.Config, provider="runner")
    for group, options in schema.OPTIONS.items():
        for name, node in options.items():
            store.store(group=f"schema/{group}", name=name, node=node, provider="runner")


def _make_plugins_findable() -> None:
    """Hydra looks for plugins on the path: in a checkout that is not installed, ours are off it."""
    try:
        found = importlib.util.find_spec("hydra_plugins.runner_sweeper")
    except ModuleNotFoundError:
        found = None
    if found is None:
        sys.path.append(str(plugin_directory()))
        importlib.invalidate_caches()


_REGISTERED = ("schema", "schema.yaml")


def _schema_of_others() -> dict[str, Any]:
    """What an application that runs us has registered under the names that ours get."""
    repository = ConfigStore.instance().repo
    return {name: repository[name] for name in _REGISTERED if name in repository}


def _forget_schema(others: dict[str, Any]) -> None:
    repository = ConfigStore.instance().repo
    for name in _REGISTERED:
        repository.pop(name, None)
    repository.update(others)


class CheckedLoader(ConfigLoaderImpl):
    """Hydra's loader of configuration, that lets nothing through which would import a stranger.

    Whatever Hydra does with a configuration, also on another launcher, it gets from here.

    Attributes:
        places_jobs: whether what composes a job makes its directory as well, as Hydra's own
            launchers do, which is then looked at here.
    """

    places_jobs = False

    def __init__(self, config_search_path: ConfigSearchPath) -> None:
        super().__init__(config_search_path)
        self._trusted: set[str] = set()

    def load_configuration(self, *args: Any, **kwargs: Any) -> DictConfig:
        """A configuration, of a job as well; see :func:`runner.app.allowed.check_hydra`."""
        cfg = super().load_configuration(*args, **kwargs)
        _without_copies(cfg)
        check_hydra(cfg)
        if cfg.get("trust"):
            add_current_folder()  # for callbacks and the like, which Hydra imports by itself
        return cfg

    def load_sweep_config(
        self, master_config: DictConfig, sweep_overrides: list[str]
    ) -> DictConfig:
        """The configuration of a job."""
        cfg = super().load_sweep_config(master_config, sweep_overrides)
        if self.places_jobs:
            _check_place(cfg)
        return cfg

    def _process_config_searchpath(
        self,
        config_name: str | None,
        parsed_overrides: list[Override],
        repo: CachingConfigRepository,
    ) -> None:
        """Looks at the places as Hydra has understood them, before it imports or opens one."""
        # Hydra itself asks for them again by its own overrides alone, without those of the task.
        self._trusted |= {*trusted_in([each.input_line or "" for each in parsed_overrides])}
        for override in parsed_overrides:
            places = override.value() if override.get_key_element() == _SEARCHPATH else None
            for place in places if isinstance(places, list) else ():
                check_package(_SEARCHPATH, str(place), self._trusted)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a place that is not there, which is refused here
            super()._process_config_searchpath(config_name, parsed_overrides, repo)
        for source in repo.get_sources():
            if source.provider.startswith(_SEARCHPATH) and not source.available():
                place = f"{source.scheme()}://{source.path}"
                raise ConfigError(_SEARCHPATH, place, "no such folder or package: name one")


def _check_place(cfg: DictConfig) -> None:
    """Looks at a job's directory before its number is known, which leads nowhere."""
    cfg = cfg.copy()
    with read_write(cfg.hydra), open_dict(cfg.hydra):
        cfg.hydra.job.id, cfg.hydra.job.num = "0", 0
    try:
        sweep, subdir = (OmegaConf.select(cfg, f"hydra.sweep.{key}") for key in ("dir", "subdir"))
    except OmegaConfBaseException as error:
        raise explain_value(error, asked="hydra.sweep.subdir") from None
    environment_in(cfg, "hydra.sweep.subdir")  # first: what is refused is shown
    check_job_directory(str(sweep), str(subdir))


def _without_copies(cfg: DictConfig) -> None:
    """Has ``hydra.job.env_copy`` name the variables: Hydra stores with each job what they hold."""
    names = OmegaConf.select(cfg, "hydra.job.env_copy")
    for name in names if OmegaConf.is_list(names) else ():
        with read_write(cfg.hydra), open_dict(cfg.hydra):
            cfg.hydra.job.env_set[name] = f"${{oc.env:{name}}}"


@contextmanager
def hydra_session(config_dir: str | None = None, config_path: str | None = None) -> Iterator[Hydra]:
    """A Hydra that knows our configuration, and is gone afterwards.

    Args:
        config_dir: a directory of the user's, searched after ours (``-cd``).
        config_path: a directory instead of ours (``-cp``).

    Raises:
        UsageError: there is no such directory.
    """
    instance = GlobalHydra.instance()
    outer, outer_config = instance.hydra, HydraConfig.instance().cfg
    outer_version, outer_job = VersionBase.instance().version_base, JobRuntime.instance().conf
    outer_resolvers, outer_schema = dict(BaseContainer._resolvers), _schema_of_others()
    version.setbase("1.3")
    JobRuntime.instance().conf = OmegaConf.create({"name": TASK_NAME})
    _make_plugins_findable()
    register_configs()
    if config_path is not None and "://" not in config_path:
        config_path = os.path.abspath(config_path)
        if not os.path.isdir(config_path):
            raise UsageError(f"--config-path {config_path}: no such directory")
    search_path = create_config_search_path(config_path or str(config_directory()))
    if config_dir is not None:
        absolute = os.path.abspath(config_dir)
        if not os.path.isdir(absolute):
            raise UsageError(f"--config-dir {config_dir}: no such directory")
        search_path.prepend(
            provider="command-line",
            path=f"file://{absolute}",
            anchor=SearchPathQuery(provider="schema"),
        )
    instance.clear()
    try:
        with checked_sources(config_dir):
            hydra = Hydra.create_main_hydra2(task_name=TASK_NAME, config_search_path=search_path)
            hydra.config_loader = CheckedLoader(search_path)
            yield hydra
    finally:
        instance.hydra = outer
        HydraConfig.instance().cfg = outer_config
        VersionBase.instance().version_base = outer_version
        JobRuntime.instance().conf = outer_job
        BaseContainer._resolvers = outer_resolvers
        _forget_schema(outer_schema)


def compose(
    hydra: Hydra, config_name: str | None, overrides: Sequence[str], *, multirun: bool
) -> DictConfig:
    """The composed configuration, Hydra's own node included.

    Raises:
        RunnerError: what Hydra refuses, in one line.
    """
    check_overrides(overrides)
    with speaking_our_words(hydra, overrides):
        return hydra.compose_config(
            config_name=config_name or CONFIG_NAME,
            overrides=list(overrides),
            run_mode=RunMode.MULTIRUN if multirun else RunMode.RUN,
            with_log_configuration=False,
        )


@contextmanager
def speaking_our_words(hydra: Hydra, overrides: Sequence[str]) -> Iterator[None]:
    """Turns Hydra's errors into ours."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - what is not of the input is raised again
        # The top ones alone: all that lies below a folder of the user's may be a whole disk.
        raise translate(error, overrides, lambda: hydra.config_loader.list_groups("")) from None


def argument_parser() -> Any:
    """Hydra's own parser, whose complaints are ours."""
    from hydra._internal.utils import get_args_parser

    parser = get_args_parser()

    def error(message: str) -> None:
        raise UsageError(f"{message}; see --help")

    parser.error = error  # type: ignore[method-assign,assignment]
    return parser
