"""The reference has every verb, key, column and public name there is, with the right default."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import pytest

import runner
import runner.data
import runner.layers
from runner import schema
from runner.cli import VERBS
from runner.provenance.environment import FACTS
from runner.store import layout, sweeps
from tests.pages import ROOT

REFERENCE = ROOT / "docs" / "reference"
ROW = re.compile(r"^\| `([^`]+)` \| ([^|]+) \| ([^|]+) \|", re.MULTILINE)


def rows(page: str, part: str = "") -> dict[str, tuple[str, str]]:
    """First cell -> the two after it, of the tables below a heading, or of all."""
    text = (REFERENCE / page).read_text(encoding="utf-8")
    if part:
        *_, text = re.findall(rf"(?ms)^#+ {re.escape(part)}\n(.*?)(?=^#|\Z)", text)
    return {key: (a.strip(), b.strip()) for key, a, b in ROW.findall(text)}


def default(field: dataclasses.Field[Any]) -> str:
    made = field.default_factory
    value = made() if made is not dataclasses.MISSING else field.default
    names = {None: "null", True: "true", False: "false"}
    if isinstance(value, (bool, type(None))):
        return f"`{names[value]}`"
    return "must be given" if value == schema.MISSING else f"`{value}`"


def keys(described: type) -> dict[str, tuple[str, str]]:
    """Key -> type and default, as the page writes them."""
    hints = get_type_hints(described)
    return {
        field.name: (kind(hints[field.name]), default(field))
        for field in dataclasses.fields(described)
        if field.name != "_target_"
    }


def kind(hint: Any) -> str:
    """The words for a type; for one that may be null those of the other."""
    given = [one for one in get_args(hint) if one is not type(None)]
    if type(None) in get_args(hint):
        return kind(given[0])
    if get_origin(hint) is list and given == [str]:
        return "list of text"
    names = {str: "text", int: "int", float: "float", bool: "bool", dict: "mapping"}
    return names.get(get_origin(hint) or hint, "list")


ENTRIES = [
    (group, name, described)
    for group, options in schema.OPTIONS.items()
    for name, described in options.items()
    if keys(described)
]


@pytest.mark.parametrize(("group", "name", "described"), ENTRIES, ids=str)
def test_every_key_and_its_default(group: str, name: str, described: type) -> None:
    found = rows("configuration.md", name)
    prefix = "" if group == "layers" else f"{group}."
    assert found == {f"{prefix}{key}": value for key, value in keys(described).items()}


def test_entries_without_keys_are_named() -> None:
    text = (REFERENCE / "configuration.md").read_text(encoding="utf-8")
    for options in schema.OPTIONS.values():
        for name, described in options.items():
            assert keys(described) or re.search(rf"^### .*\b{name}\b", text, re.MULTILINE), name


def test_root_keys() -> None:
    found = rows("configuration.md", "Root")
    groups = {"data", "layers", "seeds", "numerics", "save"}
    assert found == {k: v for k, v in keys(schema.Config).items() if k not in groups}


def test_options_of_sweeps() -> None:
    from hydra_plugins.runner_sweeper import DaskOptions, LauncherOptions, SweeperOptions

    expected = {f"hydra.sweeper.{key}": value for key, value in keys(SweeperOptions).items()}
    for options in (LauncherOptions, DaskOptions):
        expected |= {f"hydra.launcher.{key}": value for key, value in keys(options).items()}
    assert rows("configuration.md", "Sweeps") == expected


def test_every_file_of_conf() -> None:
    text = (REFERENCE / "configuration.md").read_text(encoding="utf-8")
    for path in (ROOT / "conf").glob("*/*.yaml"):
        assert re.search(rf"\b{path.stem}\b", text), path.name


def test_every_verb_and_its_help() -> None:
    text = (REFERENCE / "command_line.md").read_text(encoding="utf-8")
    assert re.findall(r"^python -m runner (\w+) --help$", text, re.MULTILINE) == list(VERBS)


def test_columns_of_layers() -> None:
    found = {key: kind for key, (kind, _) in rows("files.md", "layers.parquet").items()}
    assert found == dict(layout.LAYER_COLUMNS)


def test_columns_of_runs() -> None:
    found = {key: kind for key, (kind, _) in rows("files.md", "run.parquet").items()}
    first = [(key, kind) for key, kind in found.items() if "." not in key]
    assert first == list(layout.RUN_COLUMNS)
    facts = {key for key in found if key.startswith("env.")}
    assert facts == {f"env.{name}" for name in (*FACTS, "threads")}


def test_columns_of_sweeps() -> None:
    text = (REFERENCE / "files.md").read_text(encoding="utf-8").partition("## sweep.parquet")[2]
    for name, _ in sweeps.COLUMNS:
        assert f"`{name}`" in text, name


def test_files_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file that a run leaves is on the page, and each row's type is that on disk."""
    import pyarrow.parquet as pq

    monkeypatch.chdir(tmp_path)
    run = runner.run(["layers=one_dense"])
    text = (REFERENCE / "files.md").read_text(encoding="utf-8")
    for path in run.path.iterdir():
        assert path.name in text, path.name
    expected = {key: kind for key, (kind, _) in rows("files.md", "run.parquet").items()}
    there = pq.read_schema(run.path / layout.RUN_FILE)
    names = {"timestamp": "timestamp[us, tz=UTC]", "strings": "list<", "string": "string"}
    for field in there:
        if not field.name.startswith(("params.", "metrics.")):
            kind = expected.pop(field.name)
            assert str(field.type).startswith(names.get(kind, kind)), field.name
    assert set(expected) == {"params.*"}


@pytest.mark.parametrize("module", [runner, runner.data, runner.layers], ids=lambda m: m.__name__)
def test_every_public_name(module: Any) -> None:
    text = (REFERENCE / "python.md").read_text(encoding="utf-8")
    for name in module.__all__:
        assert re.search(rf":: {module.__name__}\.{name}$", text, re.MULTILINE), name
