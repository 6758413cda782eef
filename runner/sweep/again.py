"""A sweep that is taken up again: which one it is, and whether it can be here and now."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from runner import console
from runner.errors import ConfigError, DamagedError, NotFoundError, UsageError, clip
from runner.store import layout, resolve
from runner.store.index import sweep_directories
from runner.store.sweeps import INDEX_FILE, is_sweep, sweep_rows
from runner.store.sweeps.spec import SPEC_FILE, read_spec
from runner.sweep.compose import Composer
from runner.sweep.places import Row, is_hydras
from runner.sweep.spec import hydra_overrides, is_same_place, is_trust, sources_of, unless_ours

_OPTION = "hydra.sweeper.resume"
_OWN = ("hydra.sweeper.", "hydra.launcher.", "hydra/launcher=", "hydra/sweeper=", "hydra.mode=")
_WHICH_JOBS = ("hydra.sweeper.zip=", "hydra.sweeper.filter=")
_SEARCHPATH = "hydra.searchpath="
_RELATIVE = re.compile(r"file://(?!/)")


def sweep_to_resume(asked: object, config: DictConfig) -> Path:
    """The directory of the sweep that ``hydra.sweeper.resume`` names, links followed.

    Raises:
        ConfigError: there is none, or ``hydra.sweep.dir`` names another.
    """
    if asked == layout.LATEST:
        directory = _newest(Path("outputs"))
        console.say(f"taking up {directory}")
    else:
        try:
            directory = resolve(str(asked))
        except NotFoundError as error:
            raise ConfigError(_OPTION, asked, str(error)) from None
        if not is_sweep(directory):
            raise ConfigError(_OPTION, asked, "is no sweep: name its directory")
    named = any(text.startswith("hydra.sweep.dir=") for text in hydra_overrides(config))
    if named and not is_same_place(config.hydra.sweep.dir, directory):
        raise ConfigError("hydra.sweep.dir", config.hydra.sweep.dir, f"but resume={asked}")
    return directory.resolve()


def _newest(root: Path) -> Path:
    """The sweep that was begun last, however far it came."""
    found = list(sweep_directories(root)) if root.is_dir() else []
    link = root / layout.LATEST
    found += [link.resolve()] if link.is_dir() else []
    begun = {path: path / SPEC_FILE for path in found if (path / SPEC_FILE).is_file()}
    if not begun:
        raise ConfigError(_OPTION, layout.LATEST, f"there is no sweep in {root}: name a directory")
    # The file is written when a sweep is claimed, and not again.
    return max(begun, key=lambda path: begun[path].stat().st_mtime_ns).absolute()


def check_same(arguments: Sequence[str], config: DictConfig, spec: Mapping[str, Any]) -> None:
    """A sweep that is taken up again stays what it is.

    Args:
        arguments: the overrides that were typed to take it up.
        config: composed with them.
        spec: what the sweep was begun with.

    Raises:
        RunnerError: it would be another, or takes what has to be said anew.
    """
    check_trust(arguments, spec)
    _check_sources(config, spec)
    arguments = [text for text in arguments if not is_trust(text)]
    if arguments and arguments != [text for text in spec["task"] if not is_trust(text)]:
        was = clip(" ".join(spec["task"]) or "none", 80)
        shown = clip(" ".join(arguments), 60)
        raise UsageError(f"{shown}: the sweep that is taken up has {was}; leave it out")
    for text in hydra_overrides(config):
        free = text.startswith((*_OWN, "hydra.sweep.dir=")) and not text.startswith(_WHICH_JOBS)
        if not free and text not in spec["hydra"]:
            raise UsageError(f"{clip(text, 80)}: cannot change in a sweep that is taken up again")


def check_trust(arguments: Sequence[str], spec: Mapping[str, Any]) -> None:
    """What a sweep trusts has to be said anew: its directory may come from anybody.

    Raises:
        ConfigError: something is trusted, or would be imported, that was not typed now.
    """
    for text in (*spec["task"], *spec.get("settled", ())):
        if is_trust(text) and text not in arguments:
            problem = f"was said when the sweep was begun; to take it up, say it again: {text}"
            raise ConfigError("trust", text.partition("=")[2], problem)
    said = [text for text in spec["hydra"] if "pkg://" in text]
    if str(spec["config_path"]).startswith("pkg://"):
        said.append(f"--config-path={spec['config_path']}")
    if said:
        key, _, value = said[0].partition("=")
        raise ConfigError(key, value, "a sweep with configuration in a package cannot be taken up")


def _check_sources(config: DictConfig, spec: Mapping[str, Any]) -> None:
    """A configuration of the user's own may trust modules: so it has to be named anew, too."""
    now = sources_of(config)
    for key, said in now.items():
        was = unless_ours(spec[key])  # earlier programs wrote it out
        if (was and os.path.realpath(was)) == (said and os.path.realpath(said)):
            continue
        option = f"--{key.replace('_', '-')}"
        if was:
            place = clip(was, 90, keep_end=True)
            raise UsageError(f"the sweep was begun with {option} {place}: say it again")
        raise UsageError(f"{option}: cannot change in a sweep that is taken up again")
    typed = hydra_overrides(config)
    for text in spec["hydra"]:
        if text.startswith(_SEARCHPATH) and text not in typed:
            raise UsageError(f"the sweep was begun with {clip(text, 120)}: say it again")


