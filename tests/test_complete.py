"""YAML of the reader's own, which brings no schema: typed, whole, and looked through as well."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.store import load
from tests.conftest import Program
from tests.warm import Warm

GROUPS = {
    "seeds/mine.yaml": "seed: 3\n",
    "seeds/half.yaml": "data: 1\n",
    "seeds/both.yaml": "seed: 1\ndata: 2\nlayers: 3\n",
    "seeds/typo.yaml": "sed: 3\n",
    "seeds/text.yaml": "seed: [1]\n",
    "numerics/typo.yaml": "rul: float64\n",
    "save/mine.yaml": "keep: first\n",
    "save/typo.yaml": "keep: first\nrwos: 3\n",
    "save/text.yaml": "keep: first\nrows: x\n",
}
START = "defaults: [schema, {data: spiral}, {layers: one_dense}, {seeds: book}, {numerics: nnfs}]\n"
START = START.replace("]", ", {save: all}, _self_]")
NODES = {
    "data: 5": "data=5: needs a mapping",
    "data: ${layers}": "data=${layers}: needs a mapping",
    "layers: ${data}": "layers._target_=runner.data.spiral",
    "layers: [1]": "has a list where keys and values go",
    "layers: {dense1: null}": "layers.dense1=null",
    "layers: {5: {_target_: runner.layers.ReLU}}": "key=5: is no text",
    "layers: {null: {_target_: runner.layers.ReLU}}": "key=",
    "hydra: null": "hydra=None: needs a mapping",
    "hydra: 5": "hydra=5: needs a mapping",
    "hydra: ${data}": "hydra.searchpath",
    "seeds: null": "seeds=null",
    "save: ${numerics}": "save=${numerics}",
    "numerics: float32": "numerics=float32",
}
BARE = """
data: {_target_: runner.data.spiral}
layers: {a: {_target_: runner.layers.ReLU}}
seeds: {}
numerics: {}
save: {keep: statistics}
name: null
tags: []
batch_size: 4096
trust: []
objective: null
"""


@pytest.fixture
def folder(program: Program) -> Path:
    """Where the files are."""
    mine = program.folder / "mine"
    texts = {f"n{n}.yaml": f"{START}{text}\n" for n, text in enumerate(NODES)}
    for name, text in {**GROUPS, **texts, "bare.yaml": BARE}.items():
        (mine / name).parent.mkdir(parents=True, exist_ok=True)
        (mine / name).write_text(text)
    return program.folder


def test_what_is_refused(folder: Path, warm: Warm) -> None:
    calls: dict[tuple[str, ...], str] = {
        **{("-cn", f"n{n}"): line for n, line in enumerate(NODES.values())},
        ("seeds=typo",): "seeds.sed=3: did you mean seed?",
        ("seeds=both",): "seeds.seed=1: there is: data, layers",
        ("seeds=text",): "seeds.seed=[1]: needs a whole number",
        ("numerics=typo",): "numerics.rul=float64: did you mean rule?",
        ("save=typo",): "save.rwos=3: did you mean rows?",
        ("save=text",): "save.rows=x: needs a whole number",
        ("-m", "save=mine,text"): "save.rows=x: needs a whole number",
        ("+nmae=x",): "nmae=x: did you mean name?",
        ("+seed=3",): "seed=3: did you mean seeds?",
        ("+batchsize=3",): "did you mean batch_size?",
        ("data=[1]",): "data=[1]: needs one of its options: see --help",
        ("data=${nothing}",): "data=${nothing}: cannot be resolved",
    }
    for arguments, words in calls.items():
        done = warm(["-cd", "mine", *arguments], folder)
        assert done.code == 2, (arguments, done.stderr)
        [line] = done.stderr.splitlines()
        assert words in line, (arguments, line)
        assert len(line) <= 200
    assert not (folder / "outputs").exists()


def test_what_is_filled_in(folder: Path, warm: Warm) -> None:
    calls: dict[tuple[str, ...], tuple[str, object]] = {
        ("seeds=mine",): ("seeds", {"seed": 3}),
        ("seeds=half",): ("seeds", {"data": 1, "layers": 0}),
        ("save=mine",): ("save", {"keep": "first", "rows": 1000, "codec": "none"}),
        ("-cn", "bare"): ("numerics", {"rule": "nnfs"}),
        # Names of the reader's own are theirs, as long as they are none of ours misspelt.
        ("+note=x",): ("note", "x"),
        ("+seed=7", "seeds.seed=${seed}"): ("seeds", {"seed": 7}),
    }
    for arguments, (key, value) in calls.items():
        done = warm(["-cd", "mine", *arguments], folder)
        assert done.code == 0, (arguments, done.stderr)
        assert load(done.stdout.splitlines()[-1]).config[key] == value
