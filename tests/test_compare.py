"""Two runs beside each other: where they part, by how much, and why."""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import runner
from runner.analysis.compare import compare
from runner.analysis.differences import Tolerance
from runner.analysis.matching import Pair, matched
from runner.analysis.measurement import measure
from runner.analysis.representations import similarity
from runner.errors import ConfigError, DamagedError, NotFoundError
from runner.store import layout
from runner.store.claim import claim
from runner.store.commit import commit
from runner.store.matrix.pairs import Piece, unequal
from runner.store.write import RunWriter
from tests.conftest import Program

ROOT = Path(__file__).resolve().parent.parent
Arrays = dict[str, np.ndarray[Any, Any]]

FLIP = """
import numpy as np

class Flip:
    rowwise = False

    def __init__(self, n_inputs, n_neurons, bit=0):
        self.bit = bit

    def forward(self, inputs):
        self.output = np.array(inputs, dtype=np.float32)
        if self.bit:
            self.output[17:18, 1].view(np.int32)[:] ^= 1 << self.bit
"""


def store(
    directory: Path,
    layers: Arrays,
    *,
    inputs: np.ndarray[Any, Any] | None = None,
    config: Mapping[str, Any] | None = None,
    facts: Mapping[str, Any] | None = None,
    kept: int | None = None,
    codec: str = "none",
    status: str = layout.FINISHED,
) -> Path:
    """A run of these outputs, through the writer that every run goes through."""
    writer = RunWriter(claim(directory, stamped=False), f"{abs(hash(directory.name)):016x}"[:16])
    rows = []
    if layers:
        n_samples = len(next(iter(layers.values())))
        given = np.ones((n_samples, 2), "f4") if inputs is None else inputs
        writer.inputs(given, np.arange(len(given)) % 3)
    for position, (name, outputs) in enumerate(layers.items()):
        digest = layout.OutputsDigest(outputs.dtype, (len(outputs), outputs.shape[1]))
        digest.update(outputs)
        row: dict[str, Any] = dict.fromkeys((column for column, _ in layout.LAYER_COLUMNS), 0)
        row |= {"position": position, "name": name, "kind": "Dense", "path": None}
        row |= {"n_inputs": 2, "n_samples": len(outputs), "n_neurons": outputs.shape[1]}
        row |= {"dtype": outputs.dtype.name, "digest": digest.hexdigest()}
        finite = outputs[np.isfinite(outputs)]
        row |= {"mean": float(finite.mean()), "std": float(finite.std())}
        rest = outputs[:kept]
        if len(rest):
            file = writer.layer(
                position, name, "Dense", 2, rest.shape[1], len(rest), rest.dtype, len(layers), codec
            )
            file.write(rest)
            stored = file.close()
            row |= {"path": stored.path, "bytes": stored.bytes}
        rows.append(row)
    if layers:
        writer.layers(rows)
    moment = datetime(2026, 11, 23, tzinfo=UTC)
    whole = {"data": {"samples": 3}, "layers": {name: {"a": 1} for name in layers}}
    record: dict[str, Any] = {
        **dict.fromkeys(name for name, _ in layout.RUN_COLUMNS),
        "run_id": writer.run_id,
        "status": status,
        "tags": [],
        "overrides": [],
        "start_time": moment,
        "end_time": moment,
        "config": json.dumps(whole if config is None else config),
        "params": {},
        "metrics": {},
        "facts": {"env.numpy": "2.4.6", **(facts or {})},
    }
    commit(writer, record)
    return directory


def noise(rows: int, width: int, dtype: str = "f4", seed: int = 0) -> np.ndarray[Any, Any]:
    made: np.ndarray[Any, Any] = np.random.RandomState(seed).randn(rows, width).astype(dtype)
    return made


@pytest.mark.parametrize("codec", ["none", "zstd"])
@pytest.mark.parametrize(
    ("rows", "width", "dtype", "sample", "neuron"),
    [
        (3, 1, "f4", 0, 0),
        (140_000, 5, "f4", 131_072, 4),
        (140_000, 5, "f8", 65_535, 0),
        (5_000, 40, "f4", 4_097, 39),  # several columns at a time
        (5_000, 1_100, "f4", 4_999, 1_099),
    ],
)
def test_one_bit_is_found(
    tmp_path: Path, rows: int, width: int, dtype: str, sample: int, neuron: int, codec: str
) -> None:
    outputs = noise(rows, width, dtype)
    other = outputs.copy()
    other[sample : sample + 1, neuron].view(f"i{other.itemsize}")[:] ^= 1
    a = store(tmp_path / "a", {"dense1": outputs, "dense2": outputs}, codec=codec)
    b = store(tmp_path / "b", {"dense1": outputs, "dense2": other}, codec=codec)
    found = runner.compare(a, b)
    assert not found.same
    assert [part.bits for part in found.parts] == [True, True, True, False]
    place = found.layers[1].differences
    assert place is not None
    assert place.first == (sample, neuron, outputs[sample, neuron], other[sample, neuron])
    assert (place.differing, place.compared, place.max_ulp) == (1, rows * width, 1)
    apart = abs(float(outputs[sample, neuron]) - float(other[sample, neuron]))
    assert place.max_abs == apart > 0
    assert place.mean_abs == pytest.approx(apart / (rows * width), rel=1e-12)
    assert found.sentence == (f"the runs part at layer dense2, sample {sample}, neuron {neuron}")


