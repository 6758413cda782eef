"""Tables: plain columns where they are piped; on a terminal with colours, and as wide as that."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from runner import console

_BLOCKS = " ▁▂▃▄▅▆▇█"
_SHADES = " ░▒▓█"
_NARROWEST = 12  # characters that a column that gives way keeps
_GAP = 2

STATUS = {
    "FINISHED": "green",
    "FAILED": "bold red",
    "INTERRUPTED": "yellow",
    "RUNNING": "cyan",
    "DEAD": "red",
    "UNREADABLE": "bold red",
}
BITS = {"same": "green", "within": "yellow", "differ": "bold red"}
"""Words -> the style they are shown in; each says the same without it."""


class Column(NamedTuple):
    """One column of a table.

    Attributes:
        head: over it.
        gives_way: it is shortened where the terminal is narrow.
        rank: the highest is left out first where that is not enough; 0 stays.
        styles: cell -> style.
        plain: False: only where there is a terminal.
    """

    head: str
    gives_way: bool = False
    rank: int = 0
    styles: Mapping[str, str] = {}
    plain: bool = True


def on_terminal() -> bool:
    """Whether somebody is looking, with a font that has more than ASCII."""
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    return sys.stdout.isatty() and encoding.startswith("utf")


def draw(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    """Prints a table; columns that a narrow terminal has no room for are named below it."""
    rows = [[console.safe_line(cell) for cell in row] for row in rows]
    if not on_terminal():
        kept = [at for at, column in enumerate(columns) if column.plain]
        cells = [[row[at] for at in kept] for row in rows]
        console.out(console.table([columns[at].head for at in kept], cells))
        return
    from rich.console import Console

    terminal = Console()
    kept = _that_fit(columns, rows, terminal.width)
    terminal.print(_table([columns[at] for at in kept], [[row[at] for at in kept] for row in rows]))
    gone = [column.head for at, column in enumerate(columns) if at not in kept and column.plain]
    if gone:
        told = f"not shown in {terminal.width} columns: {', '.join(dict.fromkeys(gone))}"
        terminal.print(told, style="dim", markup=False, highlight=False)


def draw_matrix(rows: Sequence[str], columns: Sequence[str], values: Any) -> None:
    """Prints a matrix of numbers from 0 to 1; where a terminal has no room for them, as shades.

    Args:
        rows: their names.
        columns: their names.
        values: (rows, columns); NaN where there is none.
    """
    cells = [
        [name, *("" if value != value else f"{value:.4f}" for value in row)]
        for name, row in zip(rows, values.tolist(), strict=True)
    ]
    heads = [Column(name) for name in ("", *columns)]
    longest = max(map(len, rows), default=0)
    needed = longest + sum(max(6, len(name)) + _GAP for name in columns)
    if not on_terminal() or needed <= (width := terminal_width()):
        draw(heads, cells)
        return
    each = 2 if longest + 2 + 2 * len(columns) <= width else 1
    for name, row in zip(rows, values.tolist(), strict=True):
        shades = "".join(_shade(value) * each for value in row)
        console.out(f"{name:>{longest}}  {shades}"[:width])
    steps = ", ".join(f"{shade} from {i / 5:.1f}" for i, shade in enumerate(_SHADES) if i)
    console.out(f"columns: {columns[0]} to {columns[-1]}; {steps}; --json has the numbers")


def _shade(value: float) -> str:
    return "?" if value != value else _SHADES[min(4, max(0, int(value * 5)))]


def terminal_width() -> int:
    """Characters in a line, as rich counts them: ``COLUMNS`` is heard."""
    from rich.console import Console

    return Console().width


def say_head(text: str) -> None:
    """A headline: bold on a terminal."""
    if not on_terminal():
        console.out(text)
        return
    from rich.console import Console

    Console().print(console.safe(text), style="bold", markup=False, highlight=False, soft_wrap=True)


def histogram(values: Any, bins: int = 12) -> str:
    """The distribution of an array of numbers from its least to its largest, in block characters.

    The tallest is the fullest bin; a blank is an empty one. Values that are not finite are left
    out.
    """
    import numpy as np

    finite = values[np.isfinite(values)].astype(np.float64)
    if not len(finite):
        return ""
    low, high = finite.min(), finite.max()
    if not high > low:
        return _BLOCKS[-1]
    # Halves, whose difference is never beyond the largest float.
    scaled = (finite / 2 - low / 2) / (high / 2 - low / 2)
    counts, _ = np.histogram(scaled, bins)
    heights = np.ceil(counts / counts.max() * (len(_BLOCKS) - 1)).astype(int)
    return "".join(_BLOCKS[height] for height in heights)


def _that_fit(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int) -> list[int]:
    """The columns that there is room for, those of the highest ranks left out first."""
    from rich.cells import cell_len

    least = []
    for at, column in enumerate(columns):
        whole = max(map(cell_len, (column.head, *(row[at] for row in rows))))
        least.append(min(whole, _NARROWEST) if column.gives_way else whole)
    kept = list(range(len(columns)))
    while sum(least[at] + _GAP for at in kept) - _GAP > width:
        last = max(kept, key=lambda at: columns[at].rank)
        if not columns[last].rank:
            break
        kept.remove(last)
    return kept


def _table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="dim")
    for at, column in enumerate(columns):
        there = [row[at] for row in rows if row[at]]
        right = bool(there) and all(map(console.is_number, there))
        table.add_column(
            Text(column.head),
            justify="right" if right else "left",
            no_wrap=not column.gives_way,
            overflow="ellipsis",
        )
    for row in rows:
        table.add_row(
            *(
                Text(cell, style=column.styles.get(cell, ""), no_wrap=True, overflow="ellipsis")
                for column, cell in zip(columns, row, strict=True)
            )
        )
    return table
