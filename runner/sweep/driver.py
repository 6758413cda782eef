"""A sweep from its overrides to its index: claimed, done, recorded, and taken up again."""

from __future__ import annotations

import shlex
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import (
    AbstractContextManager,
    ExitStack,
    closing,
    contextmanager,
    nullcontext,
    suppress,
)
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from runner import console, limits
from runner.app.compose import hydra_session
from runner.app.summary import Summary
from runner.app.work import warn_of_secrets
from runner.errors import ConfigError, InterruptedRunError, LostError, RunnerError, WriteError
from runner.store import layout
from runner.store.claim.remains import sweep_up
from runner.store.claim.sweep import claim_sweep, release_sweep, retake_sweep
from runner.store.sweeps.spec import SPEC_FILE, read_spec, spec_text
from runner.sweep.again import (
    check_folder,
    check_points,
    check_same,
    points_of,
    rows_so_far,
    sweep_to_resume,
    to_say_again,
)
from runner.sweep.compose import Composer
from runner.sweep.elsewhere import do_elsewhere, hydras_launcher
from runner.sweep.foresight import check_apart, check_some
from runner.sweep.jobs import jobs_of, spot_check
from runner.sweep.local import do_all, n_workers
from runner.sweep.options import check_jobs_options, with_params
from runner.sweep.places import Row
from runner.sweep.points import settled
from runner.sweep.record import indexing
from runner.sweep.reuse import Reuse
from runner.sweep.rows import Rows
from runner.sweep.spec import hydra_overrides, is_trust, recomposed, spec_of
from runner.sweep.work import SharedFacts, Work

if TYPE_CHECKING:
    from runner.sweep.cluster.crew import Crew


@dataclass(frozen=True)
class Outcome:
    """How a sweep ended.

    Attributes:
        directory: of the sweep.
        failed: how many of its jobs did not finish.
    """

    directory: Path
    failed: int