def test_one_bit_goes_through_every_layer_after_it(
    program: Program, write: Callable[[str, str], Path]
) -> None:
    write("flip.py", FLIP)
    stack = (
        "+layers={dense1: {_target_: runner.layers.Dense, n_neurons: 3}, "
        "flip: {_target_: flip.Flip, n_neurons: 3, bit: %d}, "
        "act: {_target_: runner.layers.Linear}, "
        "dense2: {_target_: runner.layers.Dense, n_neurons: 4}}"
    )
    write("conf/layers/flip.yaml", "# @package _global_\n" + _yaml(stack))
    common = ("-cd", "conf", "layers=flip", "trust=[flip]", "data.samples=20")
    a = program.run(*common, "layers.flip.bit=0")
    b = program.run(*common, "layers.flip.bit=12")
    done = program.start("compare", str(a), str(b), "--json")
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    assert found["sentence"] == (
        "the runs part at layer flip, sample 17, neuron 1, because layers.flip.bit differs"
    )
    by_layer = {row["layer"]: row for row in found["parts"] if row["part"] == "layer"}
    assert by_layer["dense1"]["bits"]
    for name in ("flip", "act"):
        row = by_layer[name]
        assert (row["differing"], row["max_ulp"], row["sample"], row["neuron"]) == (1, 4096, 17, 1)
    assert (by_layer["dense2"]["sample"], by_layer["dense2"]["differing"] <= 4) == (17, True)
    x = runner.load(a).layers["act"].outputs
    assert found["parts"][3]["value_a"] == float(x[17, 1])


def _yaml(stack: str) -> str:
    """Four layers as a file of the reader's own ``conf``; ``%d`` is 0."""
    text = stack.removeprefix("+layers=") % 0
    return f"layers: {text}\n"


def test_same_run_on_another_batch_size_thread_count_and_directory(program: Program) -> None:
    layers = ("layers=book_chapter_4", "data.samples=4000")
    a = program.run(*layers)
    one_core = f"import os, sys; os.sched_setaffinity(0, {{{min(os.sched_getaffinity(0))}}})"
    code = f"{one_core}; from runner.__main__ import main; sys.exit(main())"
    arguments = [*layers, "batch_size=4096", "hydra.run.dir=some/where"]
    subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *arguments],
        cwd=program.folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
    )
    done = program.start("compare", str(a), "some/where")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == (
        "the runs are the same to the bit in 4 layers, though batch_size differs"
    )


def test_equal_digests_are_known_without_outputs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = (store(tmp_path / name, {"dense1": noise(9, 3)}) for name in "ab")
    (a / "layers" / "00-dense1.parquet").unlink()
    assert compare(a, b, check="digests").same
    # Without that having been said, nothing is called the same whose file is not what it was.
    with pytest.raises(DamagedError, match=r"00-dense1\.parquet: is missing"):
        runner.compare(a, b)
    monkeypatch.setattr("runner.store.layer.LARGE", 0)
    with pytest.raises(DamagedError, match=r"00-dense1\.parquet: is missing"):
        runner.compare(a, b)


