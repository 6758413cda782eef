"""``compare``: two runs bit by bit, layers by their similarity, or a sweep by one of its keys."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from runner import console
from runner.cli.printing import as_json
from runner.cli.tables import BITS, Column, draw, draw_matrix, say_head
from runner.console import markdown
from runner.errors import UsageError

if TYPE_CHECKING:
    from runner.analysis.aggregation import Aggregate
    from runner.analysis.comparison import Comparison
    from runner.analysis.representations import Similarity

MEASURES = ("cka", "debiased", "svcca", "procrustes")


def arguments(parser: ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("a", metavar="A", help="a run, or with --by a sweep")
    parser.add_argument("b", metavar="B", nargs="?", help="the run to compare it with")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--markdown", action="store_true", help="print Markdown")
    two = parser.add_argument_group("two runs: the same to the bit, or within")
    two.add_argument("--atol", type=float, default=0.0, help="abs(a - b) <= ATOL + RTOL * abs(b)")
    two.add_argument("--rtol", type=float, default=0.0, help="see --atol")
    two.add_argument("--ulp", type=int, default=0, help="or at most ULP floats apart")
    two.add_argument("--verify", action="store_true", help="read every byte of both runs first")
    alike = parser.add_argument_group("how alike layers are, in one run or between two")
    alike.add_argument(
        "--similarity", choices=MEASURES, nargs="?", const="cka", help="a matrix; cka otherwise"
    )
    sweep = parser.add_argument_group("over a sweep: mean, spread, 95 % confidence interval")
    sweep.add_argument("--by", metavar="KEY", help="a row for each layer and value of KEY")
    sweep.add_argument(
        "--statistics",
        metavar="S,T",
        help="which ones, as in std,effective_rank; all: every one there is",
    )
    sweep.add_argument("--where", metavar="SQL", help="only runs that meet a condition")
    sweep.add_argument("--theory", action="store_true", help="the mean-field prediction beside it")
    sweep.add_argument(
        "--pair",
        metavar="I,J",
        help="samples for the correlation; otherwise the first two whose inputs are not 0",
    )


def do(args: Namespace) -> int:
    """Prints it; 1 where two runs differ."""
    if args.json and args.markdown:
        raise UsageError("compare: --json and --markdown do not go together")
    for name in ("atol", "rtol", "ulp", "verify"):
        if getattr(args, name) and (args.by is not None or args.similarity):
            raise UsageError(f"compare: --{name} goes with two runs, bit by bit")
    if args.by is not None:
        return _sweep(args)
    for name in ("statistics", "where", "theory", "pair"):
        if getattr(args, name) not in (None, False):
            raise UsageError(f"compare: --{name} goes with --by KEY")
    if args.similarity:
        return _similarity(args)
    if args.b is None:
        raise UsageError("compare: needs two runs; a sweep and --by KEY; or --similarity")
    from runner.analysis.compare import Check, compare
    from runner.store import load

    runs = [load(name) for name in (args.a, args.b)]
    check: Check = "bytes" if args.verify else "files"
    found = compare(*runs, atol=args.atol, rtol=args.rtol, ulp=args.ulp, check=check)
    if args.json:
        console.out(as_json(found.as_dict()))
    else:
        _tell(found, args.markdown)
    return 0 if found.same else 1


def _tell(found: Comparison, in_markdown: bool) -> None:
    lines = [f"{n}: run {run.id} {run.path}" for n, run in (("A", found.a), ("B", found.b))]
    sections: list[tuple[str, Sequence[object]]] = [
        ("configuration", found.config),
        ("environment", found.environment),
        ("metrics", found.metrics),
    ]
    for title, items in [(title, items) for title, items in sections if items]:
        lines += ["", f"**{title}**", ""] if in_markdown else ["", title]
        lines += [f"- `{item}`" if in_markdown else f"  {item}" for item in items]
    console.out("\n".join(lines) + "\n")
    _draw(found.table(), in_markdown)
    if statistics := found.statistics_table():
        console.out("")
        _draw(statistics, in_markdown)
    notes = list(found.notes())
    if notes:
        console.out("\n".join(["", *(f"- {note}" if in_markdown else note for note in notes)]))
    console.out("")
    say_head(found.sentence)


def _draw(table: Sequence[Sequence[str]], in_markdown: bool) -> None:
    head, *rows = table
    if in_markdown:
        console.out(markdown(head, rows))
    else:
        draw([_column(name) for name in head], rows)


_WORDS = ("part", "layer", "reason")
_LEFT_OUT = (
    *("differ", "A", "B", "max ulp", "shape", "max rel", "mean rel", "mean abs", "NaN", "inf"),
    *("std A", "std B", "mean A", "mean B", "max A", "max B", "min A", "min B"),
)
"""The columns about differences, in the order in which a narrow terminal has room for them."""


def _column(head: str) -> Column:
    rank = _LEFT_OUT.index(head) + 1 if head in _LEFT_OUT else 0
    return Column(head, head in _WORDS, rank, BITS if head == "bits" else {})


def _similarity(args: Namespace) -> int:
    from runner.analysis.representations import similarity
    from runner.store import load

    runs = [load(name) for name in (args.a, args.b) if name is not None]
    found: Similarity = similarity(*runs, measure=args.similarity)
    for note in found.notes:
        console.say(f"note: {note}")
    if args.json:
        console.out(as_json(found.as_dict()))
        return 0
    if args.markdown:
        console.out(f"**{found.title}**\n")
        rows = [
            [name, *("" if value != value else f"{value:.4f}" for value in values)]
            for name, values in zip(found.rows, found.values.tolist(), strict=True)
        ]
        console.out(markdown(["", *found.columns], rows))
    else:
        say_head(found.title)
        draw_matrix(found.rows, found.columns, found.values)
    for reason in found.reasons:
        console.out(reason)
    return 0


def _sweep(args: Namespace) -> int:
    from runner.analysis.aggregate import DEFAULT, STATISTICS, aggregate
    from runner.store import resolve

    if args.b is not None or args.similarity:
        raise UsageError("compare: --by takes one sweep, and no --similarity")
    asked: Any = DEFAULT
    if args.statistics is not None:
        names = tuple(name.strip() for name in args.statistics.split(","))
        asked = STATISTICS if names == ("all",) else names
    pair = None if args.pair is None else _pair(args.pair)
    if pair and "correlation" not in asked:
        raise UsageError("compare: --pair goes with --statistics correlation")
    found: Aggregate = aggregate(
        resolve(args.a),
        args.by,
        statistics=asked,
        where=args.where,
        theory=args.theory,
        pair=pair,
    )
    for note in found.notes:
        console.say(f"note: {note}")
    if args.json:
        console.out(as_json(found.as_dict()))
    else:
        head, *rows = found.table()
        if args.markdown:
            console.out(markdown(head, rows))
        else:
            draw(_columns_by(head), rows)
    return 0


def _columns_by(heads: Sequence[str]) -> list[Column]:
    """On a narrow terminal the intervals go first, and then the last of the statistics."""
    kept = len(("value", "layer", "runs", "a statistic"))
    return [
        Column(head, at < 2, 0 if at < kept else at + 100 * (head == "95 %"))
        for at, head in enumerate(heads)
    ]


def _pair(text: str) -> tuple[int, int]:
    parts = text.split(",")
    if len(parts) != 2 or not all(part.strip().isdecimal() for part in parts):
        raise UsageError(f"compare: --pair {text}: two numbers of samples, as in 0,1")
    first, second = int(parts[0]), int(parts[1])
    if first == second:
        raise UsageError(f"compare: --pair {text}: one sample with itself; two of them, as in 0,1")
    return first, second
