"""The verbs: what one asks of runs that are stored. None of them loads Hydra."""

from __future__ import annotations

import json
import shutil
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

from runner import console
from runner.errors import NotFoundError, RunnerError, UnknownKeyError, UsageError, nearest

ROOT = Path("outputs")

VERBS = {
    "ls": "the runs, newest first",
    "show": "one run: configuration, layers, provenance",
    "verify": "read every byte back against its checksums",
    "rm": "delete runs, after asking",
}

HELP = """\
runner: layers of neurons from YAML; every layer's outputs kept, to the bit.

  python -m runner [OVERRIDES]        one run:    python -m runner layers=two_dense data.samples=100
  python -m runner -m [OVERRIDES]     a sweep:    python -m runner -m seeds.seed=0,1,2
  python -m runner VERB ...           what is stored; VERB --help says more

verbs
{verbs}

overrides (Hydra's: key=value, +key=value, ~key; groups by their name)
  data=spiral|vertical|sine|book_sample|book_batch|table|normal|digits|iris|wine
  layers=one_dense|two_dense|book_two_layers|book_chapter_4|mlp
  seeds=book|independent   numerics=nnfs|float32|float64   save=all|statistics|first
  name=... tags=[...] batch_size=65536 trust=[mymodule]   hydra.run.dir=DIR

options
  --cfg job            print the composed configuration and stop
  -cd DIR              a folder with configuration of your own
  -m, --multirun       a sweep
  --info, --hydra-help what Hydra itself has to say
  --version, --help

RUN is a path, a run id, a unique start of one, a name, or `latest`.
Exit codes: 0 done, 1 a run failed or damage was found, 2 bad input, 3 a write failed,
130 and 143 interrupted.""".format(
    verbs="\n".join(f"  {verb:<10} {what}" for verb, what in VERBS.items())
)