def test_a_layer_called_the_same_has_its_file(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = (store(program.folder / name, {"l": noise(9000, 3)}) for name in "ab")
    assert "not read" not in "".join(runner.compare(a, b).notes())
    file = b / "layers" / "00-l.parquet"
    whole = file.read_bytes()
    flipped = bytearray(whole)
    flipped[5000] ^= 1
    for data, said in ((bytes(flipped), "is not what was written"), (whole[:-1], "bytes, not")):
        file.write_bytes(data)
        done = program.start("compare", "a", "b")
        assert (done.returncode, done.stdout) == (2, "")
        assert "00-l.parquet" in done.stderr
        with monkeypatch.context() as patched:
            # A large file is looked at, and not read; it says so.
            patched.setattr("runner.store.layer.LARGE", 0)
            if data == bytes(flipped):
                [note] = runner.compare(a, b).notes()
                assert note.startswith("not read")
                assert note.endswith(": l")
            else:
                with pytest.raises(DamagedError, match=said):
                    runner.compare(a, b)


def test_verify_reads_what_a_comparison_does_not(program: Program) -> None:
    for name in "ab":
        program.run("data.samples=20", f"hydra.run.dir={name}")
    assert program.start("compare", "a", "b", "--verify").returncode == 0
    parameters = program.folder / "b" / "parameters.parquet"
    data = bytearray(parameters.read_bytes())
    data[len(data) // 2] ^= 1
    parameters.write_bytes(data)
    assert program.start("compare", "a", "b").returncode == 0
    done = program.start("compare", "a", "b", "--verify")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "b/parameters.parquet" in done.stderr
    assert program.start("compare", "a", "--similarity", "--verify").returncode == 2


def test_damage_is_not_taken_for_a_difference(tmp_path: Path, program: Program) -> None:
    a = store(tmp_path / "a", {"dense1": noise(9000, 3)})
    b = store(tmp_path / "b", {"dense1": noise(9000, 3, seed=1)})
    file = b / "layers" / "00-dense1.parquet"
    data = bytearray(file.read_bytes())
    data[5000] ^= 1
    file.write_bytes(data)
    with pytest.raises(DamagedError, match=r"00-dense1\.parquet: is not what was written"):
        runner.compare(a, b)
    done = program.start("compare", "a", "b")
    assert (done.returncode, done.stdout) == (2, "")
    assert "00-dense1.parquet" in done.stderr


@pytest.mark.parametrize(
    ("rows", "width", "flips"), [(70_000, 3, 150), (3000, 60, 60), (200, 1100, 60)]
)
def test_damage_in_a_large_file_is_found_by_its_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int, width: int, flips: int
) -> None:
    """Whose sum is not computed: a flipped bit is refused, or changes nothing that is said."""
    monkeypatch.setattr("runner.store.layer.LARGE", 0)
    x = noise(rows, width)
    y = x.copy()
    y[rows - 9, 2] = 0
    a, b = store(tmp_path / "a", {"l": x}), store(tmp_path / "b", {"l": y})
    true = runner.compare(a, b).rows()
    file = b / "layers" / "00-l.parquet"
    whole = file.read_bytes()
    random = np.random.RandomState(0)
    # Anywhere, and once more in what the pages' checksums don't cover: the footer at the end.
    places = [*random.randint(0, len(whole), flips), *random.randint(-1500, 0, flips)]
    refused = 0
    for place in places:
        data = bytearray(whole)
        data[place] ^= 1 << random.randint(8)
        file.write_bytes(data)
        try:
            assert runner.compare(a, b).rows() == true, place
        except DamagedError:
            refused += 1
    assert refused > flips


@pytest.mark.parametrize(("width", "codec"), [(3, "none"), (1100, "none"), (3, "zstd")])
def test_a_codec_that_there_is_not_ends_no_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int, codec: str
) -> None:
    """Pyarrow, asked for the name of a codec that damage has made up, aborts."""
    monkeypatch.setattr("runner.store.layer.LARGE", 0)
    a = store(tmp_path / "a", {"l": noise(500, width)}, codec=codec)
    b = store(tmp_path / "b", {"l": noise(500, width, seed=1)}, codec=codec)
    true = runner.compare(a, b).rows()
    file = b / "layers" / "00-l.parquet"
    whole = file.read_bytes()
    number = {"none": b"\x00", "zstd": b"\x0c"}[codec]
    found = list(re.finditer(rb"\x15(%b)\x16" % number, whole))
    assert found
    for match in found[-3:]:
        for bit in range(8):
            data = bytearray(whole)
            data[match.start(1)] ^= 1 << bit
            file.write_bytes(data)
            with contextlib.suppress(DamagedError):
                assert runner.compare(a, b).rows() == true