def to_say_again(sweep: Path) -> list[str]:
    """The arguments that take a sweep up again, with what is not taken from its directory."""
    spec = read_spec(sweep)
    options = [(f"--{key.replace('_', '-')}", spec[key]) for key in ("config_path", "config_dir")]
    said = [word for option, place in options if place for word in (option, place)]
    said.append(f"{_OPTION}={sweep}")
    said += [text for text in spec["hydra"] if text.startswith(_SEARCHPATH)]
    return said + [text for text in spec["task"] if is_trust(text)]


def check_folder(
    composer: Composer, jobs: Sequence[tuple[str, ...]], spec: Mapping[str, Any]
) -> None:
    """Refuses to go on elsewhere where the jobs would take up other files than before.

    Raises:
        UsageError: there are relative paths, or modules beside which the sweep was begun.
    """
    folder = spec.get("folder", "")
    if not os.path.isdir(folder) or is_same_place(folder, Path.cwd()):
        return
    if any(_RELATIVE.search(text) for text in spec["hydra"]) or any(_stand(composer, jobs)):
        where = clip(folder, 120, keep_end=True)
        raise UsageError(f"the sweep was begun in {where}: go there to take it up")


def _stand(composer: Composer, jobs: Sequence[tuple[str, ...]]) -> Iterator[bool]:
    """Of some jobs, whether the folder they are done in makes a difference."""
    for number in some_of(jobs):
        config = composer.compose(number, jobs[number]).config
        data = config.get("data")
        path = data.get("path") if isinstance(data, Mapping) else None
        yield bool(config.get("trust"))
        yield isinstance(path, str) and not os.path.isabs(os.path.expanduser(path))


def some_of(jobs: Sequence[Any]) -> list[int]:
    """The numbers of a few jobs of a sweep, from all over it."""
    return sorted({0, len(jobs) // 3, 2 * len(jobs) // 3, len(jobs) - 1})


def points_of(jobs: Sequence[tuple[str, ...]]) -> dict[str, Any]:
    """What a sweep's jobs are known by: ``count`` and ``digest``."""
    digest = hashlib.sha256()
    for job in jobs:
        digest.update("\0".join((*job, "\n")).encode("utf-8", "surrogatepass"))
    return {"count": len(jobs), "digest": digest.hexdigest()}


def check_points(jobs: Sequence[tuple[str, ...]], spec: Mapping[str, Any], sweep: Path) -> None:
    """Refuses to go on with other jobs than it was begun with.

    Raises:
        ConfigError: a group has other options by now, or a filter keeps other points.
    """
    now = points_of(jobs)
    was = spec.get("points", now)
    if was != now:
        problem = (
            f"its {was['count']} jobs come out as {now['count']} others: "
            "the configuration has changed since it was begun"
        )
        raise ConfigError(_OPTION, str(sweep), problem)


def rows_so_far(sweep: Path, jobs: Sequence[tuple[str, ...]]) -> Iterator[Row]:
    """The rows of the jobs that ended; of a run that is another job's there is none.

    Raises:
        DamagedError: the index is not what was written, with what to do.
    """
    try:
        rows = sweep_rows(sweep)
    except DamagedError as error:
        if Path(str(error.path)).name != INDEX_FILE:
            raise
        hint = f"delete it, and it is made anew from the runs ({clip(error.problem, 30)})"
        raise DamagedError(error.path, hint) from error
    for row in rows:
        number = row["number"]
        if number < len(jobs):
            given = [text for text in jobs[number] if not is_hydras(text)]
            if list(row["overrides"]) == given:
                yield row
