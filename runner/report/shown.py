"""What a notebook shows of stored runs: small tables, escaped, in the notebook's own colours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from runner.errors import RunnerError, one_line

if TYPE_CHECKING:
    import pandas as pd

    from runner.analysis.comparison import Comparison
    from runner.store.read import Run

_LAYERS, _ROWS = 50, 20
_OF_NO_USE = ("end_time", "config", "config_hash", "params.name", "params.tags", "path")
_MISSING = ("nan", "NaT", "<NA>")  # pandas' words for it; a truth value some of them have not


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Text as an HTML table."""
    cells = [_row("th", heads), *(_row("td", row) for row in rows)]
    return f"<table>{''.join(cells)}</table>"


def _row(tag: str, cells: Sequence[str]) -> str:
    return f"<tr>{''.join(f'<{tag}>{escape(cell)}</{tag}>' for cell in cells)}</tr>"


def headline(text: str, *more: str) -> str:
    """A line in bold, and lines below it."""
    lines = "".join(f"<br/><small>{escape(line)}</small>" for line in more if line)
    return f"<p><b>{escape(text)}</b>{lines}</p>"


def of_run(run: Run) -> str:
    """A run: how it ended, what it was told, its layers with their statistics."""
    facts = run.metadata
    head = headline(
        f"run {facts['name'] or run.id}: {run.status}",
        " ".join(facts["overrides"] or ()),
        str(facts["error"] or ""),
    )
    try:
        layers = list(run.layers.values())
    except (RunnerError, OSError) as error:
        return head + headline(one_line(str(error)))
    if not layers:
        return head
    names = ("mean", "std", "min", "max", "zero_fraction")
    rows = [
        (
            str(layer.position),
            layer.name,
            layer.kind,
            f"{layer.n_samples} × {layer.n_neurons}",
            *(_number(layer.statistics[name]) for name in names),
        )
        for layer in layers[:_LAYERS]
    ]
    more = len(layers) - len(rows)
    told = f"<p>and {more} more layers</p>" if more else ""
    return head + table(("", "layer", "kind", "outputs", *names), rows) + told


def of_comparison(found: Comparison) -> str:
    """Two runs: in one sentence, what differs around them, part by part."""
    sections = (("configuration", found.config), ("environment", found.environment))
    lists = "".join(headline(title, *map(str, some)) for title, some in sections if some)
    parts = (found.table(), found.statistics_table())
    tables = "".join(table(lines[0], lines[1:]) for lines in parts if lines)
    notes = headline("notes", *found.notes()) if any(found.notes()) else ""
    return f"{headline(found.sentence)}{lists}{tables}{notes}"


def of_runs(frame: pd.DataFrame) -> str:
    """Runs: the columns in which something differs, the newest rows."""
    kept = [name for name in frame.columns if _says_something(str(name), frame[name])]
    rows = [[_cell(value) for value in row] for row in frame[kept].head(_ROWS).to_numpy()]
    counts = (
        f"{len(frame)} runs" if len(rows) == len(frame) else f"{len(rows)} of {len(frame)} runs"
    )
    heads = [str(name).removeprefix("params.") for name in kept]
    told = f"{counts}, {len(kept)} of {len(frame.columns)} columns"
    return f"{table(heads, rows)}<p><small>{told}</small></p>"


def _says_something(name: str, column: Any) -> bool:
    if name in ("run_id", "status", "name"):
        return True
    if name in _OF_NO_USE or name.startswith(("env.", "git.")) or name.endswith("digest"):
        return False
    texts = {_cell(value) for value in column}
    if name.startswith("params."):
        return len(texts) > 1
    return texts != {""}


def _cell(value: Any) -> str:
    if value is None or (not isinstance(value, str) and str(value) in _MISSING):
        return ""
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, (list, tuple)):
        value = " ".join(map(str, value))
    if hasattr(value, "strftime"):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    text = str(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