@pytest.mark.parametrize("width", [1, 40, 1100])
def test_pages_are_taken_apart_without_pyarrow(
    tmp_path: Path, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y = noise(5000, width), noise(5000, width, seed=1)
    a, b = store(tmp_path / "a", {"l": x}), store(tmp_path / "b", {"l": y})
    expected = runner.compare(a, b).rows()
    reads: list[Any] = []
    monkeypatch.setattr("runner.store.matrix.pairs.numbers", reads.append)
    monkeypatch.setattr("runner.store.matrix.stored.StoredMatrix.block", reads.append)
    assert runner.compare(a, b).rows() == expected
    monkeypatch.undo()
    # It says the same when pyarrow reads them.
    monkeypatch.setattr("runner.store.matrix.pairs.copy_plain", lambda *_, **__: False)
    assert runner.compare(a, b).rows() == expected


def test_the_rows_that_both_have_are_compared(tmp_path: Path) -> None:
    """Also where several columns are read at a time, and one file ends before the other."""
    for width, rows in ((3, 70_000), (40, 5000), (1100, 300)):
        x, y = noise(rows, width), noise(rows, width, seed=1)
        y[:7], y[7, width - 1] = x[:7], x[7, width - 1]
        for name, kept in (("a", rows - 250), ("b", rows - 100)):
            store(tmp_path / f"{name}{width}", {"l": x if name == "a" else y}, kept=kept)
        found = runner.compare(tmp_path / f"a{width}", tmp_path / f"b{width}").layers[0]
        assert found.note == f"the first {rows - 250} of {rows} rows are kept"
        amounts = found.differences
        assert amounts is not None
        assert amounts.first == (7, 0, x[7, 0], y[7, 0])
        assert amounts.compared == (rows - 250) * width
        kept_x, kept_y = x[: rows - 250].astype("f8"), y[: rows - 250].astype("f8")
        assert amounts.differing == np.count_nonzero(kept_x != kept_y)
        assert amounts.max_abs == np.abs(kept_x - kept_y).max()


def test_amounts_are_those_of_numpy(tmp_path: Path) -> None:
    x, y = noise(70_000, 3), noise(70_000, 3, seed=1)
    x[5] = [math.nan, math.inf, 1]
    y[5] = [1, 1, math.inf]
    x[6], y[6] = math.nan, math.nan
    x[7], y[7] = 0.0, -0.0
    a, b = store(tmp_path / "a", {"l": x}), store(tmp_path / "b", {"l": y})
    found = runner.compare(a, b).layers[0].differences
    assert found is not None
    usual = np.isfinite(x) & np.isfinite(y)
    p, q = x[usual].astype("f8"), y[usual].astype("f8")
    apart = np.abs(p - q)
    scale = np.maximum(np.abs(p), np.abs(q))
    relative = np.divide(apart, scale, out=np.zeros_like(apart), where=scale > 0)
    assert (found.nan, found.inf) == (1, 2)
    # NaN of the same bits are the same; -0 is not 0.
    assert found.differing == np.count_nonzero(x.view("i4") != y.view("i4")) < 70_000 * 3 - 2
    assert found.max_abs == apart.max()
    assert found.mean_abs == pytest.approx(apart.sum() / (70_000 * 3 - 3), rel=1e-12)
    assert found.max_rel == pytest.approx(relative.max(), rel=1e-6)
    assert found.mean_rel == pytest.approx(relative.sum() / (70_000 * 3 - 3), rel=1e-6)


@given(
    arrays("f4", 6, elements=st.floats(width=32)),
    arrays("f4", 6, elements=st.floats(width=32)),
)
def test_ulps_are_the_floats_in_between(x: Any, y: Any) -> None:
    def rank(value: Any) -> int:
        """Where a float stands in the row of all floats, zero in the middle."""
        size = int(abs(value).view("u4"))
        return -size if value < 0 else size

    piece = Piece(0, 0, x[:, None], y[:, None])
    found = measure(piece, Tolerance())
    pairs = [(p, q) for p, q in zip(x, y, strict=True) if math.isfinite(p) and math.isfinite(q)]
    assert found.max_ulp == max((abs(rank(p) - rank(q)) for p, q in pairs), default=0)
    assert found.differing == sum(p.tobytes() != q.tobytes() for p, q in zip(x, y, strict=True))


ANY_FLOAT = st.floats(-10, 10) | st.sampled_from([math.nan, math.inf, -math.inf, 0.0, -0.0])


@given(arrays("f8", (4, 3), elements=ANY_FLOAT), st.floats(0, 2), st.floats(0, 2))
def test_tolerance_is_numpys(x: Any, atol: float, rtol: float) -> None:
    y = x[::-1].copy()
    found = measure(Piece(0, 0, x, y), Tolerance(atol, rtol))
    beyond = ~np.isclose(x, y, atol=atol, rtol=rtol, equal_nan=True)
    if not (atol or rtol):
        beyond = x.view("i8") != y.view("i8")
    assert found.beyond == np.count_nonzero(beyond)
    if found.beyond:
        assert found.first is not None
        assert found.first[:2] == tuple(np.argwhere(beyond)[0])


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ([], 1),
        (["--ulp", "1"], 1),
        (["--ulp", "2"], 0),
        (["--atol", "1e-6"], 0),
        (["--atol", "1e-9"], 1),
        (["--rtol", "1e-6"], 0),
        (["--rtol", "-1"], 2),
        (["--rtol", "nan"], 2),
        (["--json", "--markdown"], 2),
    ],
)
def test_tolerance_sets_the_exit_code(program: Program, options: list[str], code: int) -> None:
    x = np.ones((100, 2), "f4")
    y = x.copy()
    y[40, 1] = np.nextafter(np.nextafter(y[40, 1], np.float32(2)), np.float32(2))
    store(program.folder / "a", {"l": x})
    store(program.folder / "b", {"l": y})
    done = program.start("compare", "a", "b", *options)
    assert done.returncode == code, done.stderr
    if code == 0:
        assert done.stdout.splitlines()[-1].startswith("the runs agree within ")
        assert done.stdout.splitlines()[-1].endswith("in 1 layer, though not to the bit")
    if code == 2:
        assert (done.stdout, done.stderr.count("\n")) == ("", 1)