class Driver:
    """What is behind our sweeper.

    Args:
        options: ``hydra.sweeper.*``.
        context: of the sweep, from Hydra.
        task_function: for launchers that are not ours.
        config: of the sweep, from Hydra.
    """

    def __init__(
        self,
        options: dict[str, Any],
        context: HydraContext,
        task_function: TaskFunction,
        config: DictConfig,
    ) -> None:
        self._options = _plain(options)
        self._context = context
        self._task_function = task_function
        self._config = config

    def sweep(self, arguments: Sequence[str]) -> Outcome:
        """Does the sweep, or what is left of one.

        Raises:
            ConfigError: it cannot be done; nothing was written.
            InterruptedRunError: a signal; what ended is in the index, the rest can be taken up.
        """
        with ExitStack() as stack:
            loader, master, options = self._context.config_loader, self._config, self._options
            directory, spec = None, None
            if not all(map(is_trust, arguments)) or options["resume"] is None:
                arguments = with_params(arguments, options["params"])
            if options["resume"] is not None:
                directory = sweep_to_resume(options["resume"], master)
                spec = read_spec(directory)
                check_same(arguments, master, spec)
                arguments = spec["task"]
                hydra = stack.enter_context(hydra_session(spec["config_dir"], spec["config_path"]))
                loader, master = hydra.config_loader, recomposed(hydra, spec, directory)
                # Which jobs there are was said when it began, and what the directory is called.
                options = _plain(master.hydra.sweeper)
                directory = Path(str(master.hydra.sweep.dir)).absolute()
            composer = Composer(loader, master)
            given = settled(spec.get("settled", arguments) if spec else arguments, loader, options)
            jobs = jobs_of(given, options, composer)
            if directory is not None and spec is not None:
                check_points(jobs, spec, directory)
                check_folder(composer, jobs, spec)
            check_jobs_options(composer, jobs)
            check_apart(master, jobs)
            check_some(jobs, composer)
            if self._launcher is None:
                hydras_launcher(self._config, self._context, self._task_function)
            workers = self._workers()
            crew = stack.enter_context(self._crew())
            if directory is None:
                directory, renamed = self._claim(arguments, master, given, jobs)
                composer = composer if renamed is master else Composer(loader, renamed)
            else:
                retake_sweep(directory)
                sweep_up(directory)
            typed = [*arguments, *hydra_overrides(master)]
            warn_of_secrets({key: value for key, _, value in (t.partition("=") for t in typed)})
            stack.callback(release_sweep, directory)
            spot_check(composer, jobs)
            return self._do(directory, composer, jobs, workers, crew)

    @property
    def _launcher(self) -> str | None:
        """The name of the class, if it is one of ours."""
        module, _, name = str(self._config.hydra.launcher.get("_target_")).rpartition(".")
        return name if module == "hydra_plugins.runner_sweeper" else None

    def _workers(self) -> int:
        """The processes on this machine that do jobs."""
        launcher = self._config.hydra.launcher
        ours = self._launcher == "LocalLauncher" or launcher.get("scheduler", "") is None
        return n_workers(launcher.n_jobs) if ours else 1

    def _crew(self) -> AbstractContextManager[Crew | None]:
        if self._launcher != "DaskLauncher":
            return nullcontext()
        from runner.sweep.cluster.launcher import Options, connected

        return connected(Options.of(self._config.hydra.launcher))

    def _claim(
        self,
        arguments: Sequence[str],
        master: DictConfig,
        given: Sequence[str],
        jobs: Sequence[tuple[str, ...]],
    ) -> tuple[Path, DictConfig]:
        """A directory with what it takes to go on with the sweep, and the configuration for it."""
        pattern = OmegaConf.to_container(master.hydra.sweep, resolve=False)
        text = str(master.hydra.sweep.dir)
        if not text.strip() or text == "None":
            raise ConfigError(
                "hydra.sweep.dir", text, "needs a directory; leave it out for a new one"
            )
        spec = spec_of(master, arguments)
        spec |= {"settled": list(given), "points": points_of(jobs)}
        wanted = Path(text).absolute()
        directory = claim_sweep(
            wanted,
            stamped="${now:" in str(pattern["dir"]),  # type: ignore[index,call-overload]
            files={
                SPEC_FILE: spec_text(spec),
                "multirun.yaml": OmegaConf.to_yaml(master),
            },
        )
        if directory != wanted:
            hydra_name = [f"hydra.sweep.dir='{directory}'"]
            master = self._context.config_loader.load_configuration(
                master.hydra.job.config_name,
                [*spec["hydra"], *hydra_name, *arguments],
                run_mode=master.hydra.mode,
            )
        return directory, master

    def _do(
        self,
        directory: Path,
        composer: Composer,
        jobs: Sequence[tuple[str, ...]],
        workers: int,
        crew: Crew | None,
    ) -> Outcome:
        threads = max(1, limits.cores() // workers)
        facts = SharedFacts(threads=threads)
        work = Work(composer, jobs, 0, directory, threads, facts, self._context.callbacks)
        rows = Rows()
        for row in rows_so_far(directory, jobs):
            rows.add(row)
        done = {n for n, status in rows.statuses.items() if status == layout.FINISHED}
        todo = [number for number in range(len(jobs)) if number not in done]
        with (
            _saying_how_to_go_on(directory, rows, len(jobs)),
            indexing(directory, rows) as record,
            Summary(len(jobs), len(done)) as summary,
        ):
            if self._options["skip_existing"]:
                reuse = Reuse(directory, work.facts)
                for number in list(todo):
                    found = reuse.find(number, composer, jobs[number])
                    if found is not None:
                        todo.remove(number)
                        summary.ended(record(found))
            # Closed here, so that what is in flight is recorded before the index is written.
            with closing(self._rows(work, todo, workers, crew)) as ended:
                for row in ended:
                    summary.ended(record(row))
                    if self._options["fail_fast"] and row["status"] != layout.FINISHED:
                        break
        summary.show(directory, rows.values(), len(jobs))
        failed = sum(status != layout.FINISHED for status in rows.statuses.values())
        return Outcome(directory, failed)

    def _rows(
        self, work: Work, todo: Sequence[int], workers: int, crew: Crew | None
    ) -> Generator[Row, None, None]:
        if crew is not None:
            return crew.do(work, todo, read_spec(work.sweep))
        if self._launcher == "LocalLauncher":
            return do_all(work, todo, workers)
        return do_elsewhere(work, todo, self._task_function, self._config.hydra.launcher)


@contextmanager
def _saying_how_to_go_on(directory: Path, rows: Rows, total: int) -> Iterator[None]:
    try:
        yield
    except (InterruptedRunError, LostError, WriteError):
        with suppress(RunnerError):  # the directory may be what is lost
            again = shlex.join(to_say_again(directory))
            done = sum(status == layout.FINISHED for status in rows.statuses.values())
            console.say(f"{done} of {total} jobs are finished; the rest:")
            console.say(f"  python -m runner -m {again}")
            console.give(directory)
        raise


def _plain(options: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
        for key, value in options.items()
    }
