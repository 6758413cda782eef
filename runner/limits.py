"""What this machine can hold: memory and disk, asked before any work is done."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

_CGROUP_LIMITS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
    ),
)

_OWN_FILES = 128


def available_memory() -> int | None:
    """Bytes that a new allocation may count on, the container's limit included; None: unknown."""
    return _available_memory(int(time.monotonic()))


@lru_cache(maxsize=1)
def _available_memory(_second: int) -> int | None:
    """Asked once a second: the jobs of a sweep come a thousand times as often."""
    found = [value for value in (_system_memory(), _container_memory()) if value is not None]
    return min(found) if found else None


def free_disk(path: Path) -> int | None:
    """Free bytes where ``path`` is or would be made; None: unknown."""
    place, below = os.path.abspath(path), ""
    while place != below:
        try:
            usage = shutil.disk_usage(place)
        except OSError:
            place, below = os.path.dirname(place), place
            continue
        # Some file systems over a network, or of no disk, have no blocks to count.
        return usage.free if usage.total else None
    return None


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """BLAS computes every product on one thread while the block runs."""
    with _blas_controller().limit(limits=1, user_api="blas"):
        yield


@cache
def _blas_controller() -> ThreadpoolController:
    # Looking for the libraries takes a millisecond, as long as a small run.
    import numpy as np  # noqa: F401 - it brings the library that is looked for
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def cores() -> int:
    """Processors this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


def most_files() -> int | None:
    """How many files this process may have open besides its own; None: as many as it likes."""
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if hard == resource.RLIM_INFINITY else max(0, hard - _OWN_FILES)


def allow_files(count: int) -> None:
    """Lets this process have so many files open besides its own, as far as the system lets it."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + _OWN_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))


def size(count: float) -> str:
    """Bytes as a person writes them: ``1.5 GB``."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} PB"


def _system_memory() -> int | None:
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            for line in lines:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return None


def _container_memory() -> int | None:
    for limit, usage in _CGROUP_LIMITS:
        try:
            return int(Path(limit).read_text("ascii")) - int(Path(usage).read_text("ascii"))
        except (OSError, ValueError):  # no such file, or "max": no limit
            continue
    return None