def test_shapes_that_differ_are_said_plainly(tmp_path: Path) -> None:
    a = store(tmp_path / "a", {"l": noise(9, 3)})
    b = store(tmp_path / "b", {"l": noise(9, 4)})
    assert runner.compare(a, b).sentence == (
        "the runs part at layer l, which is 9 x 3 in A and 9 x 4 in B"
    )


def test_targets_are_compared_where_inputs_have_other_shapes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    a, b = (runner.run([f"data.samples={n}", "layers=one_dense"]) for n in (3, 4))
    assert [part.kind for part in runner.compare(a, b).parts] == ["inputs", "targets", "layer"]


def test_precisions_that_differ(tmp_path: Path) -> None:
    outputs = noise(9, 3)
    a = store(tmp_path / "a", {"l": outputs})
    b = store(tmp_path / "b", {"l": outputs.astype("f8")})
    found = runner.compare(a, b)
    assert found.sentence == "the runs part at layer l, which is float32 in A and float64 in B"
    assert runner.compare(a, b, atol=1e-9).same
    other = outputs.astype("f8")
    other[2, 1] += 1e-9
    c = store(tmp_path / "c", {"l": other})
    assert runner.compare(a, c).sentence == "the runs part at layer l, sample 2, neuron 1"


def test_layers_are_matched_by_name_then_by_position(tmp_path: Path) -> None:
    one, two, three = (noise(9, 3, seed=seed) for seed in range(3))
    a = store(tmp_path / "a", {"first": one, "second": two, "third": three})
    b = store(tmp_path / "b", {"first": one, "hidden": two, "third": three})
    found = runner.compare(a, b)
    assert found.same
    assert [part.name for part in found.layers] == ["first", "second / hidden", "third"]
    c = store(tmp_path / "c", {"first": one, "second": two})
    assert runner.compare(a, c).sentence == (
        "the runs part at layer third (only A has it), because layers.third.a differs"
    )
    d = store(tmp_path / "d", {"second": two, "first": one, "third": three})
    turned = runner.compare(a, d)
    assert turned.same
    assert [change.key for change in turned.config] == ["order of layers"]


def test_without_outputs_digests_and_statistics_are_compared(program: Program) -> None:
    a = program.run("save=statistics", "data.samples=9")
    b = program.run("data.samples=9")
    c = program.run("save=statistics", "data.samples=9", "layers.dense2.weight_scale=0.2")
    assert runner.compare(a, b).same
    found = runner.compare(b, c)
    assert found.sentence == (
        "the runs part at layer dense2 (outputs not kept in B: by digest and statistics), "
        "because layers.dense2.weight_scale differs"
    )
    x, y = (runner.load(run).layers["dense2"].statistics["std"] for run in (b, c))
    assert found.layers[1].statistics["std"] == (x, y)
    done = program.start("compare", str(b), str(c))
    [line] = [line for line in done.stdout.splitlines() if f"{x:.9g}  {y:.9g}" in line]
    assert line.startswith("dense2 ")
    assert "dense2: outputs not kept in B" in done.stdout
    assert f"<td>{x:.9g}</td><td>{y:.9g}</td>" in found._repr_html_()


def test_rows_that_were_not_kept_are_not_taken_for_equal(tmp_path: Path) -> None:
    x = noise(70_000, 3)
    y = x.copy()
    y[69_000, 1] = 0
    for kept in (100, 69_500):
        a = store(tmp_path / f"a{kept}", {"l": x}, kept=kept)
        b = store(tmp_path / f"b{kept}", {"l": y})
        found = runner.compare(a, b, atol=1e-12)
        assert not found.same
        where = "layer l (the first 100 of 70000 rows are kept, and agree; the digests differ)"
        if kept > 69_000:
            where = "layer l, sample 69000, neuron 1"
        assert found.sentence == f"the runs part at {where}"


