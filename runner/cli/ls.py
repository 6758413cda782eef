"""``ls``: the runs below a folder as a table, newest first."""

from __future__ import annotations

import contextlib
import os
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from runner import console
from runner.cli.printing import as_csv, as_json, cell, short
from runner.cli.tables import STATUS, Column, draw
from runner.errors import NotFoundError, UnknownKeyError, clip, one_line

ROOT = Path("outputs")

_MOST_NOTES = 5


def arguments(parser: ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument(
        "path",
        nargs="?",
        default=ROOT,
        type=Path,
        help="where to look: a folder, a sweep, or latest; outputs otherwise",
    )
    parser.add_argument("--where", metavar="SQL", help="a condition: 'seeds.seed < 5'")
    parser.add_argument(
        "--columns", metavar="A,B", help="what to show of each run, as in seeds.seed,metrics.loss"
    )
    parser.add_argument("--sort", metavar="KEY", help="by this column; -KEY: largest first")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument("--csv", action="store_true", help="print CSV")
    parser.add_argument("--clean", action="store_true", help="sweep up what dead runs left")


def do(args: Namespace) -> int:
    """Prints it; gives the exit code."""
    from runner.analysis.columns import column_of
    from runner.store import layout, resolve, rows
    from runner.store.index.asked import with_columns
    from runner.store.index.query import matching

    if args.path == ROOT and not ROOT.is_dir():
        raise NotFoundError("directory", "outputs", (), hint="nothing was run here yet")
    root = args.path if os.path.exists(args.path) else resolve(str(args.path))
    found = every = with_columns(rows(root), _asked(args))
    if args.clean:
        found = _clean(root, found, layout.DEAD)
    if args.where is not None:
        found = [found[at] for at in matching(found, args.where, also=column_of)]
    if args.sort is not None:
        found = _sorted(found, args.sort)
    columns = _columns(found, args.columns, fixed=args.csv)
    _say_unreadable(every)
    if args.json:
        names = columns if args.columns else None
        console.out(as_json([_plain(row, names) for row in found]))
    elif args.csv:
        lines = [[cell(row.get(key)) for key in columns.values()] for row in found]
        console.out(as_csv([list(columns), *lines]))
    elif found:
        cells = [[short(key, row.get(key)) for key in columns.values()] for row in found]
        draw([_shown(name, key, args.columns is None) for name, key in columns.items()], cells)
    return 0


def _asked(args: Namespace) -> list[str]:
    """What the options may name columns by."""
    from runner.store.index.query import names_in

    columns = [key.strip() for key in (args.columns or "").split(",")]
    return [*names_in(args.where or ""), *columns, (args.sort or "").removeprefix("-")]


def _say_unreadable(found: Sequence[Mapping[str, Any]]) -> None:
    reasons = [str(row["error"]) for row in found if row["status"] == "UNREADABLE"]
    for reason in reasons[:_MOST_NOTES]:
        console.say(one_line(f"note: {reason}"))
    if len(reasons) > _MOST_NOTES:
        console.say(f"note: and {len(reasons) - _MOST_NOTES} more that are UNREADABLE")


def _clean(root: Path, found: list[dict[str, Any]], dead: str) -> list[dict[str, Any]]:
    """Removes what processes that are gone have left; gives the rows that stay."""
    from runner.store.claim.remains import is_ours, sweep_up_below

    claimed = [row for row in found if row["status"] == dead]
    swept = [row for row in claimed if is_ours(Path(row["path"]))]
    for row in claimed:
        if row not in swept:
            place = clip(row["path"], 110, keep_end=True)
            console.say(f"note: {place} is left: its .claim is none of ours; delete it by hand")
    others = sweep_up_below(root, [Path(row["path"]) for row in swept])
    also = f" and {others} other leftover{'' if others == 1 else 's'}" if others else ""
    console.say(f"swept up {len(swept)} dead run{'' if len(swept) == 1 else 's'}{also}")
    return [row for row in found if row not in swept]


_RANKS = {"path": 5, "start_time": 4, "metrics.loss": 3, "overrides": 2}
_GIVE_WAY = ("name", "overrides", "error")


def _shown(name: str, key: str, ours: bool) -> Column:
    """A column; of those that were asked for none is left out."""
    head = name.removeprefix("metrics.") if ours else name
    styles = STATUS if key == "status" else {}
    return Column(head, key in _GIVE_WAY or not ours, _RANKS.get(key, 0) if ours else 0, styles)


_SHOWN = ("run_id", "status", "name", "start_time", "overrides", "metrics.loss", "path")


def _columns(found: list[dict[str, Any]], asked: str | None, *, fixed: bool) -> dict[str, str]:
    """Name, as it was asked for -> column; those in which nothing stands are left out."""
    if asked is None:
        used = (k for k in _SHOWN if fixed or any(row.get(k) not in (None, []) for row in found))
        return {key: key for key in used}
    there = dict.fromkeys(key for row in found for key in row)
    keys = [key.strip() for key in asked.split(",")]
    return {key: _key("--columns", key, there) for key in keys}


def _plain(row: Mapping[str, Any], columns: Mapping[str, str] | None) -> dict[str, Any]:
    """A row for JSON, whose configuration is an object and no text."""
    from runner.store.parquet.plain import from_json

    chosen = {name: row.get(key) for name, key in columns.items()} if columns else dict(row)
    config = chosen.get("config")
    if isinstance(config, str):
        with contextlib.suppress(ValueError):
            chosen["config"] = from_json(config)
    return chosen


def _key(option: str, asked: str, there: Mapping[str, Any]) -> str:
    from runner.analysis.columns import column_of, names

    key = column_of(asked, there)
    if key is None:
        raise UnknownKeyError(option, asked, asked, names(there))
    return key


def _sorted(found: list[dict[str, Any]], by: str) -> list[dict[str, Any]]:
    there = dict.fromkeys(key for row in found for key in row)
    key = _key("--sort", by.removeprefix("-"), there)
    have = [row for row in found if row.get(key) is not None and row[key] == row[key]]
    kinds = {int if isinstance(row[key], (int, float)) else type(row[key]) for row in have}
    as_they_are = kinds in ({int}, {datetime})
    have.sort(
        key=lambda row: row[key] if as_they_are else cell(row[key]), reverse=by.startswith("-")
    )
    # Also NaN, which is neither less nor more than any number.
    return have + [row for row in found if row.get(key) is None or row[key] != row[key]]
