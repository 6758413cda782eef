"""The keys of a configuration, by its files and its schema alone: what Hydra would compose.

Follows what our ``conf/`` and a usual one of the user's say: groups, ``@package``, overlays with
``override``, entries of the schema. What it doesn't understand it leaves out: nothing but what TAB
offers comes from here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

from runner import schema

_PACKAGE = re.compile(r"^#\s*@package\s+(\S+)", re.MULTILINE)
_OURS = "schema"


class Folders:
    """The folders of configuration, the first one that has a file being the one it is taken from.

    Args:
        places: ours, then the user's.
    """

    def __init__(self, places: Sequence[Path]) -> None:
        self.places = [place for place in places if place.is_dir()]

    def groups(self) -> list[str]:
        """Every group that has an option, but Hydra's own."""
        return sorted(
            {
                entry.name
                for place in self.places
                for entry in place.iterdir()
                if entry.is_dir() and entry.name != "hydra" and any(entry.glob("*.yaml"))
            }
        )

    def options(self, group: str) -> dict[str, str]:
        """Option -> the comment in its first lines."""
        found: dict[str, str] = {}
        for place in self.places:
            for path in sorted((place / group).glob("*.yaml")):
                found.setdefault(path.stem, _comment(path))
        return found

    def file(self, name: str) -> Path | None:
        """Where ``data/spiral`` is."""
        paths = (place / f"{name}.yaml" for place in self.places)
        return next((path for path in paths if path.is_file()), None)


def tree(
    folders: Folders, chosen: Iterable[tuple[str, Sequence[str]]] = (), primary: str = "config"
) -> dict[str, Any]:
    """Key -> value or the keys below it.

    Args:
        folders: where the files are.
        chosen: (group, options) as on the command line; of several options all keys are there.
        primary: the name of the file it begins with.
    """
    root: dict[str, Any] = {}
    picked = {group: list(options) for group, options in chosen}
    _merge(root, _at("", _file(folders, primary, "", _with_overlays(folders, primary, picked))))
    for group, options in picked.items():  # those that the primary file doesn't name: +group=x
        for option in options:
            _merge(root, _file(folders, f"{group}/{option}", _dotted(group), picked))
    return root


def _with_overlays(
    folders: Folders, primary: str, picked: dict[str, list[str]]
) -> dict[str, list[str]]:
    """The choices, those included that overlays make and the command line does not change."""
    choices = dict(picked)
    for group, option in _choices(folders, primary):
        for name in picked.get(group, [option] if option else []):
            for other, its in _choices(folders, f"{group}/{name}", overriding=True):
                if other not in picked and its:
                    choices[other] = [its]
    return choices


def _choices(
    folders: Folders, name: str, *, overriding: bool = False
) -> list[tuple[str, str | None]]:
    """(group, option) of a file's defaults list, its overrides or the others."""
    found = []
    for entry in _read(folders.file(name))[0]:
        for key, option in entry.items() if isinstance(entry, Mapping) else ():
            word, _, rest = key.rpartition(" ")
            if (word == "override") is overriding and "@" not in rest:
                found.append((rest.removeprefix("/"), option))
    return found


def _file(
    folders: Folders, name: str, package: str, choices: Mapping[str, list[str]]
) -> dict[str, Any]:
    """What a file adds to the root, its defaults included."""
    defaults, body, header = _read(folders.file(name))
    package = {"_global_": "", "_group_": package, None: package}.get(header, header or "")
    folder = name[: name.rfind("/") + 1]
    found: dict[str, Any] = {}
    for entry in defaults:
        if entry == "_self_":
            _merge(found, _at(package, body))
        elif entry == _OURS:
            _merge(found, _schema(entry))
        elif isinstance(entry, str):
            beside = entry.removeprefix("/") if entry.startswith("/") else f"{folder}{entry}"
            _merge(found, _file(folders, beside, package, choices))
        elif isinstance(entry, Mapping):
            for key, option in entry.items():
                if not key.startswith("override "):
                    _merge(found, _entry(folders, name, key, option, package, choices))
    if "_self_" not in defaults:
        _merge(found, _at(package, body))
    return found


def _entry(
    folders: Folders,
    name: str,
    key: str,
    option: Any,
    package: str,
    choices: Mapping[str, list[str]],
) -> dict[str, Any]:
    """One line ``group@package: option`` of a defaults list."""
    group, _, where = key.removeprefix("optional ").partition("@")
    absolute = group.startswith("/")
    group = group.removeprefix("/")
    if not absolute and "/" in name:
        group = f"{name.rpartition('/')[0]}/{group}"
    if where == "_here_":
        there = package
    elif where == "_global_":
        there = ""
    else:
        there = ".".join(filter(None, (package, where or _dotted(group if not package else key))))
    if group.startswith(f"{_OURS}/"):
        return _at(there, _schema(f"{group}/{option}"))
    found: dict[str, Any] = {}
    for picked in choices.get(group, option if isinstance(option, list) else [option]):
        if picked is not None:
            _merge(found, _file(folders, f"{group}/{picked}", there, choices))
    return found


def _schema(name: str) -> dict[str, Any]:
    """The keys of a class of the schema: ``schema``, or ``schema/data/spiral``."""
    _, *rest = name.split("/")
    node: Any = schema.OPTIONS.get(rest[0], {}).get(rest[1]) if len(rest) == 2 else schema.Config
    if not is_dataclass(node):
        return {}
    values = {}
    for field in fields(node):
        made = field.default_factory
        values[field.name] = field.default if made is MISSING else made()
    return {k: None if v == schema.MISSING else v for k, v in values.items()}


@cache
def _read(path: Path | None) -> tuple[list[Any], dict[str, Any], str | None]:
    """Defaults list, body and ``@package`` of a file; of one that isn't there, nothing."""
    import yaml

    if path is None:
        return [], {}, None
    text = path.read_text(encoding="utf-8")
    # The loader in C is not everywhere; it is as safe, and ten times as fast.
    body = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    header = _PACKAGE.search(text)
    if not isinstance(body, dict):
        body = {}
    return body.pop("defaults", None) or [], body, header[1] if header else None


def _comment(path: Path) -> str:
    """The first comment of a file that is a sentence."""
    with path.open(encoding="utf-8") as file:
        lines = [line[1:].strip() for line in islice(file, 5) if line.startswith("#")]
    return next((line for line in lines if not line.startswith(("@", "python "))), "")


def _dotted(group: str) -> str:
    return group.replace("/", ".")


def _at(package: str, node: dict[str, Any]) -> dict[str, Any]:
    for part in reversed(package.split(".") if package else []):
        node = {part: node}
    return node


def _merge(into: dict[str, Any], node: Mapping[str, Any]) -> None:
    for key, value in node.items():
        if isinstance(value, Mapping):
            if not isinstance(into.get(key), dict):
                into[key] = {}
            _merge(into[key], value)
        else:
            into[key] = value