@pytest.mark.parametrize(
    ("changes", "facts", "key"),
    [
        ({"layers": {"l": {"a": 2}, "m": {"a": 1}}}, {}, "layers.l.a"),
        ({"layers": {"l": {"a": 1}, "m": {"a": 1}}, "seeds": 1}, {}, "seeds"),
        ({"layers": {"l": {"a": 1}, "m": {"a": 1}}, "name": "x", "seeds": 1}, {}, "seeds"),
        ({"layers": {"l": {"a": 1}, "m": {"a": 1}}}, {"env.simd": "AVX2"}, "env.simd"),
        # Not alone, not in time, or not what could have done it.
        ({"layers": {"l": {"a": 2}, "m": {"a": 2}}}, {}, None),
        ({"layers": {"l": {"a": 1}, "m": {"a": 2}}}, {}, None),
        ({"layers": {"l": {"a": 1}, "m": {"a": 1}}, "seeds": 1}, {"env.simd": "AVX2"}, None),
        ({"layers": {"l": {"a": 1}, "m": {"a": 1}}, "save": 1}, {}, None),
        ({"layers": {"l": {"a": 1}, "m": {"a": 1}}}, {"env.threads": 9}, None),
        ({"layers": {"l": {"a": 2}, "m": {"a": 1}}}, {"env.hydra": "1.4"}, "layers.l.a"),
        ({"layers": {"l": {"a": "${oc.env:A}"}, "m": {"a": 1}}}, {}, None),
        ({"layers": {"l": {"a": 2}, "m": {"a": 1}}, "name": "${oc.env:A}"}, {}, "layers.l.a"),
        ({"layers": {"l": {"a": 1}, "m": {"a": 1}}, "data": {"path": "x"}}, {}, None),
        ({"layers": {"l": {"a": 1}, "m": {"a": 1}}, "seeds": {"data": 1}}, {}, None),
        # No class of the reader's takes part.
        ({"layers": {"l": {"a": 1}, "m": {"a": 1}}}, {"code.digest": "1"}, None),
    ],
)  # fmt: skip
def test_because_only_where_exactly_one_key_differs(
    tmp_path: Path, changes: dict[str, Any], facts: dict[str, Any], key: str | None
) -> None:
    config = {"layers": {"l": {"a": 1}, "m": {"a": 1}}}
    x, y = noise(9, 3), noise(9, 3, seed=1)
    a = store(tmp_path / "a", {"l": x, "m": x}, config=config)
    b = store(tmp_path / "b", {"l": y, "m": y}, config=changes, facts=facts)
    because = f", because {key} differs" if key else ""
    assert runner.compare(a, b).sentence == (
        f"the runs part at layer l, sample 0, neuron 0{because}"
    )


def test_a_class_that_was_changed_is_the_cause(tmp_path: Path) -> None:
    mine = {"_target_": "mine.Layer"}
    x, y = noise(9, 3), noise(9, 3, seed=1)

    def cause(layers: dict[str, Any], **facts: Any) -> str | None:
        config = {"layers": {"l": {"a": 1}, "m": {"a": 1}, **layers}}
        runs = []
        for number, outputs in enumerate((x, y)):
            folder = tmp_path / f"{len(list(tmp_path.iterdir()))}"
            said = {name: f"{value}{number}" for name, value in facts.items()}
            said = {name.replace("_", "."): value for name, value in said.items()}
            layer = {"l": x, "m": outputs}
            runs.append(store(folder, layer, config=config, facts=said))
        return runner.compare(*runs).cause

    assert cause({"l": mine}, code_digest="") == "code.digest"
    assert cause({"m": mine}, code_digest="", git_commit="") == "code.digest"
    assert cause({"l": mine}, git_commit="") == "git.commit"
    assert cause({"n": mine}, code_digest="") is None  # comes after
    assert cause({}, code_digest="") is None


def test_a_layer_that_was_put_in_stands_alone_from_either_side(tmp_path: Path) -> None:
    x, y, z = (noise(9, 3, seed=seed) for seed in range(3))
    a = store(tmp_path / "a", {"one": x, "act": y, "two": z})
    b = store(tmp_path / "b", {"one": x, "two": noise(9, 3, seed=7)})
    for first, second, has in ((a, b, "A"), (b, a, "B")):
        assert runner.compare(first, second).sentence == (
            f"the runs part at layer act (only {has} has it), because layers.act.a differs"
        )


@pytest.mark.parametrize(
    ("a", "b", "pairs"),
    [
        ("aD bT", "cD dT", "a-c b-d"),
        ("aD bT cD", "xD yD", "a-x b- c-y"),
        ("aD bT cD", "aD cD", "a-a b- c-c"),
        ("aD bT cD", "aD xR cD", "a-a b-x c-c"),
        ("aD bT", "aD xR cD yR", "a-a b-x -c -y"),
        ("aD bD", "bD aD", "a-a b-b"),
        ("aD", "", "a-"),
        ("aD bD cD dT", "xT", "a- b- c- d-x"),
    ],
)
def test_layers_are_matched_the_same_way_round(a: str, b: str, pairs: str) -> None:
    def stack(text: str) -> list[Any]:
        rows = enumerate(text.split())
        return [SimpleNamespace(position=at, name=n[0], kind=n[1]) for at, n in rows]

    def said(found: list[Pair], turn: int) -> str:
        names = ([one.name if one else "" for one in pair][::turn] for pair in found)
        return " ".join("-".join(pair) for pair in names)

    assert said(matched(stack(a), stack(b)), 1) == pairs
    back = said(matched(stack(b), stack(a)), -1)
    assert sorted(back.split()) == sorted(pairs.split())


