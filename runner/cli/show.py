"""``show``: one run, its layers with statistics, its configuration, where it came from."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from typing import Any

from runner import console
from runner.cli.printing import as_json, cell


def arguments(parser: ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("run", metavar="RUN")
    parser.add_argument("--json", action="store_true", help="print JSON")


def do(args: Namespace) -> int:
    """Prints it; gives the exit code."""
    from runner.store import load, resolve

    run = load(resolve(args.run))
    layers = [
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
    facts = {key: value for key, value in run.metadata.items() if not key.startswith("params.")}
    if args.json:
        whole = {"path": str(run.path), **facts, "config": run.config, "layers": layers}
        print(as_json(whole))
        return 0
    print(f"run {run.id}: {run.status}")
    print(run.path)
    for key in ("name", "error"):
        if facts[key]:
            print(f"{key}: {facts[key]}")
    for key in ("tags", "overrides"):
        if facts[key]:
            print(f"{key}: {' '.join(facts[key])}")
    if layers:
        heads = ("", "layer", "kind", "shape", "mean", "std", "min", "max", "zeros", "digest")
        cells = [
            (
                str(row["position"]),
                row["name"],
                row["kind"],
                f"{row['n_samples']} x {row['n_neurons']}",
                *(console.number(row[k]) for k in ("mean", "std", "min", "max")),
                f"{100 * row['zero_fraction']:.3g}%",
                row["digest"][:12],
            )
            for row in layers
        ]
        print("\n" + console.table(heads, cells))
    for title, prefix in (
        ("metrics", "metrics."),
        ("configuration", "params."),
        ("provenance", ""),
    ):
        found = _facts(run.metadata, prefix)
        if found:
            width = max(map(len, found))
            print(f"\n{title}")
            for key, value in found.items():
                print(f"  {key:<{width}}  {value}")
    return 0


def _facts(metadata: Mapping[str, Any], prefix: str) -> dict[str, str]:
    if prefix:
        chosen = {k.removeprefix(prefix): v for k, v in metadata.items() if k.startswith(prefix)}
    else:
        names = ("start_time", "end_time", "config_hash", "digest")
        chosen = {k: v for k, v in metadata.items() if k in names or k.startswith(("git.", "env."))}
    return {key: cell(value) for key, value in chosen.items()}
