"""What fuzzing starts from, and the folder it goes on in."""

from __future__ import annotations

import contextlib
import io
import os
from pathlib import Path

import numpy as np

from runner.__main__ import main
from tests.catalogue.entries import entries
from tests.catalogue.world import TEXTS, tables
from tests.fuzz.targets import TABLES

WORDS = [
    "data=", "layers=", "seeds.seed=", "data.samples=", "layers.dense1.weights=[[", "]]", "{",
    "}", "_target_:", "runner.layers.Dense", "${", "oc.env:", "range(", "choice(", "glob(",
    "name=", "~", "+", "++", "@", "hydra.run.dir=", "hydra.job.name=", "trust=[", "null", "true",
    "1e3", "0x", "-", "'", '"', "\\", ",", ":", "&a", "*a", "<<:", "!!", "---", "--json",
    "--where", "ls", "show", "compare", "verify", "--by", "--sort", "runs/good", "runs/sweep",
    "latest", "PAR1", "PK\x03\x04", "\x93NUMPY",
]  # fmt: skip


def make(folder: Path) -> None:
    """Puts a run and a sweep into the folder, and the catalogue's tables."""
    tables(folder)
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    small = ["data=book_sample", "layers=one_dense"]
    before = os.getcwd()
    os.chdir(folder)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            assert main([*small, "name=good", "hydra.run.dir=runs/good"]) == 0
            sweep = ["hydra.sweep.dir=runs/sweep", "hydra.launcher.n_jobs=1"]
            assert main(["-m", *small, "seeds.seed=0,1", *sweep]) == 0
    finally:
        os.chdir(before)


def seeds(name: str, folder: Path) -> list[bytes]:
    """Inputs that are nearly good, for the target of that name."""
    if name == "table":
        found = [path for path in sorted(folder.iterdir()) if path.suffix[1:] in TABLES]
        return [_of_kind(path) for path in found if path.is_file()]
    if name == "stored":
        rng = np.random.default_rng(0)
        return [rng.bytes(size) for size in (7, 8, 16, 64, 600)]
    if name == "yaml":
        texts = [text for file, text in TEXTS.items() if file.endswith(".yaml")]
        return [text if isinstance(text, bytes) else text.encode() for text in texts]
    calls = [entry for entry in entries() if not entry.env and not entry.folder]
    if name == "verb":
        return [entry.text.encode() for entry in calls if entry.is_quick]
    plain = [entry.arguments for entry in calls if all("=" in word for word in entry.arguments)]
    return ["\n".join(words[:3]).encode("utf-8", "surrogateescape") for words in plain]


def _of_kind(path: Path) -> bytes:
    return bytes([TABLES.index(path.suffix[1:])]) + path.read_bytes()[:20_000]
