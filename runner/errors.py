"""The one family of errors: each says what was asked, what is there, and what to do.

The program turns every member into one line on stderr (at most 200 characters) and the
member's ``exit_code``. Anything outside the family is a bug of ours and keeps its traceback.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, Self

LINE_LIMIT = 200


class RunnerError(Exception):
    """Base of every error this package raises on purpose."""

    exit_code: ClassVar[int] = 2

    def line(self) -> str:
        """The message as one line of at most 200 characters, prefix included."""
        return one_line(f"runner: {self}", LINE_LIMIT)

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions are copied by calling the class with `args`, which are not always ours.
        return _rebuilt, (type(self), self.args, self.__dict__)


def _rebuilt(cls: type[RunnerError], args: tuple[Any, ...], state: dict[str, Any]) -> RunnerError:
    error = cls.__new__(cls, *args)
    error.__dict__.update(state)
    return error


class ConfigError(RunnerError, ValueError):
    """A key of the configuration has a value that cannot be run.

    Args:
        key: the dotted key, as one would override it (``data.samples``).
        value: what it was given.
        problem: what is wrong and what to do, a phrase without a full stop.
    """

    def __init__(self, key: str, value: object, problem: str) -> None:
        super().__init__(key, value, problem)
        self.key = key
        self.value = value
        self.problem = problem

    def under(self, key: str) -> Self:
        """The same, with its key below another: ``samples`` becomes ``data.samples``."""
        self.key = f"{key}.{self.key}"
        return self

    def __str__(self) -> str:
        value = show(self.value)
        shown = clip(value, 40, keep_end=value.startswith("/"))  # what matters of a path is its end
        return f"{clip(self.key, 60)}={shown}: {self.problem}"


class UnknownKeyError(ConfigError, LookupError):
    """A key or an option that does not exist; says what does, and the nearest one."""

    def __init__(self, key: str, value: object, asked: str, available: Iterable[str]) -> None:
        self.available = tuple(available)
        super().__init__(key, value, _did_you_mean(asked, self.available))


class UsageError(RunnerError, ValueError):
    """A call of the command line that cannot be meant as it stands."""


class NotFoundError(RunnerError, LookupError):
    """No run, layer or file by that name; says which ones there are."""

    def __init__(self, kind: str, asked: str, available: Iterable[str], hint: str = "") -> None:
        self.kind = kind
        self.asked = asked
        self.available = tuple(available)
        shown = clip(show(asked), 60, keep_end=asked.startswith("/")) or "''"
        super().__init__(f"no {kind} {shown}: {hint or _did_you_mean(asked, self.available)}")


class UnknownLayerError(NotFoundError, KeyError):
    """No layer by that name: as a mapping says so, with the names that there are."""

    def __str__(self) -> str:
        return str(self.args[0])  # a KeyError's own would be in quotes


class UntrustedError(RunnerError, PermissionError):
    """A class outside the package whose module the user has not named in ``trust``."""


class DamagedError(RunnerError, ValueError):
    """A stored file that is not what was written: the file, and what does not hold."""

    def __init__(self, path: object, problem: str) -> None:
        super().__init__(path, problem)
        self.path = path
        self.problem = problem

    def __str__(self) -> str:
        return f"{clip(str(self.path), 110, keep_end=True)}: {self.problem}"


class TooLargeError(ConfigError):
    """A run that the memory or the disk cannot hold; found before any work is done."""


class MissingExtraError(RunnerError, ImportError):
    """An optional library that is not installed, with the command that installs it."""

    def __init__(self, library: str, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs {library}: pip install 'runner[{extra}]'")


class WriteError(RunnerError, OSError):
    """A write that failed (full disk, read-only tree): the path and the system's reason."""

    exit_code = 3

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"cannot write {clip(str(self.path), 110, keep_end=True)}: {self.reason}"


class AccessError(WriteError):
    """Anything else that the system refused: too many open files, a disk that can't be read."""

    def __str__(self) -> str:
        return f"{clip(str(self.path), 110, keep_end=True)}: {self.reason}"


class LayerFailedError(RunnerError):
    """A layer or dataset of the user's that raised; their exception is the ``__cause__``.

    Attributes:
        trace: their traceback as text, where the run has come that far.
    """

    exit_code = 1
    trace: str = ""


