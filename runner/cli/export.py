"""``export``: runs into the tools that people already use."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from runner import console
from runner.cli.printing import as_json
from runner.errors import UsageError, clip


def arguments(parser: ArgumentParser) -> None:
    """What the verb takes."""
    parser.add_argument("to", metavar="mlflow", choices=["mlflow"], help="an MLflow tracking store")
    parser.add_argument(
        "path", metavar="RUN|SWEEP", help="a run, or a sweep with its runs below it"
    )
    where = "the store; as for MLflow otherwise: MLFLOW_TRACKING_URI or sqlite:///mlflow.db"
    parser.add_argument("--uri", metavar="URI", help=where)
    parser.add_argument("--experiment", metavar="NAME", default="runner", help="runner otherwise")
    parser.add_argument(
        "--no-outputs", action="store_true", help="without the inputs and the layers' outputs"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def do(args: Namespace) -> int:
    """Writes them; the last line on stdout is the id in the store."""
    from runner.export.mlflow_store import MlflowStore
    from runner.export.tracking import export_run, export_sweep
    from runner.store import load, resolve
    from runner.store.sweeps import is_sweep

    if args.uri is not None and not args.uri.strip():
        raise UsageError("export: --uri needs a store, as in sqlite:///mlflow.db")
    if not args.experiment.strip():
        raise UsageError("export: --experiment needs a name")
    path = resolve(args.path)
    run = None if is_sweep(path) else load(path)
    store = MlflowStore(args.uri, args.experiment)
    outputs = not args.no_outputs
    if run is None:
        done = export_sweep(store, path, outputs=outputs)
    else:
        done = export_run(store, run, outputs=outputs)
    for note in done.notes:
        console.say(f"note: {note}")
    page = store.page(done.id)
    if args.json:
        where = {"uri": store.uri, "experiment_id": store.experiment_id, "run_id": done.id}
        console.out(as_json({**where, "page": page, "added": done.added, "already": done.already}))
        return 0
    there = f", {done.already} there before" if done.already else ""
    console.say(f"{done.added} added{there}: experiment {clip(args.experiment, 60)} in {store.uri}")
    if page:
        console.say(page)
    console.give(done.id)
    return 0