def test_tolerance_is_for_targets_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, last in (("a", "3"), ("b", "3.00001")):
        (tmp_path / f"{name}.csv").write_text(f"x,y\n1,1\n2,2\n3,{last}\n")
    same = ["data=table", "data.target=y", "layers=one_dense"]
    a, b = (runner.run([*same, f"data.path={tmp_path}/{name}.csv"]) for name in "ab")
    assert runner.compare(a, b).sentence.startswith("the runs part at the targets, sample 2")
    assert runner.compare(a, b, atol=1e-3).same
    assert not runner.compare(a, b, atol=1e-6).same


def test_a_run_beside_itself_is_said(tmp_path: Path) -> None:
    a, b = (store(tmp_path / name, {"l": noise(9, 3)}) for name in "ab")
    (tmp_path / "link").symlink_to(a)
    for other in (a, tmp_path / "link"):
        found = runner.compare(a, other)
        assert (found.same, list(found.notes())) == (True, ["A and B are one and the same run"])
    assert not list(runner.compare(a, b).notes())


def test_inputs_come_first(program: Program) -> None:
    a, b = (program.run("data.samples=9", f"seeds.seed={seed}") for seed in (0, 1))
    found = runner.compare(a, b)
    assert found.sentence.endswith(", because seeds.seed differs")
    assert "at the inputs, sample 1, feature " in found.sentence
    x, y = (runner.load(run).inputs for run in (a, b))
    sample, feature = np.argwhere(x != y)[0]
    first = found.parts[0].differences.first  # type: ignore[union-attr]
    assert first is not None
    assert first[:2] == (sample, feature)


def test_a_run_that_failed(tmp_path: Path) -> None:
    a = store(tmp_path / "a", {"l": noise(9, 3)})
    b, c = (store(tmp_path / name, {}, status=layout.FAILED) for name in "bc")
    found = runner.compare(a, b)
    assert (found.same, found.sentence) == (False, "the runs cannot be the same: run B FAILED")
    with pytest.raises(NotFoundError, match="neither has any"):
        runner.compare(b, c)


def test_very_wide_rows_are_taken_a_few_at_a_time() -> None:
    taken = []

    def matrix(groups: list[int]) -> Any:
        def batches(rows: int) -> Iterator[Any]:
            taken.append(rows)
            return iter([np.ones((3, 2))])

        return SimpleNamespace(
            shape=(9, 1 << 20), dtype=np.dtype("f8"), wide=True, groups=groups, batches=batches
        )

    assert len(list(unequal(matrix([3, 6]), matrix([6, 3])))) == 1
    assert taken == [4, 4]


def test_memory_stays_at_a_few_batches(tmp_path: Path) -> None:
    def peak(rows: int) -> int:
        """KiB, of a fresh process that compares two runs that differ everywhere."""
        for name, seed in (("a", 0), ("b", 1)):
            made = np.resize(noise(70_000, 8, seed=seed), (rows, 8))
            store(tmp_path / f"{name}{rows}", {"l": made}, inputs=made[:, :1])
        code = (
            "import resource, runner, sys; assert not runner.compare(*sys.argv[1:]).same; "
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, *(str(tmp_path / f"{name}{rows}") for name in "ab")],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            check=True,
            capture_output=True,
            text=True,
        )
        return int(done.stdout)

    # Two files of 64 MB each, of which none is ever in memory.
    assert peak(2_000_000) - peak(140_000) < 24 * 1024


def test_the_object_for_notebooks(tmp_path: Path) -> None:
    a = store(tmp_path / "a", {"l": noise(9, 3)})
    b = store(tmp_path / "b", {"l": noise(9, 3, seed=1)}, facts={"env.numpy": "<2>"})
    found = runner.compare(runner.load(a), b)
    assert len(repr(found).splitlines()) == 1
    assert found.sentence in repr(found)
    frame = found.frame()
    assert frame["part"].tolist() == ["inputs", "targets", "layer"]
    assert frame["bits"].tolist() == [True, True, False]
    assert frame["sample"].dtype == "Int64"
    assert frame["value_a"].tolist()[2] == float(noise(9, 3)[0, 0])
    page = found._repr_html_()
    assert "<table>" in page
    assert "&lt;2&gt;" in page
    assert "<2>" not in page


def test_markdown_is_a_table(program: Program) -> None:
    store(program.folder / "a", {"l": noise(9, 3)})
    store(program.folder / "b", {"l": noise(9, 3, seed=1)})
    done = program.start("compare", "a", "b", "--markdown")
    rows = [line for line in done.stdout.splitlines() if line.startswith("|")]
    assert len(rows) == 5
    assert len({row.count("|") for row in rows}) == 1


