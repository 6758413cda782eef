"""The folder that the catalogue's calls are made in: tables, configuration, stored runs."""

from __future__ import annotations

import io
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.warm import Warm

TEXTS: dict[str, str | bytes] = {
    # tables
    "empty.csv": "",
    "head.csv": "a,b\n",
    "numbers.csv": "1,2\n3,4\n",
    "good.csv": "a,b,c\n1,2,0\n3,4,1\n",
    "text.csv": "a,b\n1,x\n2,y\n",
    "missing.csv": "a,b\n1,\n2,3\n",
    "ragged.csv": "a,b\n1,2,3\n",
    "infinite.csv": "a,b\n1,inf\n2,3\n",
    "twice.csv": "a,a\n1,2\n",
    "semicolons.csv": "a;b\n1;2\n",
    "commas.csv": "a;b\n1,5;2,5\n",
    "tabs.csv": "a\tb\n1\t2\n",
    "word.csv": "a,b\n1,2\n2,x\n",
    "comma.csv": 'a,b\n1,"2,5"\n',
    "index.csv": ",a\n0,1\n",
    "negative.csv": "a,c\n1,-1\n2,0\n",
    "dates.csv": "a,b\n1,2026-01-01\n",
    "truth.csv": "a,b\n1,true\n",
    "latin.csv": b"a,b\xff\n1,2\n",
    "zero.csv": b"a,b\n1,\x00\n",
    "wide.csv": ",".join(f"c{i}" for i in range(30_000)) + "\n",
    "good.txt": "a,b\n1,2\n",
    "not.parquet": "PAR1 is not all it takes PAR1",
    "not.npz": "PK is not all it takes",
    "script.py": "raise SystemExit('imported')\n",
    # configuration of the user's
    "mine/layers/duplicate.yaml": "a: {_target_: runner.layers.ReLU}\na: 1\n",
    "mine/layers/broken.yaml": "a: [1\n",
    "mine/layers/tab.yaml": "a:\n\t_target_: runner.layers.ReLU\n",
    "mine/layers/typo.yaml": "a: {_target_: runner.layers.Dense, n_neuron: 3}\n",
    "mine/layers/words.yaml": "a: {_target_: runner.layers.Dense, n_neurons: many}\n",
    "mine/layers/up.yaml": '"../up": {_target_: runner.layers.ReLU}\n',
    "mine/layers/slash.yaml": '"a/b": {_target_: runner.layers.ReLU}\n',
    "mine/layers/number.yaml": "5\n",
    "mine/layers/list.yaml": "[1, 2]\n",
    "mine/layers/text.yaml": "just words\n",
    "mine/layers/latin.yaml": b"a: \xff\n",
    "mine/layers/control.yaml": "a: \x07\n",
    "mine/layers/two.yaml": "a: {_target_: runner.layers.ReLU}\n---\nb: 1\n",
    "mine/layers/tag.yaml": "a: !!python/object/apply:os.system [id]\n",
    "mine/layers/path.yaml": "a: !!python/object/apply:pathlib.Path [x]\n",
    "mine/layers/octal.yaml": "a: {_target_: runner.layers.Dense, n_neurons: 010}\n",
    "mine/layers/clock.yaml": "a: {_target_: runner.layers.Dense, n_neurons: 1:30}\n",
    "mine/layers/infinite.yaml": "a: {_target_: runner.layers.Dense, weights: [[.nan, 1]]}\n",
    "mine/layers/unended.yaml": "a: {_target_: runner.layers.Dense, n_neurons: '${'}\n",
    "mine/layers/digits.yaml": f"a: {{_target_: runner.layers.Dense, n_neurons: {'9' * 4400}}}\n",
    "mine/around.yaml": "defaults: [around]\n",
    "mine/layers/deep.yaml": "a: " + "[" * 60 + "]" * 60 + "\n",
    "mine/layers/itself.yaml": "a: &a [1, *a]\n",
    "mine/layers/laughs.yaml": "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
    + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12)),
    "mine/layers/strange.yaml": "a: {_target_: os.system, command: id}\n",
    "mine/layers/nested.yaml": (
        "a: {_target_: runner.layers.Dense, n_neurons: {_target_: os.getpid}}\n"
    ),
    "mine/layers/partial.yaml": "a: {_target_: mine.X, _partial_: true}\n",
    "mine/layers/recursive.yaml": (
        "a: {_target_: mine.X, _recursive_: true, b: {_target_: os.getpid}}\n"
    ),
    "mine/layers/inner.yaml": "a: {_target_: mine.X, b: [{_target_: os.getpid}]}\n",
    "mine/experiment/no.yaml": "# @package _global_\nname: no\n",
    "mine/experiment/yes.yaml": "# @package _global_\nhydra: {job: {chdir: yes}}\n",
    "mine/experiment/float.yaml": "# @package _global_\nname: 1.10\n",
    "mine/experiment/truth.yaml": "# @package _global_\ntags: [a, true]\n",
    "mine/experiment/seed.yaml": "# @package _global_\nseeds: {seed: 1e3}\n",
    "mine/experiment/samples.yaml": "# @package _global_\ndata: {samples: 100.0}\n",
    "mine/experiment/unknown.yaml": "# @package _global_\ndata: {sampels: 100}\n",
    "mine/experiment/group.yaml": "# @package _global_\ndefaults: [{override /data: spirals}]\n",
    "mine/experiment/trust.yaml": "# @package _global_\ntrust: mine\n",
    "mine/experiment/callback.yaml": (
        "# @package _global_\nhydra: {callbacks: {a: {_target_: os.system, command: id}}}\n"
    ),
    "mine/experiment/factory.yaml": (
        "# @package _global_\n"
        "hydra: {job_logging: {handlers: {console: {(): os.system, command: id}}}}\n"
    ),
    "mine/experiment/outside.yaml": (
        "# @package _global_\n"
        "hydra: {job_logging: {handlers: {file: {filename: /tmp/outside.log}}}}\n"
    ),
    "search/config.yaml": "defaults: [schema]\nhydra: {searchpath: ['pkg://json']}\n",
    "mine.py": "class X:\n    def forward(self, inputs):\n        return inputs\n",
    "raises.py": "raise ValueError('nothing works')\n",
    "reach.py": "import os\nimport os.path as ospath\nfrom os import getpid\n",
    "data_of_mine.py": (
        "def raises():\n    raise ValueError('no data')\n\n\ndef words():\n    return 'words'\n"
    ),
}


