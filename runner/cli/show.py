"""``show``: one run, its layers with statistics, its configuration, where it came from."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from runner import console
from runner.arguments import A_RUN
from runner.cli.printing import as_json, cell
from runner.cli.tables import Column, draw, histogram, on_terminal, say_head

if TYPE_CHECKING:
    from runner.analysis.outlook import Outlook
    from runner.store.read import Run

_MOST, _LEAST = 2_000_000, 20_000
"""Values that are read for the histograms of all layers together, and of one at least."""

_Table = tuple[list[Column], list[tuple[str, ...]]]


def arguments(parser: ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("run", metavar="RUN", help=A_RUN)
    parser.add_argument("--theory", action="store_true", help="the mean-field prediction as well")
    parser.add_argument("--json", action="store_true", help="print JSON")


def do(args: Namespace) -> int:
    """Prints it; gives the exit code."""
    from runner.store import load

    run = load(args.run)
    for layer in run.layers.values():
        layer.look()
    facts = {key: value for key, value in run.metadata.items() if not key.startswith("params.")}
    layers = _layers(run)
    theory = _theory(run) if args.theory else None
    if args.json:
        whole = {"path": str(run.path), **facts, "config": run.config, "layers": layers}
        console.out(as_json({**whole, **(theory.as_dict() if theory else {})}))
        return 0
    say_head(f"run {run.id}: {run.status}")
    console.out(str(run.path))
    for key in ("name", "error"):
        if facts[key]:
            console.out(console.safe_line(f"{key}: {facts[key]}"))
    for key in ("tags", "overrides"):
        if facts[key]:
            console.out(console.safe_line(f"{key}: {' '.join(facts[key])}"))
    if layers:
        console.out("")
        draw(*_layer_table(run, layers))
    if theory:
        _tell_theory(theory)
    for title, prefix in (
        ("metrics", "metrics."),
        ("configuration", "params."),
        ("provenance", ""),
    ):
        found = _facts(run, prefix)
        if found:
            width = max(map(len, found))
            console.out("")
            say_head(title)
            for key, value in found.items():
                console.out(console.safe_line(f"  {key:<{width}}  {value}"))
    return 0


def _layers(run: Run) -> list[dict[str, Any]]:
    return [
        {
            "position": layer.position,
            "name": layer.name,
            "kind": layer.kind,
            "n_samples": layer.n_samples,
            "n_neurons": layer.n_neurons,
            **layer.statistics,
            "digest": layer.digest,
        }
        for layer in run.layers.values()
    ]


def _layer_table(run: Run, layers: list[dict[str, Any]]) -> _Table:
    counted = any(row["nonfinite_count"] for row in layers)
    columns = [
        Column(""),
        Column("layer", gives_way=True),
        Column("kind", rank=4),
        Column("shape", rank=5),
        Column("mean"),
        Column("std"),
        Column("min", rank=3),
        Column("max", rank=2),
        Column("zeros", rank=1),
        # Shown where it says something: the statistics beside it are of the other values.
        *([Column("not finite")] if counted else []),
        Column("digest", rank=6),
        Column("distribution", rank=1, plain=False),
    ]
    drawn = _distributions(run) if on_terminal() else {}
    cells = [
        (
            str(row["position"]),
            row["name"],
            row["kind"],
            f"{row['n_samples']} x {row['n_neurons']}",
            *(console.number(row[k]) for k in ("mean", "std", "min", "max")),
            f"{100 * row['zero_fraction']:.3g}%",
            *([str(row["nonfinite_count"])] if counted else []),
            row["digest"][:12],
            drawn.get(row["name"], ""),
        )
        for row in layers
    ]
    if not any(drawn.values()):
        return columns[:-1], [row[:-1] for row in cells]
    return columns, cells


def _distributions(run: Run) -> dict[str, str]:
    """Layer -> a small histogram of some of its outputs, where any were kept."""
    from runner.store.matrix.glance import glance

    kept = [layer for layer in run.layers.values() if layer.path]
    each = max(_LEAST, _MOST // max(1, len(kept)))
    return {layer.name: histogram(glance(layer, each)) for layer in kept}


def _theory(run: Run) -> Outlook:
    from runner.analysis.outlook import outlook

    return outlook(run)


def _tell_theory(theory: Outlook) -> None:
    if theory.rows:
        console.out("")
        draw(*_theory_table(theory.rows, "second moment", _SECOND_MOMENT))
    predicted = (row["correlation_predicted"] for row in theory.rows)
    if theory.pair and any(value == value for value in predicted):
        console.out("")
        say_head("correlation of samples {} and {}".format(*theory.pair))
        draw(*_theory_table(theory.rows, "correlation", _CORRELATION))
    if theory.edge:
        console.out("")
        console.out(console.safe_line(f"edge of chaos: {theory.edge}"))


_SECOND_MOMENT = ("second_moment", "predicted", "error_bar", "distance")
_CORRELATION = tuple(f"correlation{part}" for part in ("", "_predicted", "_error_bar", "_distance"))


def _theory_table(rows: Sequence[Mapping[str, Any]], head: str, names: Sequence[str]) -> _Table:
    """What was measured in each layer, beside its prediction."""
    columns = [
        Column("layer", gives_way=True),
        *(Column(name) for name in (head, "theory")),
        Column("error bar", rank=2),
        Column("bars away"),
        Column("", gives_way=True, rank=1),
    ]
    cells = [
        (
            row["layer"],
            *("" if row[name] != row[name] else console.number(row[name]) for name in names),
            row["reason"] or "",
        )
        for row in rows
    ]
    return columns, cells


def _facts(run: Run, prefix: str) -> dict[str, str]:
    metadata = run.metadata
    if prefix:
        chosen = {k.removeprefix(prefix): v for k, v in metadata.items() if k.startswith(prefix)}
        if prefix == "params.":
            from runner.analysis.changes import interpolations

            chosen |= interpolations(run.config)
        else:
            chosen = {key: value for key, value in chosen.items() if value is not None}
    else:
        names = ("start_time", "end_time", "config_hash", "digest")
        chosen = {k: v for k, v in metadata.items() if k in names or k.startswith(("git.", "env."))}
    return {key: cell(value) for key, value in chosen.items()}