def test_json_of_what_json_has_no_number_for(program: Program) -> None:
    x, y = noise(9, 3), noise(9, 3)
    x[0, 0], y[0, 0] = math.nan, math.inf
    store(program.folder / "a", {"l": x})
    store(program.folder / "b", {"l": y})
    done = program.start("compare", "a", "b", "--json")
    row = json.loads(done.stdout, parse_constant=pytest.fail)["parts"][-1]
    assert (row["value_a"], row["value_b"], row["nan"], row["inf"]) == ("nan", "inf", 1, 0)
    assert row["max_abs"] == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["nowhere", "a"],
        ["a"],
        ["a", "a", "--theory"],
        ["a", "a", "--by", "seeds.seed"],
        ["a", "--similarity", "nonsense"],
        ["a", "--by", "a.b", "--similarity"],
    ],
)
def test_bad_calls_are_one_line(program: Program, arguments: list[str]) -> None:
    store(program.folder / "a", {"l": noise(9, 3)})
    done = program.start("compare", *arguments)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert len(done.stderr) <= 201


def test_similarity_between_two_runs(tmp_path: Path) -> None:
    x = noise(5000, 6).astype("f8")
    turn, _ = np.linalg.qr(noise(6, 6, "f8", seed=3))
    a = store(tmp_path / "a", {"l": x, "m": noise(5000, 3, "f8", seed=1)})
    b = store(tmp_path / "b", {"turned": 3 * x @ turn, "wide": noise(5000, 9, "f8", seed=2)})
    found = similarity(a, b)
    assert (found.rows, found.columns) == (("l", "m"), ("turned", "wide"))
    assert found.values[0, 0] == pytest.approx(1, abs=1e-12)
    # Of independent data, CKA is about sqrt(p q) / n.
    assert found.values[0, 1] == pytest.approx(math.sqrt(6 * 9) / 5000, rel=0.5)
    assert similarity(a, b, measure="debiased").values[0, 1] == pytest.approx(0, abs=1e-3)
    assert similarity(a, b, measure="procrustes").values[0, 0] == pytest.approx(0, abs=1e-9)
    within = similarity(a)
    assert np.array_equal(np.diag(within.values), [1, 1])
    assert within.frame().loc["l", "m"] == within.values[0, 1]


def test_similarity_on_the_command_line(program: Program) -> None:
    a = program.run("data.samples=30", "layers=book_chapter_4")
    b = program.run("data.samples=30", "seeds.seed=1", "layers=book_chapter_4")
    done = program.start("compare", str(a), "--similarity", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["rows"] == found["columns"] == ["dense1", "activation1", "dense2", "activation2"]
    x, y = (runner.load(a).layers[name].outputs.astype("f8") for name in ("dense1", "dense2"))
    x, y = x - x.mean(0), y - y.mean(0)
    cka = np.linalg.norm(x.T @ y) ** 2 / np.linalg.norm(x.T @ x) / np.linalg.norm(y.T @ y)
    assert found["values"][0][2] == pytest.approx(cka, rel=1e-6)
    two = program.start("compare", str(a), str(b), "--similarity", "svcca")
    assert (two.returncode, "the inputs differ" in two.stderr) == (0, True)


def test_similarity_needs_outputs(program: Program) -> None:
    a = program.run("data.samples=30", "save=statistics")
    with pytest.raises(NotFoundError, match="none were kept"):
        similarity(a)


def test_tolerances_are_numbers_from_0() -> None:
    small = {"atol": -1.0, "rtol": math.inf, "ulp": -1}
    others: list[Any] = [math.nan, 10**400, "x", None, True, 1j, [1.0], np.ones(2)]
    for name in ("atol", "rtol", "ulp"):
        for bad in (small[name], *others):
            with pytest.raises(ConfigError, match=f"^{name}=.*: needs a (whole )?number from 0"):
                Tolerance(**{name: bad})
    parts: list[Any] = [1.5, 1.0, np.float32(1)]
    for bad in parts:
        with pytest.raises(ConfigError, match=r"ulp=.* needs a whole number from 0"):
            Tolerance(ulp=bad)
    good: dict[str, Any] = {"atol": np.float32(0.5), "rtol": 1, "ulp": np.int64(3)}
    assert Tolerance(**good)


def test_floats_are_not_counted_between_two_precisions(tmp_path: Path) -> None:
    x = noise(9, 3)
    a, b = store(tmp_path / "a", {"l": x}), store(tmp_path / "b", {"l": x.astype("f8")})
    with pytest.raises(ConfigError, match=r"ulp=4: .*float32 in A and float64 in B.*layer l"):
        runner.compare(a, b, ulp=4, atol=1)
    c = store(tmp_path / "c", {"l": x}, inputs=np.ones((9, 2)))
    with pytest.raises(ConfigError, match=r"as in the inputs"):
        runner.compare(a, c, ulp=4)
    assert runner.compare(a, b, atol=1).same
    # One that stands alone has nothing to be counted against.
    d = store(tmp_path / "d", {"l": x, "m": x.astype("f8")})
    assert not runner.compare(a, d, ulp=4).same
