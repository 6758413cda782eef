"""One run or a sweep: what the command line says of it, and what a file may say."""

from __future__ import annotations

from collections.abc import Sequence

from hydra._internal.hydra import Hydra
from hydra.types import RunMode
from omegaconf import DictConfig

from runner.app.compose import compose
from runner.app.hints import SeveralValuesError
from runner.app.sources import CheckedFiles
from runner.app.typed import check_of_one_run
from runner.errors import ConfigError, RunnerError


class SweepAskedError(ConfigError):
    """One run was to be made, of a configuration that makes itself a sweep."""

    def __init__(self) -> None:
        problem = "is a sweep, for the command line; hydra.mode=RUN is one run"
        super().__init__("hydra.mode", RunMode.MULTIRUN.name, problem)


def mode_in(overrides: Sequence[str]) -> RunMode | None:
    """The mode that is typed; None: none is, or none that there is."""
    asked = [text.partition("=")[2] for text in overrides if text.startswith("hydra.mode=")]
    return RunMode[asked[-1]] if asked and asked[-1] in RunMode.__members__ else None


def compose_one(hydra: Hydra, config_name: str | None, overrides: Sequence[str]) -> DictConfig:
    """The composed configuration of one run.

    Raises:
        SweepAskedError: its files make it a sweep, and what was typed leaves it open.
        RunnerError: what Hydra refuses, and options that only a sweep would heed.
    """
    # Hydra records the mode among its overrides when the command line leaves it open.
    is_open = not any(text.startswith("hydra.mode=") for text in overrides)
    texts = [*overrides, "hydra.mode=RUN"] if is_open else overrides
    try:
        cfg = compose(hydra, config_name, texts, multirun=False)
    except SeveralValuesError:  # before any file was read
        if is_open and _files_ask_for_sweep(hydra, config_name, overrides):
            raise SweepAskedError from None
        raise
    if is_open and CheckedFiles.says_mode and _files_ask_for_sweep(hydra, config_name, overrides):
        raise SweepAskedError
    check_of_one_run(overrides)
    return cfg


def _files_ask_for_sweep(hydra: Hydra, config_name: str | None, overrides: Sequence[str]) -> bool:
    try:
        cfg = compose(hydra, config_name, overrides, multirun=True)
    except RunnerError:
        return False
    return CheckedFiles.says_mode and cfg.hydra.mode is RunMode.MULTIRUN
