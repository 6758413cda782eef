"""``python -m runner [OVERRIDES]``: one run, a sweep, or one of Hydra's own questions."""

from __future__ import annotations

import io
from argparse import Namespace
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from itertools import pairwise

from hydra._internal.hydra import Hydra
from hydra.types import RunMode

from runner import console
from runner.app.cache import Composition
from runner.app.compose import (
    CONFIG_NAME,
    argument_parser,
    hydra_session,
    speaking_our_words,
)
from runner.app.mode import SweepAskedError, mode_in
from runner.app.single import run_single
from runner.app.sources import check_package
from runner.app.sweep import run_sweep
from runner.app.typed import check_overrides, trusted_in
from runner.errors import UsageError


def by_hydra(argv: Sequence[str], keep: Callable[[Composition], None] | None) -> int:
    """Does what the arguments ask for; gives the exit code.

    Args:
        argv: the arguments.
        keep: gets the composition of a single run, if another run may start from it.
    """
    _only_once(argv)
    args = argument_parser().parse_intermixed_args(list(argv))
    if args.experimental_rerun is not None:
        raise UsageError("--experimental-rerun unpickles a file: use `runner reproduce RUN`")
    return _dispatch(args, keep)


def _dispatch(args: Namespace, keep: Callable[[Composition], None] | None) -> int:
    _only_one_mode(args)
    if args.run or not (args.multirun or args.cfg or args.info or args.shell_completion):
        args.run = not args.multirun and not args.hydra_help and not args.help
    check_package("--config-path", str(args.config_path), trusted_in(args.overrides))
    with hydra_session(args.config_dir, args.config_path) as hydra:
        if args.hydra_help or args.cfg or args.info or args.shell_completion:
            # Printed and logged line by line, each line that stdout refuses would be told of.
            said, code = io.StringIO(), 0
            with speaking_our_words(hydra, args.overrides):
                check_overrides(args.overrides)
                try:
                    with redirect_stdout(said):
                        _answer(hydra, args)
                except SystemExit as error:
                    if isinstance(error.code, str):
                        raise UsageError(error.code) from None
                    code = 2 if error.code else 0  # Hydra has said why
            if said.getvalue():
                console.give(said.getvalue().removesuffix("\n"))
            return code
        if args.multirun or mode_in(args.overrides) is RunMode.MULTIRUN:
            return run_sweep(hydra, args.config_name, args.overrides)
        try:
            result = run_single(hydra, args.config_name, args.overrides, keep=keep)
        except SweepAskedError:
            return run_sweep(hydra, args.config_name, args.overrides, by_file=True)
    console.give(result.directory)
    return 0


def _only_once(argv: Sequence[str]) -> None:
    """Of two folders, Hydra's parser would take the last without a word."""
    for names in (("-cd", "--config-dir"), ("-cp", "--config-path"), ("-cn", "--config-name")):
        count = sum(word.partition("=")[0] in names for word in argv)
        if count > 1:
            raise UsageError(f"{names[1]} is given {count} times: say which")
        asked = [after for word, after in pairwise(argv) if word in names]
        if "" in asked or any(f"{name}=" in argv for name in names):
            # Of a variable that is not set, perhaps; Hydra would go on without.
            raise UsageError(f"{names[1]} '': needs a name; leave it out for ours")


def _only_one_mode(args: Namespace) -> None:
    asked = [
        name
        for name in ("run", "multirun", "cfg", "info", "shell_completion")
        if getattr(args, name)
    ]
    if len(asked) > 1:
        raise UsageError(f"--{asked[0]} and --{asked[1].replace('_', '-')} do not go together")
    for name in ("resolve", "package"):
        if getattr(args, name) and not args.cfg:
            raise UsageError(f"--{name} goes with --cfg only")
    mode = mode_in(args.overrides)
    if (args.multirun and mode is RunMode.RUN) or (args.run and mode is RunMode.MULTIRUN):
        said = "--multirun" if args.multirun else "--run"
        raise UsageError(f"{said} and hydra.mode={mode.name} do not go together: leave one out")


def _answer(hydra: Hydra, args: Namespace) -> None:
    """Hydra's own questions about the configuration, answered by Hydra."""
    name = args.config_name or CONFIG_NAME
    if args.hydra_help:
        hydra.hydra_help(config_name=name, args_parser=argument_parser(), args=args)
    elif args.cfg:
        hydra.show_cfg(
            config_name=name,
            overrides=args.overrides,
            cfg_type=args.cfg,
            package=args.package,
            resolve=args.resolve,
        )
    elif args.info:
        hydra.show_info(args.info, config_name=name, overrides=args.overrides)
    else:
        hydra.shell_completion(config_name=name, overrides=args.overrides)
