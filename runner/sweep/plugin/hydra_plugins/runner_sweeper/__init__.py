"""Where Hydra looks for plugins; the code behind them lives in ``runner.sweep``.

Hydra imports this at every start, also of a single run: so it holds the options, and no more.
It executes the module before it is in ``sys.modules``, where dataclasses look for the meaning of
annotations that are text: so there is no ``from __future__ import annotations`` here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional  # noqa: UP035 - OmegaConf reads these annotations

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


@dataclass
class SweeperOptions:
    """``hydra.sweeper.*``: what is swept, and what is not done again."""

    _target_: str = "hydra_plugins.runner_sweeper.RunnerSweeper"
    resume: Optional[str] = None  # noqa: UP045 - a sweep's directory, or `latest`
    skip_existing: bool = False
    fail_fast: bool = False
    max_jobs: int = 100_000
    zip: List[Any] = field(default_factory=list)  # noqa: UP006 - keys in step: [a,b] or [[a,b],[c,d]]
    filter: Optional[str] = None  # noqa: UP045 - SQL over the keys: points that don't meet it are dropped
    params: Dict[str, str] = field(default_factory=dict)  # noqa: UP006 - key -> values, as Hydra has it


@dataclass
class LauncherOptions:
    """``hydra.launcher.*``: how the jobs are spread over this machine."""

    _target_: str = "hydra_plugins.runner_sweeper.LocalLauncher"
    n_jobs: Optional[int] = None  # noqa: UP045 - processes; null: one a core


@dataclass
class DaskOptions:
    """``hydra.launcher.*`` of ``hydra/launcher=dask``: jobs on the workers of a dask scheduler."""

    _target_: str = "hydra_plugins.runner_sweeper.DaskLauncher"
    scheduler: Optional[str] = None  # noqa: UP045 - tcp://host:8786; null: a cluster on this machine
    n_jobs: Optional[int] = None  # noqa: UP045 - processes of that cluster; null: one a core
    batch_size: int = 10  # jobs in a message, at most


class RunnerSweeper(Sweeper):
    """Grids of jobs that can be killed and taken up again."""

    claims_directory = True

    def __init__(self, **options: Any) -> None:
        self.options = options
        self._driver: Any = None

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Hydra's word that a sweep is to come.

        Raises:
            ConfigError: there is no such option.
        """
        from runner.sweep.driver import Driver
        from runner.sweep.options import check_options

        check_options("hydra.sweeper", self.options, SweeperOptions)
        for launcher in (LauncherOptions, DaskOptions):
            if config.hydra.launcher.get("_target_") == launcher._target_:
                check_options("hydra.launcher", config.hydra.launcher, launcher)
        self._driver = Driver(self.options, hydra_context, task_function, config)

    def sweep(self, arguments: List[str]) -> Any:  # noqa: UP006 - as the base class has it
        """Does the sweep of these overrides."""
        return self._driver.sweep(arguments)


class LocalLauncher(Launcher):
    """Warm worker processes on this machine."""

    def __init__(self, n_jobs: Optional[int] = None) -> None:  # noqa: UP045
        self.n_jobs = n_jobs
        self._config: Any = None
        self._context: Any = None

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Hydra's word that jobs are to come."""
        self._config = config
        self._context = hydra_context

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Does jobs of somebody else's sweeper."""
        from runner.sweep.local import launch

        return launch(self._context, self._config, self.n_jobs, job_overrides, initial_job_idx)


class DaskLauncher(Launcher):
    """The workers of a dask scheduler."""

    def __init__(self, scheduler: Optional[str], n_jobs: Optional[int], batch_size: int) -> None:  # noqa: UP045
        self._options = {"scheduler": scheduler, "n_jobs": n_jobs, "batch_size": batch_size}
        self._launch: Any = None

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Hydra's word that jobs are to come."""
        from runner.sweep.cluster.launcher import Launch

        self._launch = Launch(hydra_context, config, self._options)

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Does jobs of somebody else's sweeper."""
        done: Sequence[JobReturn] = self._launch(job_overrides, initial_job_idx)
        return done


_STORE = ConfigStore.instance()
_STORE.store(group="hydra/sweeper", name="runner", node=SweeperOptions, provider="runner")
_STORE.store(group="hydra/launcher", name="local", node=LauncherOptions, provider="runner")
_STORE.store(group="hydra/launcher", name="dask", node=DaskOptions, provider="runner")
