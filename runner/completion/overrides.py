"""Words for a run or a sweep: Hydra's options, groups, keys and their values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from runner.app.folders import config_directory
from runner.completion.candidate import Candidate
from runner.completion.paths import paths
from runner.completion.tree import Folders, tree
from runner.errors import show

OPTIONS = {
    "-m": "a sweep",
    "--multirun": "a sweep",
    "--cfg": "print the composed configuration and stop",
    "--resolve": "with --cfg: interpolations looked up",
    "--package": "with --cfg: only this part",
    "-cd": "a folder with configuration of your own",
    "--config-dir": "a folder with configuration of your own",
    "-cn": "another primary configuration",
    "--config-name": "another primary configuration",
    "-cp": "a folder instead of ours",
    "--config-path": "a folder instead of ours",
    "--info": "what Hydra says about the configuration",
    "--hydra-help": "Hydra's own help",
    "--run": "a single run",
    "--shell-completion": "what turns this on",
    "--version": "the version",
    "--help": "help",
}
"""Hydra's options and ours: the long ones, and the short ones that people use."""

_VALUES = {
    "--cfg": ("job", "hydra", "all"),
    "--info": ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath"),
    "--shell-completion": ("install=bash", "install=zsh", "install=fish"),
    "-sc": ("install=bash", "install=zsh", "install=fish"),
}
_FOLDER = ("-cd", "--config-dir", "-cp", "--config-path")
_PRIMARY = ("-cn", "--config-name")
_TAKES_A_WORD = {*_VALUES, *_FOLDER, *_PRIMARY, "-c", "-p", "-i", "--package"}
_PATHS = ("data.path", "hydra.run.dir", "hydra.sweep.dir", "hydra.sweeper.resume")
_SIGNS = ("++", "+", "~", "")


class Line(NamedTuple):
    """What was typed before the word.

    Attributes:
        overrides: the words that are no options.
        folders: where configuration is looked for.
        primary: the name of the primary configuration.
        pending: an option that the word is the value of, or empty.
    """

    overrides: list[str]
    folders: Folders
    primary: str
    pending: str


def candidates(before: Sequence[str], word: str) -> Iterator[Candidate]:
    """Words of a run or a sweep that the last one may become."""
    line = _read(before)
    if line.pending:
        yield from _of_option(line.pending, word)
        return
    if word.startswith("-"):
        yield from (Candidate(name, about) for name, about in OPTIONS.items())
        return
    sign = next(sign for sign in _SIGNS if word.startswith(sign))
    name, equals, value = word.removeprefix(sign).partition("=")
    if equals:
        yield from _values(line, sign, name, value)
    elif name.startswith("hydra/"):
        yield from (Candidate(f"{sign}{group}=", open=True) for group in _hydra_groups())
    else:
        yield from _names(line, sign, name)


def _read(before: Sequence[str]) -> Line:
    overrides: list[str] = []
    user, ours, primary, pending = list[Path](), config_directory(), "config", ""
    for word in before:
        if pending:
            if pending in _PRIMARY:
                primary = word
            elif pending in ("-cp", "--config-path"):
                ours = Path(word)
            elif pending in _FOLDER:
                user.append(Path(word))
            pending = ""
        elif word.startswith("-"):
            pending = word if word in _TAKES_A_WORD else ""
        else:
            overrides.append(word)
    return Line(overrides, Folders([ours, *user]), primary, pending)


def _of_option(option: str, word: str) -> Iterator[Candidate]:
    yield from (Candidate(value) for value in _VALUES.get(option, ()))
    if option in _FOLDER:
        yield from paths(word, folders_only=True)


def _names(line: Line, sign: str, name: str) -> Iterator[Candidate]:
    """Groups and keys; a level at a time."""
    ends = "" if sign == "~" else "="
    if "." not in name:
        for group in line.folders.groups():
            yield Candidate(f"{sign}{group}{ends}", "a group", open=bool(ends))
        yield Candidate(f"{sign}hydra.", "Hydra's own keys", open=True)
        yield Candidate(f"{sign}hydra/", "Hydra's own groups", open=True)
    parent, _, last = name.rpartition(".")
    for key, value in _below(line, parent).items():
        if key.startswith("_") and not last.startswith("_"):
            continue
        whole = f"{sign}{parent}{'.' if parent else ''}{key}"
        if isinstance(value, Mapping):
            if value:
                yield Candidate(f"{whole}.", open=True)
            if sign == "~":
                yield Candidate(whole)
        else:
            yield Candidate(f"{whole}{ends}", f"now {_typed(value)}", open=bool(ends))


def _values(line: Line, sign: str, name: str, value: str) -> Iterator[Candidate]:
    group = name.partition("@")[0]
    # In a sweep: what follows the last comma.
    head = value[: value.rfind(",") + 1]
    done, start = set(head.split(",")), f"{sign}{name}={head}"
    options: Mapping[str, str] = {}
    if group.startswith("hydra/"):
        options = dict.fromkeys(_hydra_groups().get(group, ()), "")
    elif group in line.folders.groups():
        options = line.folders.options(group)
    for option, about in options.items():
        if option not in done:
            yield Candidate(f"{start}{option}", about)
    if options or sign == "~":
        return
    if name in _PATHS:
        yield from paths(value, f"{sign}{name}=")
    now = _leaf(line, name)
    for choice in (*_choices(name, now), *([_typed(now)] if now is not None else [])):
        if choice not in done:
            yield Candidate(f"{start}{choice}")


def _choices(key: str, now: Any) -> Sequence[str]:
    """What a key may say, where that is a word of a few."""
    last = key.rpartition(".")[2]
    if isinstance(now, bool):
        return ("true", "false")
    if key == "hydra.sweeper.resume":
        return ("latest",)
    if key == "save.codec":
        from runner.store.layout import CODECS

        return CODECS
    if key.startswith("layers.") and last == "activation":
        from runner.layers.activations import ACTIVATIONS

        return tuple(ACTIVATIONS)
    if key.startswith("layers.") and last == "weight_init":
        from runner.layers.initializers import INITIALIZERS

        return tuple(INITIALIZERS)
    return ()


def _leaf(line: Line, key: str) -> Any:
    parent, _, last = key.rpartition(".")
    found = _below(line, parent).get(last)
    return None if isinstance(found, Mapping) else found


def _below(line: Line, key: str) -> Mapping[str, Any]:
    """The keys below a dotted one."""
    parts = key.split(".") if key else []
    node: Any
    if parts[:1] == ["hydra"]:
        from runner.app.offered import hydra_keys

        node = {"hydra": hydra_keys([w for w in line.overrides if w.startswith("hydra/")])}
    else:
        groups = set(line.folders.groups())
        chosen = [
            (group, options.split(","))
            for group, equals, options in (w.lstrip("+").partition("=") for w in line.overrides)
            if equals and group in groups
        ]
        node = tree(line.folders, chosen, line.primary)
    for part in parts:
        node = node.get(part) if isinstance(node, Mapping) else None
    return node if isinstance(node, Mapping) else {}


def _hydra_groups() -> Mapping[str, Sequence[str]]:
    from runner.app.offered import hydra_groups

    return hydra_groups()


def _typed(value: Any) -> str:
    """A value as one would type it; nothing where that takes quotes, or a line of its own."""
    text = show(value)
    return text if text.isprintable() and " " not in text and len(text) <= 60 else ""
