"""What ``--help`` says: of the program, from what is in ``conf/``, and of each verb."""

from __future__ import annotations

import re
import textwrap
from importlib import import_module
from pathlib import Path

from runner.arguments import Parser

VERBS = {
    "ls": "the runs, newest first",
    "show": "one run: configuration, layers, provenance",
    "compare": "where two runs part; how alike layers are; a sweep by a key",
    "report": "a page to look at, in one file",
    "reproduce": "run it again from its saved configuration, and check every bit",
    "verify": "read every byte back against its checksums",
    "export": "a run or a sweep into an MLflow tracking store",
    "rm": "delete runs, after asking",
}

EXAMPLES = {
    "ls": (
        "ls --where \"status = 'FAILED'\" --columns name,error",
        "ls latest --columns seeds.seed,layers.dense1.std --sort -layers.dense1.std",
        "ls --clean",
    ),
    "show": ("show latest", "show latest/0 --theory", "show plain --json"),
    "compare": (
        "compare first second",
        "compare first second --rtol 1e-5 --atol 1e-8",
        "compare latest/0 latest/1 --similarity debiased",
        "compare latest --by layers.mlp.weight_scale --statistics std,effective_rank --theory",
    ),
    "report": ("report latest", "report first second --out parted.html", "report latest --runs"),
    "verify": ("verify", "verify latest"),
    "export": ("export mlflow latest --uri sqlite:///mlflow.db --experiment spirals",),
    "rm": ("rm latest", "rm plain 3f2a --yes"),
}
"""Verb -> calls of it, as they are typed after ``python -m runner``."""

_WHOLE = """\
runner: layers of neurons from YAML; every layer's outputs kept, to the bit.

  python -m runner [OVERRIDES]        one run:    python -m runner layers=two_dense data.samples=100
  python -m runner -m [OVERRIDES]     a sweep:    python -m runner -m seeds.seed=0,1,2
  python -m runner VERB ...           what is stored; VERB --help has examples

verbs
{verbs}

overrides (Hydra's: key=value, +key=value, ~key); a group's first option is its default
{groups}
  name=... tags=[...] batch_size=65536 trust=[mymodule]   hydra.run.dir=DIR

options
  --cfg job            print the composed configuration and stop: every key there is
  -cd DIR              a folder with configuration of your own
  -m, --multirun       a sweep; to take it up again: -m hydra.sweeper.resume=latest
  --info, --hydra-help what Hydra itself has to say
  -sc install=SHELL    completion in bash, zsh or fish: eval "$(runner -sc install=bash)"
  --version, --help

RUN is a path, a run id, a unique start of one, a name, or `latest`.
Exit codes: 0 done, 1 a run failed, a comparison differs or damage was found, 2 bad input,
3 a write failed, 130 and 143 interrupted."""

_DEFAULT = re.compile(r"^ +- (\w+): (\w+)", re.MULTILINE)


def whole(conf: Path) -> str:
    """The program's help, with the groups and options that a folder of configuration has."""
    first = dict(_DEFAULT.findall((conf / "config.yaml").read_text(encoding="utf-8")))
    groups = []
    for group in first:
        options = sorted(path.stem for path in (conf / group).glob("*.yaml"))
        options.sort(key=lambda option: option != first[group])
        listed = f"{group}={'|'.join(options)}".replace("|", "| ")
        lines = textwrap.wrap(
            listed, 100, initial_indent="  ", subsequent_indent="    ", break_long_words=False
        )
        groups.append("\n".join(line.replace("| ", "|") for line in lines))
    verbs = (f"  {verb:<10} {what}" for verb, what in VERBS.items())
    return _WHOLE.format(verbs="\n".join(verbs), groups="\n".join(groups))


def parser(verb: str) -> Parser:
    """Of a verb, with what its module takes; not of ``reproduce``, which is of another room."""
    made = Parser(verb, VERBS[verb], EXAMPLES[verb])
    import_module(f"runner.cli.{verb}").arguments(made)
    return made
