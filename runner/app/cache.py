"""Compositions of earlier runs, so that a run that is started again needs no Hydra.

Composing one run takes Hydra longer than all the rest of a small run. What came out is kept as
JSON in ``$XDG_CACHE_HOME/runner/compositions`` (``~/.cache`` where that is not set), under a key of
all that it depends on: see :mod:`runner.app.fingerprint`. What depends on more than that, on the
environment for instance, is not kept: see :mod:`runner.app.remember`. A file that is damaged, or
that another user could have written, is passed over; the folder may be deleted at any time.
``RUNNER_CACHE=0`` switches it off.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
import stat
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from runner.job import Job

MOST_ENTRIES = 256
LARGEST = 1 << 18  # bytes of an entry: handwritten weights are quicker composed than kept
OUTPUT_DIR = "\0"
"""Stands in ``hydra.yaml`` for the run's directory; no YAML text has this character."""

FILES = ("config.yaml", "hydra.yaml", "overrides.yaml")
# A part of a directory that is a time, `${now:%Y-%m-%d}`: nothing but what strftime fills in.
NOW = re.compile(r"\$\{now:((?:%[A-Za-z]|[-_.])+)\}")
# What YAML writes as it stands, in one line of any length: no blanks, nothing that is quoted.
_PLAIN_PATH = re.compile(r"/[\w./+=@%~-]*")


@dataclass(frozen=True)
class Composition:
    """What composing a run gave.

    Attributes:
        config: the task's configuration, every interpolation resolved.
        overrides: the task's overrides.
        directory: ``hydra.run.dir``, with ``${now:…}`` for what the clock fills in.
        hydra_files: name -> text of ``.hydra``; :data:`OUTPUT_DIR` where the directory goes.
    """

    config: dict[str, Any]
    overrides: list[str]
    directory: str
    hydra_files: dict[str, str]

    def job(self) -> Job:
        """The run, to be started now."""
        now = datetime.now()  # noqa: DTZ005 - local time, as Hydra's resolver has it
        text = NOW.sub(lambda found: now.strftime(found[1]), self.directory)
        stamped = text != self.directory
        directory = Path(text).absolute()
        return Job(self.config, self.config, tuple(self.overrides), directory, stamped)

    def files_in(self, directory: Path) -> dict[str, str]:
        """The texts of ``.hydra`` for a run in this directory."""
        return {
            name: text.replace(OUTPUT_DIR, str(directory))
            for name, text in self.hydra_files.items()
        }


def fits(directory: Path) -> bool:
    """Whether a directory's name stands in YAML as it is."""
    return _PLAIN_PATH.fullmatch(str(directory)) is not None


def load(key: str) -> Composition | None:
    """The composition that was kept under a key; None: there is none that can be trusted."""
    with contextlib.suppress(OSError, ValueError, RecursionError), _folder() as folder:
        return _parsed(_read(folder, key), key)
    return None


def save(key: str, composition: Composition) -> None:
    """Keeps a composition, if that is possible: failing at it is no failure of the run."""
    body = json.dumps(asdict(composition)).encode()
    data = _digest(key, body).encode() + b"\n" + body
    with contextlib.suppress(OSError, ValueError, RecursionError):
        # A value that JSON changes (a key that is a number, a tuple) would come back another one.
        if len(data) > LARGEST or repr(_parsed(data, key)) != repr(composition):
            return
        os.makedirs(_place(), mode=0o700, exist_ok=True)
        with _folder() as folder:
            _write(folder, key, data)
            _prune(folder)


def enabled() -> bool:
    """Whether there is a place for a cache, and nobody switched it off."""
    return os.environ.get("RUNNER_CACHE") != "0" and os.path.isabs(_place())


def _place() -> str:
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):
        base = os.path.expanduser("~/.cache")
    return os.path.join(base, "runner", "compositions")


@contextlib.contextmanager
def _folder() -> Iterator[int]:
    """A descriptor of the cache's folder, which nobody but this user can write to."""
    descriptor = os.open(_place(), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        _check_owner(os.fstat(descriptor))
        yield descriptor
    finally:
        os.close(descriptor)


def _check_owner(found: os.stat_result) -> None:
    if found.st_uid != os.geteuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PermissionError("somebody else could have written here")


def _read(folder: int, key: str) -> bytes:
    # Not to wait for ever at a pipe, nor to be led elsewhere by a link.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with open(os.open(key, flags, dir_fd=folder), "rb", buffering=0) as file:
        found = os.fstat(file.fileno())
        _check_owner(found)
        if not stat.S_ISREG(found.st_mode) or found.st_size > LARGEST:
            raise ValueError("no entry of ours")
        return file.read(LARGEST + 1)


def _parsed(data: bytes, key: str) -> Composition:
    """The entry in these bytes; what is not as we write it is a ValueError."""
    digest, _, body = data.partition(b"\n")
    if digest != _digest(key, body).encode():
        raise ValueError("damaged")
    fields = json.loads(body)
    if not isinstance(fields, dict) or set(fields) != set(Composition.__dataclass_fields__):
        raise ValueError("other fields")
    config, files = fields["config"], fields["hydra_files"]
    good = (
        isinstance(config, dict)
        # What is trusted may import code: that way always leads through Hydra.
        and config.get("trust") == []
        and _is_text(fields["overrides"])
        and isinstance(fields["directory"], str)
        and isinstance(files, dict)
        and tuple(files) == FILES
        and _is_text(list(files.values()))
        and files["hydra.yaml"].count(OUTPUT_DIR) == 1
    )
    if not good:
        raise ValueError("other types")
    return Composition(**fields)


def _is_text(values: object) -> bool:
    return isinstance(values, list) and all(isinstance(value, str) for value in values)


def _digest(key: str, body: bytes) -> str:
    return hashlib.sha256(key.encode() + body).hexdigest()


def _write(folder: int, key: str, data: bytes) -> None:
    """Puts an entry in place whole; without waiting for the disk, for it is checked when read."""
    fresh = f"{key}.{secrets.token_hex(4)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with open(os.open(fresh, flags, 0o600, dir_fd=folder), "wb") as file:
            file.write(data)
        os.replace(fresh, key, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(fresh, dir_fd=folder)
        raise


def _prune(folder: int) -> None:
    """Takes the oldest entries away where there are too many."""
    names = os.listdir(folder)
    if len(names) <= MOST_ENTRIES:
        return
    ages = []
    for name in names:
        with contextlib.suppress(OSError):  # another process was quicker
            ages.append((os.stat(name, dir_fd=folder, follow_symlinks=False).st_mtime_ns, name))
    for _, name in sorted(ages)[: len(names) - MOST_ENTRIES // 2]:
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=folder)
