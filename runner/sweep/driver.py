"""A sweep from its overrides to its index: claimed, done, recorded, and taken up again."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.plugins import Plugins
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from runner import limits
from runner.app.compose import hydra_session
from runner.app.hints import translate
from runner.errors import ConfigError, RunnerError, UsageError, clip
from runner.store import layout, resolve
from runner.store.query import matching
from runner.store.remains import sweep_up
from runner.store.sweep_claim import claim_sweep, release_sweep, retake_sweep
from runner.store.sweeps import (
    SPEC_FILE,
    Journal,
    is_sweep,
    read_spec,
    sweep_rows,
    write_index,
)
from runner.sweep.compose import Composer
from runner.sweep.local import do_all, n_workers
from runner.sweep.points import Points, points
from runner.sweep.reuse import Reuse
from runner.sweep.spec import hydra_overrides, recomposed, spec_of
from runner.sweep.summary import Summary
from runner.sweep.work import Row, SharedFacts, Work

if TYPE_CHECKING:
    from runner.sweep.crew import Crew

_OWN = ("hydra.sweeper.", "hydra.launcher.", "hydra/launcher=", "hydra/sweeper=", "hydra.mode=")


@dataclass(frozen=True)
class Outcome:
    """How a sweep ended.

    Attributes:
        directory: of the sweep.
        rows: of all its jobs, by number.
    """

    directory: Path
    rows: list[Row]

    @property
    def failed(self) -> list[Row]:
        """The jobs that did not finish."""
        return [row for row in self.rows if row["status"] != layout.FINISHED]


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
        self._options: dict[str, Any] = {
            key: OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
            for key, value in options.items()
        }
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
            loader, master, hydra = self._context.config_loader, self._config, None
            directory = self._resumed()
            if directory is not None:
                spec = read_spec(directory)
                _check_same(arguments, self._config, spec)
                arguments = spec["task"]
                hydra = stack.enter_context(hydra_session(spec["config_dir"], spec["config_path"]))
                loader, master = hydra.config_loader, recomposed(hydra, spec, directory)
            grid = self._grid(arguments, loader)
            jobs = self._filtered(grid, Composer(loader, master))
            composer = Composer(loader, master)
            _check_composable(grid, jobs, composer)
            workers = self._workers()
            crew = stack.enter_context(self._crew())
            if directory is None:
                directory, master = self._claim(arguments, master)
                composer = Composer(loader, master)
            else:
                retake_sweep(directory)
                sweep_up(directory)
            stack.callback(release_sweep, directory)
            return self._do(directory, composer, jobs, workers, crew)

    def _resumed(self) -> Path | None:
        """The sweep that is to be taken up again; None: a new one."""
        asked = self._options["resume"]
        if asked is None:
            return None
        directory = resolve(str(asked)).absolute()
        if not is_sweep(directory):
            raise ConfigError("hydra.sweeper.resume", asked, "is no sweep: name its directory")
        named = [t for t in hydra_overrides(self._config) if t.startswith("hydra.sweep.dir=")]
        if named and Path(str(self._config.hydra.sweep.dir)).absolute() != directory:
            raise ConfigError(
                "hydra.sweep.dir", self._config.hydra.sweep.dir, f"but resume={asked}"
            )
        return directory

    def _grid(self, arguments: Sequence[str], loader: ConfigLoader) -> Points:
        asked = self._options["zip"]
        groups = [asked] if asked and all(isinstance(key, str) for key in asked) else asked
        for group in groups:
            if not isinstance(group, (list, tuple)) or not all(isinstance(k, str) for k in group):
                raise ConfigError(
                    "hydra.sweeper.zip", list(asked), "needs keys: [a,b] or [[a,b],[c,d]]"
                )
        most = self._options["max_jobs"]
        if not isinstance(most, int) or most < 1:
            raise ConfigError("hydra.sweeper.max_jobs", most, "needs a whole number from 1")
        return points(arguments, loader, groups, most)

    def _filtered(self, grid: Points, composer: Composer) -> list[tuple[str, ...]]:
        condition = self._options["filter"]
        jobs = list(grid)
        if condition is None:
            return jobs
        rows = [_dotted("", composer.compose(at, job).config) for at, job in enumerate(jobs)]
        kept = [jobs[at] for at in matching(rows, condition, option="hydra.sweeper.filter")]
        if not kept:
            raise ConfigError("hydra.sweeper.filter", condition, f"drops all {len(jobs)} points")
        return kept

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
        from runner.sweep.cluster import Options, connected

        return connected(Options.of(self._config.hydra.launcher))

    def _claim(self, arguments: Sequence[str], master: DictConfig) -> tuple[Path, DictConfig]:
        """A directory with what it takes to go on with the sweep, and the configuration for it."""
        pattern = OmegaConf.to_container(master.hydra.sweep, resolve=False)
        text = str(master.hydra.sweep.dir)
        if not text.strip() or text == "None":
            raise ConfigError(
                "hydra.sweep.dir", text, "needs a directory; leave it out for a new one"
            )
        spec = spec_of(master, arguments)
        wanted = Path(text).absolute()
        directory = claim_sweep(
            wanted,
            stamped="${now:" in str(pattern["dir"]),  # type: ignore[index,call-overload]
            files={
                SPEC_FILE: json.dumps(spec, ensure_ascii=False, indent=1) + "\n",
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
        rows = {row["number"]: row for row in sweep_rows(directory)}
        done = {number for number, row in rows.items() if row["status"] == layout.FINISHED}
        todo = [number for number in range(len(jobs)) if number not in done]
        with _indexing(directory, rows) as record, Summary(len(jobs), len(done)) as summary:
            if self._options["skip_existing"]:
                reuse = Reuse(directory, work.facts)
                for number in list(todo):
                    row = reuse.find(number, composer, jobs[number])
                    if row is not None:
                        todo.remove(number)
                        summary.ended(record(row))
            for row in self._rows(work, todo, workers, crew):
                summary.ended(record(row))
                if self._options["fail_fast"] and row["status"] != layout.FINISHED:
                    break
        ordered = [rows[number] for number in sorted(rows)]
        summary.show(directory, ordered, len(jobs))
        return Outcome(directory, ordered)

    def _rows(
        self, work: Work, todo: Sequence[int], workers: int, crew: Crew | None
    ) -> Iterator[Row]:
        if crew is not None:
            return crew.do(work, todo, read_spec(work.sweep))
        if self._launcher == "LocalLauncher":
            return do_all(work, todo, workers)
        return self._elsewhere(work, todo)

    def _elsewhere(self, work: Work, todo: Sequence[int]) -> Iterator[Row]:
        """The jobs on one of Hydra's other launchers, which tells of them when all have ended."""
        config = self._config.copy()
        for first, last in _runs_of(todo):
            launcher = Plugins.instance().instantiate_launcher(
                hydra_context=self._context, task_function=self._task_function, config=config
            )
            launcher.launch([list(work.points[n]) for n in range(first, last + 1)], first)
        known = {row["number"]: row for row in sweep_rows(work.sweep)}
        for number in todo:
            yield known.get(number) or work.bury(number, "the launcher left no run of it")


