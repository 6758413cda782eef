"""The options of our sweeper and launchers, as they are given."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields

from omegaconf import OmegaConf

from runner.errors import UnknownKeyError, UsageError, clip
from runner.sweep.again import some_of
from runner.sweep.compose import Composer

_NODES = ("sweeper", "launcher")
_BLOCK = re.compile(rf"^  ({'|'.join(_NODES)}):\n(?:    .*\n|\n)*", re.MULTILINE)


def check_options(node: str, given: Iterable[str], known: type) -> None:
    """Refuses what ``+`` has added to the options.

    Args:
        node: ``hydra.sweeper`` or ``hydra.launcher``.
        given: the names.
        known: the dataclass that has them all.

    Raises:
        UnknownKeyError: one is not there.
    """
    names = [field.name for field in fields(known)]
    for name in given:
        if name not in names:
            there = [known for known in names if known != "_target_"]
            raise UnknownKeyError(f"{node}.{name}", "…", name, there)


def with_params(arguments: Sequence[str], params: Mapping[str, str]) -> list[str]:
    """The overrides of the task, after those of ``hydra.sweeper.params`` for other keys."""
    typed = {_key(text) for text in arguments}
    texts = [f"{key}={value}" for key, value in params.items()]
    return [text for text in texts if _key(text) not in typed] + list(arguments)


def _key(override: str) -> str:
    return override.partition("=")[0].lstrip("+~")


def check_jobs_options(composer: Composer, jobs: Sequence[tuple[str, ...]]) -> None:
    """Refuses a sweeper or a launcher that comes with an experiment, and would not be heeded.

    Raises:
        UsageError: a job has other options than the sweep, or chooses others in its defaults.
    """
    options = OmegaConf.masked_copy(composer.master.hydra, list(_NODES))
    ours = _blocks(OmegaConf.to_yaml(OmegaConf.create({"hydra": options})))
    chosen: dict[str, set[str]] = {}
    for number in some_of(jobs):
        theirs: dict[str, str] = {}
        with suppress(Exception):  # it fails again where that is recorded
            composed = composer.compose(number, jobs[number])
            theirs = _blocks(composed.hydra_files.get("hydra.yaml", ""))
        differing = {name for name, text in theirs.items() if text != ours[name]}
        for text in jobs[number]:
            chosen.setdefault(text, set(composer.overridden_by(text)))
            differing |= {name for name in _NODES if f"hydra/{name}" in chosen[text]}
        if differing:
            name, shown = min(differing), clip(" ".join(jobs[number]), 60)
            raise UsageError(
                f"{shown}: a {name} of its own comes too late for a sweep: "
                f"choose hydra/{name} and hydra.{name} on the command line"
            )


def _blocks(text: str) -> dict[str, str]:
    return {found[1]: found[0] for found in _BLOCK.finditer(text)}
