"""The versions, and what of the machine can change bits: one small function a fact.

What cannot change while a process lives is asked once. Unknown is ``None``, never an error.
Environment variables are not read.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import runner
from runner import limits

DISTRIBUTIONS = {
    "numpy": "numpy",
    "nnfs": "nnfs",
    "hydra": "hydra-core",
    "omegaconf": "omegaconf",
    "pyarrow": "pyarrow",
}
"""Module -> name it is installed under; each gives ``env.<module>``."""


def environment() -> dict[str, object]:
    """The ``env.*`` facts: what it takes to explain why bits differ between two machines."""
    return {f"env.{name}": fact() for name, fact in FACTS.items()}


def version(module: str) -> str | None:
    """The version of the module as loaded, or else as installed; None: not there."""
    loaded = getattr(sys.modules.get(module), "__version__", None)
    if isinstance(loaded, str):
        return loaded
    return installed_versions().get(_normal(DISTRIBUTIONS[module]))


@cache
def installed_versions() -> dict[str, str]:
    """Name -> version by the names of the metadata folders, the first on the path winning.

    ``importlib.metadata`` says the same and takes 25 ms to import; this takes half of one.
    """
    found: dict[str, str] = {}
    for place in sys.path:
        try:
            names = os.listdir(place or ".")
        except OSError:  # a zip file, or a folder that isn't there
            continue
        for name in names:
            if name.endswith(".dist-info"):
                project, _, number = name.removesuffix(".dist-info").partition("-")
                found.setdefault(_normal(project), number)
    return found


def _normal(name: str) -> str:
    return name.lower().replace("-", "_").replace(".", "_")


@cache
def python_version() -> str:
    """``CPython 3.11.7``."""
    import platform

    return f"{platform.python_implementation()} {platform.python_version()}"


@cache
def platform_name() -> str:
    """System and kernel: ``Linux 6.1.0``."""
    import platform

    return f"{platform.system()} {platform.release()}"


@cache
def machine() -> str:
    """The instruction set: ``x86_64``."""
    import platform

    return platform.machine()


@cache
def libc() -> str | None:
    """The C library, which computes what numpy leaves to it: ``glibc 2.36``."""
    try:
        return os.confstr("CS_GNU_LIBC_VERSION")
    except (AttributeError, OSError, ValueError):  # another system's library
        return None


@cache
def cpu() -> str | None:
    """The processor's model; None where the system doesn't tell in a file."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return None


@cache
def simd() -> str | None:
    """The SIMD features that numpy uses here, baseline first: ``exp`` and ``tanh`` hang on them."""
    import numpy as np

    config: Any = np.show_config(mode="dicts")
    features = config.get("SIMD Extensions", {})
    return " ".join([*features.get("baseline", []), *features.get("found", [])]) or None


@cache
def _blas() -> Any:
    """The controller of the BLAS that numpy calls; None: threadpoolctl knows none."""
    import numpy as np
    from threadpoolctl import ThreadpoolController

    found = ThreadpoolController().select(user_api="blas").lib_controllers
    # Other packages bring their own; numpy's lies beside it, in numpy.libs or numpy/.dylibs.
    beside = os.path.dirname(np.__file__)
    return next((one for one in found if one.filepath.startswith(beside)), next(iter(found), None))


def blas_name() -> str | None:
    """``openblas``, ``mkl``, ``blis`` or ``flexiblas``."""
    return getattr(_blas(), "internal_api", None)


def blas_version() -> str | None:
    """The BLAS library's version."""
    return getattr(_blas(), "version", None)


def blas_kernel() -> str | None:
    """The code chosen for this processor, ``Haswell``; another one may round otherwise."""
    return getattr(_blas(), "architecture", None)


def blas_threads() -> int | None:
    """The threads BLAS is set to outside of our products, which run on one each."""
    return getattr(_blas(), "num_threads", None)


def _version_of(module: str) -> Callable[[], str | None]:
    return lambda: version(module)


FACTS: dict[str, Callable[[], object]] = {
    "runner": lambda: runner.__version__,
    "python": python_version,
    **{module: _version_of(module) for module in DISTRIBUTIONS},
    "platform": platform_name,
    "machine": machine,
    "libc": libc,
    "cpu": cpu,
    "cores": limits.cores,
    "blas": blas_name,
    "blas_version": blas_version,
    "blas_kernel": blas_kernel,
    "blas_threads": blas_threads,
    "simd": simd,
}
"""``env.*`` name -> the function that knows it."""
