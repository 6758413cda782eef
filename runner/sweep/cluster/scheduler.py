"""dask.distributed, where it is installed, and what it complains of in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from runner.errors import ConfigError, MissingExtraError, RunnerError, one_line

SCHEDULER = "hydra.launcher.scheduler"


def distributed() -> Any:
    """The library.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return import_module("distributed")
    except ImportError as error:
        raise MissingExtraError("dask.distributed", "dask", "hydra/launcher=dask") from error


@contextmanager
def told_in_one_line(address: str | None) -> Iterator[None]:
    """Turns what comes of a call of the scheduler at that address into errors of ours."""
    try:
        yield
    except RunnerError:
        raise
    except (OSError, ValueError, TypeError) as error:
        reason = one_line(str(error) or type(error).__name__, 90)
        raise ConfigError(SCHEDULER, address, f"no scheduler answers: {reason}") from error
    except ImportError as error:
        raise cannot(address, error) from error


def cannot(address: object, error: BaseException) -> ConfigError:
    """The workers of that scheduler failed in a way that no job can."""
    reason = one_line(f"{type(error).__name__}: {error}", 90)
    return ConfigError(SCHEDULER, address, f"its workers cannot do this: {reason}")