def make(folder: Path, warm: Warm) -> None:
    """Fills the folder: the files above, those below, and some runs."""
    for name, content in TEXTS.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    tables(folder)
    os.mkfifo(folder / "pipe.csv")
    (folder / "loop").symlink_to("loop")
    (folder / "taken").mkdir()
    (folder / "taken" / "file").write_text("mine")
    (folder / "blocked").mkdir()
    (folder / "blocked" / "outputs").write_text("a file where runs would go")
    _runs(folder, warm)


def tables(folder: Path) -> None:
    """The tables that are no text."""
    two = pa.table({"a": pa.array([1.0, 2.0]), "b": pa.array(["x", "y"])})
    pq.write_table(two, folder / "text.parquet")
    pq.write_table(pa.table({"a": pa.array([], pa.float64())}), folder / "empty.parquet")
    pq.write_table(pa.table({"a": pa.array([1.0, None])}), folder / "missing.parquet")
    pq.write_table(pa.table({"a": pa.array([[1.0], [2.0]])}), folder / "lists.parquet")
    whole = (folder / "text.parquet").read_bytes()
    (folder / "cut.parquet").write_bytes(whole[: len(whole) // 2])
    odd = two.select(["a"]).replace_schema_metadata({b"pandas": b"[1, 2]"})
    pq.write_table(odd, folder / "odd.parquet")
    _bomb(folder / "bomb.parquet")
    np.savez(folder / "good.npz", X=np.ones((4, 2)), y=np.arange(4))
    np.savez(folder / "lengths.npz", a=np.ones(2), b=np.ones(3))
    np.savez(folder / "cube.npz", a=np.ones((2, 2, 2)))
    np.savez(folder / "complex.npz", a=np.ones(2, dtype=complex))
    np.savez(folder / "empty.npz", a=np.ones(0))
    np.savez(folder / "pickle.npz", a=np.array([{}, []], dtype=object))
    with zipfile.ZipFile(folder / "none.npz", "w"):
        pass
    with zipfile.ZipFile(folder / "words.npz", "w") as archive:
        archive.writestr("a.npy", "not an array")
    with zipfile.ZipFile(folder / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        head = io.BytesIO()
        facts = {"descr": "<f8", "fortran_order": False, "shape": (1 << 50, 2)}
        np.lib.format.write_array_header_2_0(head, facts)
        archive.writestr("X.npy", head.getvalue() + bytes(1 << 20))


def _bomb(path: Path) -> None:
    """A file whose footer says that there are more rows than any memory holds."""
    pq.write_table(pa.table({"a": pa.array(np.zeros(1_234_567))}), path)
    data = path.read_bytes()
    length = int.from_bytes(data[-8:-4], "little")
    footer = data[-8 - length : -8].replace(_varint(1_234_567), _varint(10**15), 1)
    size = len(footer).to_bytes(4, "little")
    path.write_bytes(data[: -8 - length] + footer + size + b"PAR1")


def _varint(number: int) -> bytes:
    """A whole number as thrift's compact protocol has it."""
    number, found = number << 1, bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes([*found, number])


def _runs(folder: Path, warm: Warm) -> None:
    small = ("data=book_sample", "layers=one_dense")
    places: dict[str, tuple[str, ...]] = {
        "good": (*small, "name=good"),
        "other": (*small, "name=other", "seeds.seed=1"),
        "doubles": (*small, "name=doubles", "numerics=float64"),
        "bare": (*small, "name=bare", "save=statistics"),
        "damaged": (*small, "name=damaged"),
        "nosums": (*small, "name=nosums"),
        "outward": (*small, "name=outward"),
        "failed": ("data._target_=data_of_mine.words", "layers=one_dense"),
    }
    for name, arguments in places.items():
        if name == "failed":
            continue
        done = warm([*arguments, f"hydra.run.dir=runs/{name}"], folder)
        assert done.code == 0, done.stderr
    done = warm(["-m", *small, "seeds.seed=0,1", "hydra.sweep.dir=runs/sweep",
                 "hydra.launcher.n_jobs=1"], folder)  # fmt: skip
    assert done.code == 0, done.stderr
    damaged = folder / "runs" / "damaged" / "layers" / "0-dense1.parquet"
    for path in damaged.parent.iterdir():
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    (folder / "runs" / "nosums" / "SHA256SUMS").unlink()
    [layer] = (folder / "runs" / "outward" / "layers").iterdir()
    shutil.move(layer, folder / "elsewhere.parquet")
    layer.symlink_to(folder / "elsewhere.parquet")