class LostError(RunnerError):
    """What did the work is gone: another machine, or the way to it. What was asked can be done."""

    exit_code = 1


class InterruptedRunError(BaseException):
    """SIGINT or SIGTERM during a run: not an ``Exception``, so that no layer can swallow it."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.exit_code = 128 + signal_number


_INTERRUPTIONS = (InterruptedRunError, KeyboardInterrupt)

_REFUSALS = frozenset(
    getattr(errno, name)
    for name in ("ENOSPC", "EDQUOT", "EFBIG", "EIO", "EROFS", "EMFILE", "ENFILE", "ESTALE")
    if hasattr(errno, name)
)
"""What the system says when it can't, whoever asks: never a bug of the program's."""


_NO_WAY = (errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOTDIR)


def refusal(error: BaseException) -> WriteError | None:
    """The system's refusal behind an error, where nobody else has put it into words."""
    for found in chain(error):
        if isinstance(found, RunnerError):
            return None
        if isinstance(found, OSError):
            if found.errno in _REFUSALS:
                reason = found.strerror or str(found)
                return AccessError(found.filename or "standard output", reason)
            return None
    return None


def no_way(error: BaseException) -> UsageError | None:
    """What the system says of a path that was named, or of one on the way to it."""
    if not isinstance(error, OSError) or error.errno not in _NO_WAY or error.filename is None:
        return None
    path = clip(str(error.filename), 110, keep_end=True)
    return UsageError(f"cannot get at {path}: {error.strerror}")


def unreadable(path: object, error: OSError) -> RunnerError:
    """A file of ours that can't be read: damage, unless the system refuses whatever is asked."""
    if isinstance(error, FileNotFoundError):
        return DamagedError(path, "is missing")
    problem = f"can't be read: {error.strerror or error}"
    return (AccessError if error.errno in _REFUSALS else DamagedError)(path, problem)


def interruption(error: BaseException) -> BaseException | None:
    """The signal behind an error: what was being tidied up when it came may fail in its own way."""
    found = (each for each in chain(error) if isinstance(each, _INTERRUPTIONS))
    return next(found, None)


def chain(error: BaseException) -> Iterator[BaseException]:
    """The exception and what it was raised from, outermost first."""
    behind: BaseException | None = error
    seen: set[int] = set()  # it may lead back to itself
    while behind is not None and id(behind) not in seen:
        yield behind
        seen.add(id(behind))
        behind = behind.__cause__ or behind.__context__


def show(value: object) -> str:
    """A value as one would type it on the command line: ``null``, ``true``, ``[1,2]``, text."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        # Only as many elements as any message can show: the list may hold millions.
        shown = ",".join(show(item) for item in value[:20])
        return f"[{shown}]"
    return value if isinstance(value, str) else repr(value)


def duration(seconds: float) -> str:
    """Seconds as a person says them: ``12 ms``, ``3.4 s``, ``2 min 5 s``."""
    if seconds < 0.1:
        return f"{seconds * 1000:.2g} ms"
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{int(seconds // 60)} min {int(seconds % 60)} s"


def clip(text: str, limit: int, *, keep_end: bool = False) -> str:
    """Text on one line, shortened to ``limit`` characters with an ellipsis."""
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if len(text) <= limit:
        return text
    return "…" + text[1 - limit :] if keep_end else text[: limit - 1] + "…"


def one_line(text: str, limit: int = LINE_LIMIT) -> str:
    """Any text, a traceback's last words for instance, as one line of bounded length."""
    return clip(text, limit)


def nearest(asked: str, available: Iterable[str]) -> str | None:
    """The available name most like the asked one, whole or behind its last dot, if any is near."""
    import difflib  # a run without an error does without

    names = list(available)
    whole = {name.rpartition(".")[2]: name for name in reversed(names)} | {n: n for n in names}
    matches = difflib.get_close_matches(asked, whole, n=1, cutoff=0.6)
    return whole[matches[0]] if matches else None


def _did_you_mean(asked: str, available: tuple[str, ...]) -> str:
    match = nearest(asked, available)
    there = clip(", ".join(available), 90) if available else "none"
    return f"did you mean {match}? (there: {there})" if match else f"there is: {there}"
