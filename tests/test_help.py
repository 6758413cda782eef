"""What ``--help`` says: what is there, and calls that work."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import pytest

from runner.app.reproduce import parser as reproduces
from runner.arguments import Parser
from runner.cli import _signed
from runner.cli.help import EXAMPLES, VERBS, parser, whole
from tests.conftest import ROOT


def parser_of(verb: str) -> Parser:
    return reproduces() if verb == "reproduce" else parser(verb)


def test_it_lists_what_conf_has(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    (tmp_path / "conf" / "data" / "moons.yaml").write_text("samples: 3\n")
    text = whole(tmp_path / "conf")
    joined = text.replace("|\n    ", "|")
    assert "  data=spiral|" in joined
    assert "|moons|" in joined
    for path in (ROOT / "conf").glob("*/*.yaml"):
        assert path.parent.name == "hydra" or path.stem in joined, path.stem
    assert max(map(len, text.splitlines())) <= 100


def test_the_comments_of_the_defaults_list_what_there_is() -> None:
    lines = (ROOT / "conf" / "config.yaml").read_text(encoding="utf-8").splitlines()
    for group in ("data", "layers", "seeds", "numerics", "save"):
        [line] = [line for line in lines if line.startswith(f"  - {group}: ")]
        options = line.rpartition(": ")[2].split(", ")
        assert sorted(options) == sorted(p.stem for p in (ROOT / "conf" / group).glob("*.yaml"))


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_says_what_it_takes_and_shows_calls_that_work(verb: str) -> None:
    ours = parser_of(verb)
    assert all(action.help for action in ours._actions), verb
    text = ours.format_help()
    _, _, examples = text.partition("\nexamples:\n")
    calls = [shlex.split(line) for line in examples.splitlines()]
    assert calls
    for call in calls:
        assert call[:4] == ["python", "-m", "runner", verb]
        ours.parse(_signed(call[4:]))
    assert set(EXAMPLES) == set(VERBS) - {"reproduce"}