@contextmanager
def _indexing(directory: Path, rows: dict[int, Row]) -> Iterator[Any]:
    """Takes rows into the journal as they come, and into the index at the end, come what may."""
    journal = Journal(directory)

    def record(row: Row) -> Row:
        # A row from a worker brings its own copies of the names of a hundred columns.
        row = {sys.intern(name): value for name, value in row.items()}
        rows[row["number"]] = row
        journal.append([row])
        return row

    try:
        yield record
    finally:
        journal.close()
        # A job in flight when a signal came has recorded itself in its run.
        rows |= {row["number"]: row for row in sweep_rows(directory)}
        write_index(directory, [rows[number] for number in sorted(rows)])


def _check_same(arguments: Sequence[str], config: DictConfig, spec: dict[str, Any]) -> None:
    """A sweep that is taken up again stays what it is."""
    if arguments and list(arguments) != spec["task"]:
        was = clip(" ".join(spec["task"]) or "none", 80)
        shown = " ".join(arguments)
        raise ConfigError(
            "hydra.sweeper.resume", shown, f"the sweep's overrides are {was}; leave them out"
        )
    for text in hydra_overrides(config):
        if not text.startswith((*_OWN, "hydra.sweep.dir=")) and text not in spec["hydra"]:
            raise UsageError(f"{clip(text, 80)}: cannot change in a sweep that is taken up again")


def _check_composable(grid: Points, jobs: Sequence[tuple[str, ...]], composer: Composer) -> None:
    """Composes every value once, so that what Hydra refuses is said before the first job."""
    seen: set[str] = set()
    for number, job in enumerate(jobs):
        if seen.issuperset(job):
            continue
        seen.update(job)
        try:
            composer.check(number, job)
        except RunnerError:
            raise
        except Exception as error:
            raise translate(error, job, {}) from error
        if len(seen) == sum(len(value) for axis in grid.axes for value in axis.values):
            return


def _runs_of(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """First and last of every unbroken run of numbers."""
    first = previous = None
    for number in numbers:
        if first is None:
            first = number
        elif previous is not None and number != previous + 1:
            yield first, previous
            first = number
        previous = number
    if first is not None and previous is not None:
        yield first, previous


def _dotted(prefix: str, node: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in node.items():
        if isinstance(value, dict) and value:
            found |= _dotted(f"{prefix}{key}.", value)
        else:
            found[f"{prefix}{key}"] = value
    return found
