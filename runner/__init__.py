"""Runs layers of neurons from YAML and keeps every layer's outputs, to the bit.

Importing this costs next to nothing: what the names stand for is loaded when they are first used.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from runner.lazy import names as _names
from runner.store.drawn import leave_to as _leave_to

if TYPE_CHECKING:
    from runner import data as data
    from runner import layers as layers
    from runner.analysis.compare import compare
    from runner.app.single import run
    from runner.report.plot import Plot, plot
    from runner.store.index import runs
    from runner.store.read import load

__version__ = "0.1.0"
__all__ = ["Plot", "__version__", "compare", "load", "plot", "run", "runs"]

_HOME = {
    "Plot": "runner.report.plot",
    "data": "runner.data",
    "layers": "runner.layers",
    "compare": "runner.analysis.compare",
    "load": "runner.store.read",
    "plot": "runner.report.plot",
    "run": "runner.app.single",
    "runs": "runner.store.index",
}

__getattr__ = _names(__name__, _HOME)


def _drawing(name: str) -> Callable[..., Any]:
    home = "runner.report.plot" if name == "plot" else "runner.report.shown"
    found: Callable[..., Any] = getattr(import_module(home), name)
    return found


# What is stored shows itself in notebooks, and knows nothing of those who draw.
_leave_to(_drawing)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_HOME})
