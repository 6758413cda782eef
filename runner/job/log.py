"""The run's own log file, open exactly as long as the run."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from runner.errors import WriteError

Hide = Callable[[str], str]
FILE_NAME = "runner.log"
_FORMATTER = logging.Formatter("[%(asctime)s][%(name)s][%(levelname)s] - %(message)s")


@contextmanager
def run_log(directory: Path, hide: Hide) -> Iterator[None]:
    """Sends what the process logs, from INFO up, to ``runner.log`` in the directory.

    Args:
        directory: of the run.
        hide: gives a text without what came from the environment.

    Raises:
        WriteError: the file cannot be made.
    """
    handler = _open(directory)
    handler.setFormatter(_Hiding(_FORMATTER, hide))
    root = logging.getLogger()
    level, others = root.level, root.handlers[:]

    def as_before(record: logging.LogRecord) -> bool:
        """Whether the other handlers would have got this."""
        logger: logging.Logger | None = logging.getLogger(record.name)
        while logger is not None and logger is not root and not logger.level:
            logger = logger.parent
        return logger is not root or record.levelno >= level

    for other in others:
        other.addFilter(as_before)
    root.addHandler(handler)
    root.setLevel(min(level, logging.INFO))
    try:
        yield
    finally:
        root.setLevel(level)
        root.removeHandler(handler)
        for other in others:
            other.removeFilter(as_before)
        handler.close()


@contextmanager
def hiding_in_logs(hide: Hide) -> Iterator[None]:
    """The same secrecy for the handlers that somebody else (Hydra) has set up."""
    handlers = logging.getLogger().handlers[:]
    before = [handler.formatter for handler in handlers]
    for handler in handlers:
        handler.setFormatter(_Hiding(handler.formatter or logging.Formatter(), hide))
    try:
        yield
    finally:
        for handler, formatter in zip(handlers, before, strict=True):
            handler.setFormatter(formatter)


def log_end(directory: Path, text: str) -> None:
    """Adds to ``runner.log`` how a run ended badly; the terminal is told of it elsewhere.

    Raises:
        WriteError: the file cannot be written.
    """
    handler = _open(directory)
    try:
        handler.handle(logging.LogRecord("runner", logging.ERROR, "", 0, text, None, None))
    finally:
        handler.close()


class _Hiding(logging.Formatter):
    """What another one gives, without what came from the environment."""

    def __init__(self, inner: logging.Formatter, hide: Hide) -> None:
        super().__init__()
        self._inner = inner
        self._hide = hide

    def format(self, record: logging.LogRecord) -> str:
        return self._hide(self._inner.format(record))


class _Strict(logging.FileHandler):
    """A line that can't be written is an error like that of any other file of the run."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            return super().handleError(record)
        raise WriteError(self.baseFilename, error.strerror or str(error)) from error


def _open(directory: Path) -> logging.FileHandler:
    path = directory / FILE_NAME
    try:
        handler = _Strict(path, encoding="utf-8")
    except OSError as error:
        raise WriteError(path, error.strerror or str(error)) from error
    handler.setFormatter(_FORMATTER)
    return handler


def close_logs_in(directory: Path) -> None:
    """Closes the log files that somebody else (Hydra) opened in the directory."""
    inside = str(directory.absolute())
    root = logging.getLogger()
    for handler in list(root.handlers):
        if isinstance(handler, logging.FileHandler) and handler.baseFilename.startswith(inside):
            root.removeHandler(handler)
            handler.close()
