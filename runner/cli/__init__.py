"""The verbs: what one asks of runs that are stored. None of them loads Hydra.

Each is a module of its own with ``arguments(parser)`` and ``do(args)``, which gives the exit code;
but ``reproduce``, which composes and runs, is :mod:`runner.app.reproduce`.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

from runner.arguments import Parser
from runner.ending import answering
from runner.errors import UsageError, clip, nearest

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
  experiment=book_chapter_3|book_chapter_4|deep_tanh|edge_of_chaos|he_and_glorot|
    rounding_over_depth|similarity_over_width
  seeds=book|independent   numerics=nnfs|float32|float64   save=all|statistics|first
  name=... tags=[...] batch_size=65536 trust=[mymodule]   hydra.run.dir=DIR

options
  --cfg job            print the composed configuration and stop
  -cd DIR              a folder with configuration of your own
  -m, --multirun       a sweep
  --info, --hydra-help what Hydra itself has to say
  -sc install=SHELL    completion in bash, zsh or fish: eval "$(runner -sc install=bash)"
  --version, --help

RUN is a path, a run id, a unique start of one, a name, or `latest`.
Exit codes: 0 done, 1 a run failed, a comparison differs or damage was found, 2 bad input,
3 a write failed, 130 and 143 interrupted.""".format(
    verbs="\n".join(f"  {verb:<10} {what}" for verb, what in VERBS.items())
)


def _signed(arguments: Sequence[str]) -> list[str]:
    """`--sort -KEY` as argparse takes it, which would look for an option called -KEY."""
    joined: list[str] = []
    for text in arguments:
        if joined and joined[-1] == "--sort":
            joined[-1] = f"--sort={text}"
        else:
            joined.append(text)
    return joined


def main(argv: Sequence[str]) -> int:
    """Does what the verb asks for; gives the exit code."""
    return answering(lambda: _main(argv))


def _main(argv: Sequence[str]) -> int:
    verb, *rest = argv
    if verb not in VERBS:
        match = nearest(verb, VERBS)
        hint = f"did you mean {match}?" if match else f"verbs: {', '.join(VERBS)}"
        shown = verb if verb.isprintable() and verb.strip() else ascii(verb)
        raise UsageError(f"{clip(shown, 60)}: neither a verb nor key=value; {hint} (see --help)")
    module = import_module(f"runner.cli.{verb}")
    parser = Parser(prog=f"runner {verb}", description=VERBS[verb])
    module.arguments(parser)
    code: int = module.do(parser.parse(_signed(rest)))
    return code
