"""The key of a composition: a SHA-256 over all that Hydra would read to compose it again."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import sys
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import runner
from runner.app.folders import config_directory, plugin_directory
from runner.provenance.environment import installed_versions

FORMAT = 1
"""Another number makes all that was kept before unreadable."""

# Who finds the compositions of a `-cd .` in a large folder would take longer than Hydra does.
_MOST_FILES = 400
_LARGEST_FILE = 1 << 18
_CONFIG_DIR = ("-cd", "--config-dir")
# What a composition may look up: other keys of its own, and the time in the name of a directory.
_KEY = re.compile(rb"\$\{\.*[A-Za-z_][\w.\[\]-]*\}")
_TIME = re.compile(rb"\$\{now:(?:%[A-Za-z]|[-_.])+\}")
_DIRECTORY = re.compile(rb"^(?: *dir:|hydra\.(?:run|sweep)\.dir=).*$", re.MULTILINE)


class UnkeyableError(Exception):
    """What is asked for depends on more than a key can hold."""


def fingerprint(argv: Sequence[str]) -> str | None:
    """The key for the arguments of a single run; None: it has to be composed by Hydra.

    Equal keys mean an equal composition: the arguments, the current folder, the files and names
    in every folder that configuration is searched in, the installed packages, our own code that
    composes, and Hydra's plugins go into it.
    """
    digest = hashlib.sha256(b"%d" % FORMAT)
    try:
        for fact in _facts(argv):
            # repr: two facts in a row can't be mistaken for one, nor text for a number.
            digest.update(repr(fact).encode("utf-8", "backslashreplace") + b"\n")
    except (UnkeyableError, OSError, ValueError, ImportError):
        return None
    return digest.hexdigest()


def _facts(argv: Sequence[str]) -> Iterator[Any]:
    yield list(argv), os.getcwd()
    folders = [str(config_directory()), *_user_folders(argv)]
    yield sys.version, runner.__version__, sorted(installed_versions().items())
    for module in ("hydra", "omegaconf", "yaml", "antlr4"):
        spec = find_spec(module)
        if spec is None or spec.origin is None:
            raise UnkeyableError(module)
        yield module, _stat(spec.origin)
    package = Path(runner.__file__).parent
    for source in (package / "schema.py", *sorted(package.glob("app/*.py"))):
        yield str(source), _stat(source)
    yield from _plugins()
    for folder in folders:
        yield from _tree(folder)


def _user_folders(argv: Sequence[str]) -> list[str]:
    """The folder of ``-cd``; overrides are the only other words of a run that can be kept."""
    words, folders = list(argv), list[str]()
    while words:
        word = words.pop(0)
        if word in _CONFIG_DIR and words and not folders:
            folders.append(os.path.abspath(words.pop(0)))
        elif word.startswith("-") or _looks_up(word.encode("utf-8", "replace")):
            raise UnkeyableError(word)
    return folders


def _plugins() -> Iterator[Any]:
    """The files of all plugins that Hydra would import; they may add configuration."""
    spec = find_spec("hydra_plugins")
    found = list(spec.submodule_search_locations or ()) if spec else []
    # Hydra's session looks here last.
    for place in (*found, str(plugin_directory() / "hydra_plugins")):
        yield place
        for path, is_folder in _walk(place):
            if not is_folder and path.endswith(".py"):
                yield path, _stat(path)


def _tree(folder: str) -> Iterator[Any]:
    """The names in a folder of configuration, and what is in its files."""
    yield folder
    for path, is_folder in _walk(folder):
        yield path, is_folder
        if is_folder or not path.endswith((".yaml", ".yml")):
            continue
        with open(path, "rb", buffering=0) as file:
            text = file.read(_LARGEST_FILE + 1)
        # A defaults list may look something up that nothing tells of afterwards.
        if len(text) > _LARGEST_FILE or _looks_up(text):
            raise UnkeyableError(path)
        yield text


def _looks_up(text: bytes) -> bool:
    """Whether a text asks for anything that no key holds: the environment, say, or the time."""
    text = _DIRECTORY.sub(lambda found: _TIME.sub(b"", found[0]), text)
    return b"${" in _KEY.sub(b"", text)


def _walk(folder: str) -> Iterator[tuple[str, bool]]:
    """Every path below a folder, links followed, and whether it is a folder; in a fixed order."""
    todo, count = [folder], 0
    while todo:
        place = todo.pop()
        with contextlib.ExitStack() as stack:
            try:
                entries = stack.enter_context(os.scandir(place))
            except FileNotFoundError:
                continue
            for entry in sorted(entries, key=lambda entry: entry.name):
                if entry.name == "__pycache__":
                    continue
                count += 1
                if count > _MOST_FILES:
                    raise UnkeyableError(folder)
                is_folder = entry.is_dir()
                yield entry.path, is_folder
                if is_folder:
                    todo.append(entry.path)


def _stat(path: str | Path) -> tuple[int, ...]:
    found = os.stat(path)
    return found.st_size, found.st_mtime_ns, found.st_ino, found.st_dev
