"""What is stored is drawn upstairs, by whom the package's head says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_drawing: list[Callable[[str], Callable[..., Any]]] = []


def leave_to(find: Callable[[str], Callable[..., Any]]) -> None:
    """Says who draws: ``find`` gives the function of a name, once something is to be drawn."""
    _drawing[:] = [find]


def draw(name: str, *arguments: Any) -> Any:
    """Has a function of that name draw: ``plot``, ``of_run``, ``of_runs``, ``of_comparison``."""
    [find] = _drawing
    return find(name)(*arguments)
