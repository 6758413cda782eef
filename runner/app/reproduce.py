"""``python -m runner reproduce RUN``: again from its saved configuration, every bit checked."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from runner import console
from runner.analysis.compare import compare
from runner.analysis.comparison import Comparison
from runner.app.hints import explain_value
from runner.app.plain import plain
from runner.app.start_folder import explain_module, is_table, start_folder, table_folder
from runner.app.start_folder import text as folder_as_hydra_has_it
from runner.app.work import usual
from runner.arguments import A_RUN, Parser
from runner.data.table import paths_from
from runner.ending import answering
from runner.errors import ConfigError, NotFoundError, UntrustedError
from runner.job import Job
from runner.schema import OPTIONS, Config
from runner.store import layout, load
from runner.store.read import Run

TAG = "reproduction"
"""What a reproduced run is tagged with, besides the tags it had; it takes over no name."""


@dataclass(frozen=True)
class Reproduction:
    """A run that was done again.

    Attributes:
        run: the new one.
        comparison: the stored run (A) beside it (B).
        notes: what is to be said of the files that it took.
    """

    run: Run
    comparison: Comparison
    notes: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        """Whether every bit is the same."""
        return self.comparison.same


def main(argv: Sequence[str]) -> int:
    """Does it and says what came of it; 0 the same bits, 1 others, 2 it cannot be run."""
    return answering(lambda: _main(argv[1:]))


def reproduce(
    run: Run, *, trust: Sequence[str] = (), directory: Path | None = None
) -> Reproduction:
    """Runs a stored run's configuration again, and compares every layer's digest.

    Nothing but the configuration in ``run.parquet`` is used, and of that not its ``trust``.
    Values that came from the environment's variables are taken from there again, and a table of
    a relative path from the current folder, or else from where the run was started. Modules are
    never looked for there.

    Args:
        run: a finished one.
        trust: the modules whose classes may be imported.
        directory: new or empty; None: one of its own below ``outputs``.

    Raises:
        NotFoundError: the run did not finish, so there is nothing to compare with.
        UntrustedError: it names a class of a module that is not in ``trust``.
        RunnerError: it cannot be run here.
    """
    if run.status != layout.FINISHED:
        hint = f"it is {run.status}: {run.metadata['error'] or 'no reason is on record'}"
        raise NotFoundError("layers in run", run.id, (), hint=hint)
    cfg = _composed(run.config, trust)
    started_in = start_folder(run)
    folder = table_folder(cfg, started_in)
    stamped = directory is None
    work = Job(
        *plain(cfg),
        overrides=tuple(run.metadata["overrides"]),
        directory=directory.absolute() if directory else _fresh_directory(),
        stamped=stamped,
    )
    files = {
        "config.yaml": OmegaConf.to_yaml(cfg),
        "hydra.yaml": folder_as_hydra_has_it(folder),
        "overrides.yaml": OmegaConf.to_yaml(list(work.overrides)),
    }
    try:
        with paths_from(folder):
            result = usual(work, lambda claimed: files, quiet=True)
    except UntrustedError as error:
        told = re.sub(r"add trust=\[(.*?)\]", r"say --trust \1", str(error))
        raise UntrustedError(told) from None
    except ConfigError as error:
        raise explain_module(error, started_in) from None
    fresh = load(result.directory)
    # What the stored run kept of its outputs is of no matter: its digests say what they were.
    found = compare(run, fresh, check="digests")
    return Reproduction(fresh, found, tuple(_of_table(cfg, folder, found)))


def _of_table(cfg: DictConfig, folder: Path, found: Comparison) -> Iterator[str]:
    """Where the table was, if not here; and whether it is still what the run was made from."""
    if not is_table(cfg):
        return
    place = folder / Path(cfg.data.path).expanduser()
    if folder != Path.cwd():
        yield f"data.path is {place}: from where the run was started"
    if found.parting is not None and found.parting.kind != "layer":
        yield f"{place} has not the {found.parting.kind} that the run was made from"


def _composed(config: Mapping[str, Any], trust: Sequence[str]) -> DictConfig:
    """The stored configuration with its schema's types, so that text from the environment fits."""
    own = {**config, "trust": list(trust), "name": None}
    tags = config.get("tags")
    own["tags"] = [*(tag for tag in tags if tag != TAG), TAG] if isinstance(tags, list) else [TAG]
    try:
        for group, schemas in OPTIONS.items():
            if group not in ("data", "layers") and isinstance(own.get(group), Mapping):
                own[group] = _typed(own[group], schemas.values())
        base = OmegaConf.structured(Config)
        # Keys that the user added are part of the configuration as well.
        OmegaConf.set_struct(base, False)
        cfg = OmegaConf.merge(base, own)
    except OmegaConfBaseException as error:
        raise explain_value(error) from None
    assert isinstance(cfg, DictConfig)
    return cfg


def _typed(node: Mapping[str, Any], schemas: Any) -> Any:
    for schema in schemas:
        if {field.name for field in dataclasses.fields(schema)} == set(node):
            return OmegaConf.merge(OmegaConf.structured(schema), node)
    return node


def _fresh_directory() -> Path:
    now = datetime.now().astimezone()
    return Path("outputs").absolute() / f"{now:%Y-%m-%d}" / f"{now:%H-%M-%S-%f}"


def parser() -> Parser:
    """What the verb takes."""
    parser = Parser(
        "reproduce",
        "Runs a stored run again from its saved configuration, and checks every bit.",
        ("reproduce latest", "reproduce plain --trust my_layers --dir again"),
    )
    parser.add_argument("run", metavar="RUN", help=A_RUN)
    parser.add_argument(
        "--trust",
        metavar="MODULE",
        action="append",
        default=[],
        help="a module of yours whose classes the run may use; what the run itself says is ignored",
    )
    parser.add_argument("--dir", type=Path, help="where to run it: a new or an empty directory")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _main(argv: Sequence[str]) -> int:
    args = parser().parse(argv)
    trust = [module for text in args.trust for module in text.split(",") if module]
    directory = args.dir.absolute() if args.dir else None
    done = reproduce(load(args.run), trust=trust, directory=directory)
    if args.json:
        console.out(
            json.dumps({"directory": str(done.run.path), **_plain(done)}, indent=2, default=str)
        )
    else:
        _say(done)
    return 0 if done.same else 1


def _plain(done: Reproduction) -> dict[str, Any]:
    found = done.comparison
    return {
        "run_id": found.a.id,
        "same": found.same,
        "sentence": found.sentence,
        "notes": list(done.notes),
        "environment": [change.row() for change in found.environment],
        "layers": [
            {"layer": part.a, "same": part.bits, "digests": list(part.digests or ())}
            for part in found.layers
        ],
    }


def _say(done: Reproduction) -> None:
    found = done.comparison
    console.out(f"run {found.a.id} again in {done.run.path}")
    rows = [
        (part.a, "same" if part.bits else "differ", *(d[:12] for d in part.digests or ("", "")))
        for part in found.layers
    ]
    console.out("\n" + console.table(("layer", "bits", "stored", "again"), rows))
    for note in done.notes:
        console.out(f"\n{note}")
    if found.environment:
        console.out("\nenvironment, stored -> now")
        for change in found.environment:
            console.out(f"  {change}")
    elif not done.same:
        console.out("\nnothing that is on record of the environment differs")
    console.out(f"\n{found.sentence}")
