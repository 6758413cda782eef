"""What is too large is refused before it is begun: in a second, in little memory, with no trace."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import runner
from runner import limits
from runner.app.typed import check_overrides
from runner.app.yaml_file import MOST_BYTES, MOST_VALUES, check_file
from runner.errors import ConfigError, DamagedError, RunnerError, UsageError
from tests.conftest import Program
from tests.warm import Warm

SECOND, MEMORY = 1.0, 500_000_000


def laughs(levels: int) -> str:
    """YAML of ``levels`` lines that stands for 10 ** levels values."""
    lines = ["a0: &a0 [" + ", ".join("1" * 10) + "]"]
    lines += [f"a{i}: &a{i} [" + ", ".join([f"*a{i - 1}"] * 10) + "]" for i in range(1, levels)]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (laughs(9), "100000 values"),
        (laughs(60), "100000 values"),
        ("a: " + "[" * 100_000, "levels deep"),
        ("a: " + "{a: " * 5_000, "levels deep"),
        ("a: &a {b: *a}\n", "contains itself"),
        ("a: [" + "1, " * (MOST_VALUES + 1) + "1]\n", "100000 values"),
        ("# " + "x" * MOST_BYTES + "\n", "MB of YAML"),
    ],
    ids=["laughs", "louder", "deep", "deeper", "itself", "long", "heavy"],
)  # fmt: skip
def test_yaml(program: Program, warm: Warm, text: str, word: str) -> None:
    place = program.folder / "mine" / "layers" / "big.yaml"
    place.parent.mkdir(parents=True)
    place.write_text(text)
    done = warm(["-cd", "mine", "layers=big"], program.folder)
    assert done.code == 2, done.stderr
    [line] = done.stderr.splitlines()
    assert word in line
    assert "big.yaml" in line
    assert done.seconds < SECOND
    assert done.peak < MEMORY
    assert program.outputs == []


def test_what_is_just_small_enough_passes(write: Callable[[str, str], Path]) -> None:
    check_file(write("a.yaml", laughs(4)))
    check_file(write("b.yaml", "a: " + "[" * 35 + "]" * 35))
    check_overrides(["a=" + "[" * 35 + "]" * 35, "name=no", "data.samples=10"])
    with pytest.raises(UsageError):
        check_file(write("c.yaml", "a: " + "[" * 45 + "]" * 45))
    with pytest.raises(ConfigError):
        check_overrides(["a=" + "[" * 45 + "]" * 45])


def _npz(path: Path, shape: tuple[int, ...]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        head = io.BytesIO()
        np.lib.format.write_array_header_2_0(
            head, {"descr": "<f8", "fortran_order": False, "shape": shape}
        )
        archive.writestr("X.npy", head.getvalue() + bytes(1 << 16))


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("data=normal", "data.samples=1000000000000000"), "data.samples"),
        (("data=normal", "data.features=1000000000000"), "data.features"),
        (("layers.dense1.n_neurons=1000000000000",), "layers.dense1.n_neurons"),
        (("layers=mlp", "layers.mlp.width=1000000000"), "layers.mlp.width"),
        (("layers=mlp", "layers.mlp.depth=1000000000"), "layers.mlp.depth"),
        (("layers=mlp", "layers.mlp.depth=100000", "layers.mlp.width=100000"), "layers.mlp"),
        (("-m", "seeds.seed=range(0,1000000000000)"), "max_jobs"),
        (("-m", "seeds.seed=range(0,99999)", "data.samples=range(1,99999)"), "max_jobs"),
        (("-m", "seeds.seed=0,1", "hydra.launcher.n_jobs=1000000"), "n_jobs"),
        (("name=" + "x" * 100_000,), "100000 characters"),
        (("data=table", "data.path=rows.npz"), "data.path"),
        (("data=table", "data.path=columns.npz"), "data.path"),
        (("hydra.run.dir=" + "x" * 300,), "hydra.run.dir"),
    ],
    ids=lambda value: " ".join(value)[:50] if isinstance(value, tuple) else "",
)
def test_sizes(program: Program, warm: Warm, arguments: tuple[str, ...], word: str) -> None:
    _npz(program.folder / "rows.npz", (1 << 50, 2))
    _npz(program.folder / "columns.npz", (2, 1 << 40))
    done = warm(arguments, program.folder)
    assert done.code == 2, done.stderr
    [line] = done.stderr.splitlines()
    assert word in line
    assert len(line) <= 200
    assert done.seconds < SECOND
    assert done.peak < MEMORY
    assert program.outputs == []


def test_a_small_parquet_file_with_many_numbers(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """228 kB may unpack to 400 MB: rows and columns are asked before anything is unpacked."""
    column = pa.array(np.zeros(1 << 20, np.float32))
    names = [f"c{i}" for i in range(100)]
    table = pa.Table.from_arrays([column] * 100, names=names)
    path = program.folder / "bomb.parquet"
    pq.write_table(table, path, compression="zstd")
    assert path.stat().st_size < 1_000_000
    monkeypatch.setattr(limits, "available_memory", lambda: 100_000_000)
    begun = time.process_time()
    with pytest.raises(RunnerError):
        runner.run(
            ["data=table", f"data.path={path}", f"hydra.run.dir={program.folder / 'run'}",
             "layers.dense1.n_neurons=10000"]
        )  # fmt: skip
    assert time.process_time() - begun < 5 * SECOND
    assert not (program.folder / "run").exists()


def test_a_table_with_a_million_columns(program: Program, warm: Warm) -> None:
    (program.folder / "wide.csv").write_text(",".join(f"c{i}" for i in range(1_000_000)) + "\n")
    done = warm(["data=table", "data.path=wide.csv"], program.folder)
    assert done.code == 2, done.stderr
    assert "data.path=wide.csv" in done.stderr
    assert done.peak < MEMORY
    assert program.outputs == []


def test_a_stored_table_that_says_it_is_endless(
    program: Program, warm: Warm, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = warm(["data=book_sample", "layers=one_dense"], program.folder).stdout.strip()
    monkeypatch.setattr(limits, "available_memory", lambda: 10)
    with pytest.raises(DamagedError, match="more than the memory can hold"):
        _ = runner.load(path, check=False).layers


@pytest.mark.parametrize("name", ["run.parquet", "SHA256SUMS"])
def test_a_pipe_in_a_run_is_not_waited_for(program: Program, warm: Warm, name: str) -> None:
    import os

    directory = Path(warm(["data=book_sample", "layers=one_dense"], program.folder).stdout.strip())
    (directory / name).unlink()
    os.mkfifo(directory / name)
    for verb in (["ls"], ["show", str(directory)], ["verify", str(directory)]):
        done = warm(verb, program.folder, timeout=20)
        assert done.code in (0, 1, 2), done
        assert "Traceback" not in done.stderr