class _Parser(ArgumentParser):
    """argparse, whose complaints are one line of ours."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{self.prog.removeprefix('runner ')}: {message}; see {self.prog} --help")


def main(argv: Sequence[str]) -> int:
    """Does what the verb asks for; gives the exit code."""
    try:
        verb, *rest = argv
        if verb not in VERBS:
            match = nearest(verb, VERBS)
            hint = f"did you mean {match}?" if match else f"verbs: {', '.join(VERBS)}"
            raise UsageError(f"{verb}: neither a verb nor key=value; {hint} See --help")
        args = _parser(verb).parse_args(rest)
        return _DOERS[verb](args)
    except RunnerError as error:
        console.say(error.line())
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output has seen enough: `runner ls | head`.
        sys.stdout = None
        return 0


def _parser(verb: str) -> _Parser:
    parser = _Parser(prog=f"runner {verb}", description=VERBS[verb])
    if verb != "rm":
        parser.add_argument("--json", action="store_true", help="print JSON")
    if verb == "ls":
        parser.add_argument("path", nargs="?", default=ROOT, type=Path, help="where to look")
        parser.add_argument("--where", metavar="SQL", help="a condition: 'seeds.seed < 5'")
        parser.add_argument("--columns", metavar="A,B", help="what to show of each run")
        parser.add_argument("--sort", metavar="KEY", help="by this column; -KEY: largest first")
        parser.add_argument("--csv", action="store_true", help="print CSV")
        parser.add_argument("--clean", action="store_true", help="sweep up what dead runs left")
    elif verb == "show":
        parser.add_argument("run", metavar="RUN")
    elif verb == "verify":
        parser.add_argument("path", metavar="PATH", nargs="?", default=str(ROOT))
    elif verb == "rm":
        parser.add_argument("runs", metavar="RUN", nargs="+")
        parser.add_argument("--yes", action="store_true", help="don't ask")
    return parser


def _ls(args: Namespace) -> int:
    from runner.store import layout, rows
    from runner.store.query import matching

    if args.path == ROOT and not ROOT.is_dir():
        raise NotFoundError("directory", "outputs", (), hint="nothing was run here yet")
    found = rows(args.path)
    if args.clean:
        found = _clean(found, layout.DEAD)
    if args.where is not None:
        found = [found[at] for at in matching(found, args.where)]
    if args.sort is not None:
        found = _sorted(found, args.sort)
    columns = _columns(found, args.columns)
    if args.json:
        print(json.dumps([_plain({k: row.get(k) for k in columns} if args.columns else row)
                          for row in found], indent=2))  # fmt: skip
    elif args.csv:
        import csv

        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([_cell(row.get(key)) for key in columns] for row in found)
    elif found:
        heads = [key.removeprefix("params.") for key in columns]
        cells = [[_short(key, row.get(key)) for key in columns] for row in found]
        print(console.table(heads, cells))
    return 0


def _clean(found: list[dict[str, Any]], dead: str) -> list[dict[str, Any]]:
    """Removes the directories of runs whose process is gone; gives the rows that stay."""
    swept = [row for row in found if row["status"] == dead]
    for row in swept:
        _remove(Path(row["path"]))
    console.say(f"swept up {len(swept)} dead run{'' if len(swept) == 1 else 's'}")
    return [row for row in found if row["status"] != dead]


_SHOWN = ("run_id", "status", "name", "start_time", "overrides", "metrics.loss", "path")


def _columns(found: list[dict[str, Any]], asked: str | None) -> list[str]:
    there = dict.fromkeys(key for row in found for key in row)
    if asked is None:
        return [k for k in _SHOWN if k in there and any(row.get(k) not in (None, []) for row in found)]
    return [_key("--columns", key.strip(), there) for key in asked.split(",")]


def _key(option: str, asked: str, there: Mapping[str, Any]) -> str:
    for key in (asked, f"params.{asked}", f"metrics.{asked}"):
        if key in there or not there:
            return key
    raise UnknownKeyError(option, asked, asked, [key.removeprefix("params.") for key in there])


def _sorted(found: list[dict[str, Any]], by: str) -> list[dict[str, Any]]:
    there = dict.fromkeys(key for row in found for key in row)
    key = _key("--sort", by.removeprefix("-"), there)
    have = [row for row in found if row.get(key) is not None]
    numbers = all(isinstance(row[key], (int, float)) for row in have)
    have.sort(
        key=lambda row: row[key] if numbers else _cell(row[key]), reverse=by.startswith("-")
    )
    return have + [row for row in found if row.get(key) is None]


def _show(args: Namespace) -> int:
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
        print(json.dumps(_plain({"path": str(run.path), **facts, "config": run.config,
                                 "layers": layers}), indent=2, ensure_ascii=False))  # fmt: skip
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
    for title, prefix in (("metrics", "metrics."), ("configuration", "params."), ("provenance", "")):
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
        chosen = {
            k: v for k, v in metadata.items() if k in names or k.startswith(("git.", "env."))
        }
    return {key: _cell(value) for key, value in chosen.items()}


def _verify(args: Namespace) -> int:
    from runner.store import resolve
    from runner.store.verify import verify

    path = Path(args.path) if Path(args.path).exists() else resolve(args.path)
    findings = verify(path)
    if args.json:
        print(json.dumps([{"path": str(f.path), "problem": f.problem} for f in findings], indent=2))
    else:
        for finding in findings:
            print(finding)
        if not findings:
            print(f"{path}: every byte is as it was written")
    return 1 if findings else 0


def _rm(args: Namespace) -> int:
    from runner.store import is_alive, resolve, rows

    paths = [resolve(name) for name in args.runs]
    runs = [row for path in paths for row in rows(path)]
    for path, name in zip(paths, args.runs, strict=True):
        if not rows(path):
            raise NotFoundError("run", name, (), hint="there is no run in this directory")
        if is_alive(path) or any(row["status"] == "RUNNING" for row in rows(path)):
            raise UsageError(f"rm {name}: it is still running")
    for row in runs:
        console.say(f"{row['path']}  {row['status']}")
    if not args.yes and not _confirmed(f"delete {len(runs)} run{'' if len(runs) == 1 else 's'}?"):
        return 2
    for path in paths:
        _remove(path)
    return 0


def _confirmed(question: str) -> bool:
    if not sys.stdin.isatty():
        raise UsageError(f"rm: {question} nobody to ask; say --yes")
    console.say(f"{question} [y/N]")
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _remove(path: Path) -> None:
    """Deletes a run's directory; under another name first, so that no half of it is ever seen."""
    from runner.store.files import writing

    with writing(path):
        doomed = path.with_name(f".{path.name}.deleted")
        path.rename(doomed)
        shutil.rmtree(doomed)


def _plain(value: Any) -> Any:
    """What JSON can hold: times as text, numbers that it has no name for as null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value.isoformat() if isinstance(value, datetime) else value


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, (list, tuple)):
        return " ".join(map(str, value))
    return str(value)


def _short(key: str, value: Any) -> str:
    if isinstance(value, float):
        return console.number(value)
    text = _cell(value)
    if key == "start_time":
        return text[:19]
    return text if key == "path" or len(text) <= 48 else text[:47] + "…"


_DOERS: dict[str, Callable[[Namespace], int]] = {
    "ls": _ls,
    "show": _show,
    "verify": _verify,
    "rm": _rm,
}
