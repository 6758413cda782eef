from __future__ import annotations

import io
import pickle
import subprocess
import sys
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import runner.data
from runner.data import arrow
from runner.data import table as read_table
from runner.errors import ConfigError, TooLargeError, UnknownKeyError

Write = Callable[[Path, dict[str, np.ndarray[Any, Any]]], Path]
CSV = "a,b,kind\n1,0.5,0\n2,0.25,1\n3,-1e3,2\n"


def write_csv(folder: Path, data: dict[str, np.ndarray[Any, Any]]) -> Path:
    path = folder / "table.csv"
    lines = [
        ",".join(data),
        *(
            ",".join(map(repr, row))
            for row in zip(*(column.tolist() for column in data.values()), strict=True)
        ),
    ]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def write_parquet(folder: Path, data: dict[str, np.ndarray[Any, Any]]) -> Path:
    path = folder / "table.parquet"
    pq.write_table(pa.table(data), path, row_group_size=2, write_page_checksum=True)
    return path


def write_npz(folder: Path, data: dict[str, np.ndarray[Any, Any]]) -> Path:
    path = folder / "table.npz"
    np.savez(path, **data)  # type: ignore[arg-type]
    return path


WRITERS = [write_csv, write_parquet, write_npz]


def refused(path: Path | str, **config: Any) -> ConfigError:
    """What planning and making both say of a table, the same."""
    said = []
    for attempt in (
        lambda: runner.data.plan("runner.data.table", {"path": str(path), **config}),
        lambda: read_table(str(path), **config),
    ):
        with pytest.raises(ConfigError) as caught:
            attempt()
        said.append(caught.value)
    assert str(said[0]) == str(said[1])
    assert len(said[0].line()) <= 200
    assert "\n" not in said[0].line()
    return said[0]


@pytest.mark.parametrize("write", WRITERS)
def test_reads_the_same_from_every_kind_of_file(tmp_path: Path, write: Write) -> None:
    data = {
        "a": np.array([1, 2, 3]),
        "b": np.array([0.1, 0.25, -1e3]),
        "kind": np.array([2, 0, 1]),
        "value": np.array([0.5, 1.5, 2.0]),
    }
    path = str(write(tmp_path, data))
    inputs, targets = read_table(path, ["b", "a"], "kind")
    assert inputs.tolist() == [[0.1, 1], [0.25, 2], [-1e3, 3]]
    assert inputs.dtype == np.float64
    assert inputs.flags.c_contiguous
    assert targets is not None
    assert targets.tolist() == [2, 0, 1]
    assert targets.dtype == np.int64
    config = {"path": path, "features": ["b", "a"], "target": "kind"}
    assert runner.data.plan("runner.data.table", config) == (3, 2, 3, np.dtype(np.float64))

    inputs, targets = read_table(path, target="value")
    assert inputs.tolist() == [[1, 0.1, 2], [2, 0.25, 0], [3, -1e3, 1]]
    assert targets is not None
    assert targets.tolist() == [0.5, 1.5, 2.0]
    assert targets.dtype == np.float64
    assert runner.data.plan("runner.data.table", {"path": path, "target": "value"})[2] is None

    inputs, targets = read_table(path)
    assert (inputs.shape, targets) == ((3, 4), None)


@pytest.mark.parametrize("write", [write_parquet, write_npz])
def test_float32_stays_where_all_features_are(tmp_path: Path, write: Write) -> None:
    data: dict[str, np.ndarray[Any, Any]] = {
        "a": np.array([0.1, 0.2], np.float32),
        "b": np.array([3, 4], np.float32),
        "c": np.array([1, 2], np.int8),
    }
    path = str(write(tmp_path, data))
    inputs = read_table(path, ["a", "b"], "c").inputs
    assert inputs.dtype == np.float32
    assert inputs[:, 0].tobytes() == data["a"].tobytes()
    assert read_table(path, ["a", "c"]).inputs.dtype == np.float64
    assert read_table(path).inputs.dtype == np.float64


@pytest.mark.parametrize(
    "dtype", ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"]
)
@pytest.mark.parametrize("write", [write_parquet, write_npz])
def test_every_width_of_number(tmp_path: Path, write: Write, dtype: str) -> None:
    path = write(tmp_path, {"a": np.array([1, 2, 3, 4, 5], dtype), "b": np.arange(5.0)})
    inputs, targets = read_table(str(path), ["b"], "a")
    assert inputs[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert targets is not None
    assert targets.tolist() == [1, 2, 3, 4, 5]
    assert targets.dtype == (np.float64 if dtype[0] == "f" else np.int64)
    assert read_table(str(path), ["a"]).inputs[:, 0].tolist() == [1, 2, 3, 4, 5]


def test_big_endian_and_column_order_npz(tmp_path: Path) -> None:
    turned = np.asfortranarray(np.arange(6.0).reshape(3, 2)).astype(">f4")
    path = str(write_npz(tmp_path, {"X": turned}))
    inputs = read_table(path).inputs
    assert inputs.dtype == np.dtype(np.float32)
    assert inputs.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert inputs.flags.c_contiguous


def test_npz_arrays_of_two_dimensions_are_several_columns(tmp_path: Path) -> None:
    block, column = np.arange(12.0).reshape(4, 3), np.array([[0], [1], [1], [0]])
    path = str(write_npz(tmp_path, {"X": block, "y": column, "z": np.arange(4)}))
    inputs, targets = read_table(path, ["X"], "y")
    assert inputs.tolist() == block.tolist()
    assert targets is not None
    assert targets.tolist() == [0, 1, 1, 0]
    assert read_table(path, ["X_2", "z", "X_0"]).inputs[1].tolist() == [5, 1, 3]
    assert read_table(path, target="y").inputs[1].tolist() == [3, 4, 5, 1]
    assert read_table(path, target="y_0").inputs.shape == (4, 4)
    assert "is 3 columns" in str(refused(path, target="X"))
    assert refused(path, features=["X", "X_1"]).key == "features"


def test_compressed_npz(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "t.npz", X=np.ones((5, 2)))
    assert read_table(str(tmp_path / "t.npz")).inputs.tolist() == [[1, 1]] * 5


def test_the_index_of_pandas_is_no_feature(tmp_path: Path) -> None:
    import pandas as pd

    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]}, index=[7, 9])
    frame.to_parquet(tmp_path / "t.parquet")
    assert read_table(str(tmp_path / "t.parquet")).inputs.tolist() == [[1, 3], [2, 4]]
    frame.rename_axis("sample").to_parquet(tmp_path / "t.parquet")
    assert read_table(str(tmp_path / "t.parquet")).inputs.tolist() == [[1, 3], [2, 4]]
    asked = read_table(str(tmp_path / "t.parquet"), ["sample", "a"]).inputs
    assert asked.tolist() == [[7, 1], [9, 2]]


def test_csv_is_handed_to_arrow_in_memory_of_arrows_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its threads let go of it when they like, even once Python has begun to end."""
    (tmp_path / "t.csv").write_text(CSV, "utf-8")
    handed: list[object] = []
    monkeypatch.setattr(pa, "BufferReader", handed.append)
    monkeypatch.setattr("pyarrow.csv.read_csv", lambda *_, **__: pa.table({"a": [1]}))
    arrow.open_csv(tmp_path / "t.csv")
    [buffer] = handed
    assert isinstance(buffer, pa.Buffer)
    assert buffer.is_mutable  # what is Python's is lent to be read
    assert buffer.to_pybytes() == CSV.encode()


@pytest.mark.parametrize(
    "text", ["a" + ",b" * 700_000, "a,b\n1," + "1" * 30_000_000], ids=["head", "row"]
)
def test_csv_with_a_line_that_never_ends(tmp_path: Path, text: str) -> None:
    """It would be read again with every piece that is added to it."""
    (tmp_path / "t.csv").write_text(f"{text}\n1,2\n")
    assert refused(tmp_path / "t.csv").problem.startswith("has a line of more than 1 MB")


@pytest.mark.parametrize(
    "notes", [b"[" * 10_000, b"\xff", b"{", b'{"index_columns": ' + b"[" * 9999]
)
def test_parquet_with_notes_that_are_none_of_pandas(tmp_path: Path, notes: bytes) -> None:
    table = pa.table({"a": [1.0]}).replace_schema_metadata({b"pandas": notes})
    pq.write_table(table, tmp_path / "t.parquet")
    assert "what pandas noted" in refused(tmp_path / "t.parquet").problem


def test_npz_with_a_header_that_is_larger_than_its_numbers(tmp_path: Path) -> None:
    head = b"{'descr': '<f8', 'fortran_order': False, 'shape': (3,)}" + b" " * (64 << 20)
    with zipfile.ZipFile(tmp_path / "t.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        entry = b"\x93NUMPY\x02\x00" + len(head).to_bytes(4, "little") + head
        archive.writestr("a.npy", entry)
    tracemalloc.start()
    error = refused(tmp_path / "t.npz")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert error.problem == "array a has a header of 67.1 MB: it is damaged"
    assert peak < 8 << 20


def test_csv_of_many_blocks_whose_last_number_is_real(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "1,2\n" * 700_000 + "1.5,2\n", "utf-8")
    inputs, targets = read_table(str(path), target="b")
    assert inputs.shape == (700_001, 1)
    assert inputs[-1, 0] == 1.5
    assert targets is not None
    assert targets.dtype == np.int64


def test_path_may_start_at_home_and_end_in_capitals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "T.CSV").write_text(CSV, "utf-8")
    assert read_table("~/T.CSV").inputs.shape == (3, 3)


def test_no_such_file(tmp_path: Path) -> None:
    error = refused(tmp_path / "none.csv")
    assert (error.key, error.problem) == ("path", "there is no such file")
    assert "is not a file" in str(refused(tmp_path))
    assert "name of a" in str(refused(""))
    assert refused("x" * 5000 + ".csv").key == "path"
    (tmp_path / "t.xlsx").write_text("x", "utf-8")
    assert "needs a file of .csv, .parquet, .npz" in str(refused(tmp_path / "t.xlsx"))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "the table is empty"),
        ("\n\n", "the table is empty"),
        ("a,b\n", "the table is empty"),
        ("a,b\n1,2\n1,2,3\n", "Expected 2 columns"),
        ("a,a\n1,2\n", "two columns of the name a"),
        ("1,2\n3,4\n", "columns' names in its first line"),
        ("a;b\n1;2\n", "has semicolons between its values, needs commas"),
        ("a;b\r\n1,5;2\r\n", "needs commas, and points in its numbers"),
        ("\n1;2\n3;4\n", "has semicolons"),
        ("a\tb\n1\t2\n", "has tabs"),
        ("a|b\n1|2\n", "has bars"),
        ("a b\n1 2\n", "has blanks"),
        (
            ",a\n0,1\n",
            "column 1 has no name: name it, take it out (pandas: to_csv(…, index=False))",
        ),
        ("a,b,\n1,2,\n", "column 3 has no name: name it, take it out, or say data.features"),
        (",,\n1,2,3\n", "column 1 has no name"),
        ("a,b\n1,\xff\n", "not numbers"),
    ],
)
def test_csv_that_is_no_table(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "t.csv").write_text(text, "utf-8")
    error = refused(tmp_path / "t.csv")
    assert problem in error.problem


@pytest.mark.parametrize("head", ["a;b", '"a;b"', "a b", "a|b"])
def test_csv_of_one_column_whose_name_has_a_separator(tmp_path: Path, head: str) -> None:
    (tmp_path / "t.csv").write_text(f"{head}\n1\n2\n", "utf-8")
    assert read_table(str(tmp_path / "t.csv")).inputs.tolist() == [[1], [2]]
    (tmp_path / "t.csv").write_text("full name\nAda Lovelace\n", "utf-8")
    assert "is text, not numbers" in refused(tmp_path / "t.csv").problem


def test_csv_whose_columns_are_chosen_may_have_one_without_a_name(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(",a,,b\n0,1,x,2\n1,3,y,4\n", "utf-8")
    assert read_table(str(tmp_path / "t.csv"), ["a", "b"]).inputs.tolist() == [[1, 2], [3, 4]]


def test_csv_that_is_no_utf_8(tmp_path: Path) -> None:
    for text, encoding in (("größe\n1\n", "latin-1"), ("a\n1\n", "utf-16")):
        (tmp_path / "t.csv").write_bytes(text.encode(encoding))
        assert refused(tmp_path / "t.csv").problem == "is not UTF-8: save it as such"
    (tmp_path / "t.csv").write_bytes(b"a\ngr\xf6\xdfe\n")
    assert "is text, not numbers" in refused(tmp_path / "t.csv").problem


def test_the_word_among_many_numbers_is_named(tmp_path: Path) -> None:
    lines = [f"{at},{at}\n" for at in range(700_000)]
    lines[650_000] = "here,1\n"
    (tmp_path / "t.csv").write_text(f"a,b\n{''.join(lines)}", "utf-8")
    problem = refused(tmp_path / "t.csv").problem
    assert problem == "has the text 'here' in row 650000 (from 0), needs numbers"


@pytest.mark.parametrize(
    ("column", "problem"),
    [
        ("1,x", "has the text 'x' in row 1 (from 0), needs numbers"),
        ("x,y", "is text, not numbers: give each word a number"),
        ("1,", "has 1 of 2 values missing"),
        ("1,NaN", "has 1 of 2 values missing"),
        ("1,inf", "has inf in row 1 (from 0)"),
        ("1,-inf", "has -inf in row 1 (from 0)"),
        ("true,false", "is bool, not numbers"),
        ("2020-01-01,2020-01-02", "not numbers"),
        (",", "has 2 of 2 values missing"),
    ],
)
@pytest.mark.parametrize("key", ["features", "target"])
def test_csv_column_that_is_no_numbers(tmp_path: Path, column: str, problem: str, key: str) -> None:
    first, second = column.split(",")
    (tmp_path / "t.csv").write_text(f"a,b\n1,{first}\n2,{second}\n", "utf-8")
    config = {"features": ["b"]} if key == "features" else {"target": "b"}
    error = refused(tmp_path / "t.csv", **config)
    assert (error.key, error.value) == (key, "b")
    assert problem in error.problem
    # Nobody asked for it: then it is no obstacle.
    assert read_table(str(tmp_path / "t.csv"), ["a"]).inputs.tolist() == [[1], [2]]


def test_unknown_columns(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("length,width\n1,2\n", "utf-8")
    error = refused(tmp_path / "t.csv", features=["lenght"])
    assert isinstance(error, UnknownKeyError)
    assert (error.key, error.value) == ("features", "lenght")
    assert "did you mean length?" in error.problem
    assert "there is: length, width" in refused(tmp_path / "t.csv", target="class").problem
    assert refused(tmp_path / "t.csv", target="").key == "target"


@pytest.mark.parametrize("features", [[], "a", [0], [["a"]], [None], ["a", "a"], 3])
def test_features_that_are_no_list_of_columns(tmp_path: Path, features: Any) -> None:
    (tmp_path / "t.csv").write_text(CSV, "utf-8")
    assert refused(tmp_path / "t.csv", features=features).key == "features"


def test_only_the_target(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a\n1\n", "utf-8")
    assert "no column is left" in refused(tmp_path / "t.csv", target="a").problem


def test_parquet_columns_that_are_no_numbers(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    numbers = pa.array([1.0, 2.0])
    for column, problem in (
        (pa.array(["x", "y"]), "not numbers"),
        (pa.array([1.0, None]), "has 1 of 2 values missing"),
        (pa.array([1.0, float("nan")]), "has nan in row 1"),
        (pa.array([[1.0], [2.0]]), "not numbers"),
        (pa.array([1, 2], pa.decimal128(5, 2)), "not numbers"),
        (pa.array(["x", "y"]).dictionary_encode(), "not numbers"),
    ):
        pq.write_table(pa.table({"a": numbers, "b": column}), path)
        error = refused(path)
        assert (error.key, error.value) == ("features", "b")
        assert problem in error.problem
    pq.write_table(pa.table({"a": pa.array([], pa.float64())}), path)
    assert "the table is empty" in refused(path).problem
    pq.write_table(pa.table([numbers, numbers], ["a", "a"]), path)
    assert "two columns of the name a" in refused(path).problem


def test_damaged_files(tmp_path: Path) -> None:
    rng = np.random.RandomState(0)
    for write in (write_parquet, write_npz):
        path = write(tmp_path, {"a": rng.randn(5000)})
        whole = path.read_bytes()
        for damaged in (b"", b"PAR1junk", whole[: len(whole) // 2], _flipped(whole)):
            path.write_bytes(damaged)
            assert refused(path).key == "path"


def test_one_bit_that_parquet_itself_does_not_notice(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    numbers = pa.table({"a": np.random.RandomState(0).randn(5000)})
    pq.write_table(
        numbers, path, compression="none", use_dictionary=False, write_page_checksum=True
    )
    path.write_bytes(_flipped(path.read_bytes()))
    assert pq.read_table(path).num_rows == 5000
    assert refused(path).key == "path"


def test_a_part_of_an_arrow_array_is_that_part() -> None:
    whole = pa.array([1.0, 2.0, 3.0, 4.0])
    column = pa.chunked_array([whole.slice(1, 2), whole.slice(3), whole.slice(0, 0)])
    numbers = arrow._array(column)
    assert isinstance(numbers, np.ndarray)
    assert numbers.tolist() == [2, 3, 4]


def _flipped(whole: bytes) -> bytes:
    middle = len(whole) // 2
    return whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("unpickled",))


def test_npz_is_never_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "t.npz"
    np.savez(path, a=np.array([Bomb(), Bomb()], object))
    assert "never unpickled" in refused(path).problem
    path.write_bytes(pickle.dumps(Bomb()))
    assert refused(path).key == "path"


def test_npz_that_is_no_table(tmp_path: Path) -> None:
    path = tmp_path / "t.npz"
    np.savez(path, a=np.ones(3), b=np.ones(4))
    assert "differ in length: a 3, b 4" in refused(path).problem
    np.savez(path, a=np.array(3.0))
    assert "array a has 0 dimensions" in refused(path).problem
    np.savez(path, a=np.ones((2, 2, 2)))
    assert "array a has 3 dimensions" in refused(path).problem
    np.savez(path, a=np.ones((0, 2)))
    assert "the table is empty" in refused(path).problem
    np.savez(path)
    assert "the table is empty" in refused(path).problem
    np.savez(path, X=np.ones((2, 2)), X_1=np.ones(2))
    assert "two columns of the name X_1" in refused(path).problem
    np.savez(path, a=np.array([1j, 2]), b=np.array(["x", "y"]), c=np.array([True, False]))
    for name in "abc":
        assert "not numbers" in refused(path, features=[name]).problem
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    assert "cannot be read as npz" in refused(path).problem


def test_small_files_that_unpack_to_more_than_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": pa.array(np.full(200_000, 1.0))}), path, compression="zstd")
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        head, {"descr": "<f8", "fortran_order": True, "shape": (10**14, 2)}
    )
    with zipfile.ZipFile(tmp_path / "t.npz", "w") as archive:
        archive.writestr("X.npy", head.getvalue())
    # Stored column by column: its rows can't be had without all of them.
    assert isinstance(refused(tmp_path / "t.npz", features=["X_0"]), TooLargeError)

    def unpack(*args: Any) -> None:
        pytest.fail("was unpacked")

    monkeypatch.setattr(arrow, "_part", unpack)
    monkeypatch.setattr("runner.limits.available_memory", lambda: 1_000_000)
    error = refused(path)
    assert isinstance(error, TooLargeError)
    assert "unpacks to 3.2 MB, 1 MB of memory is free" in str(error)


def test_classes(tmp_path: Path) -> None:
    path = str(write_npz(tmp_path, {"a": np.ones(3), "y": np.array([-1, 1, 1])}))
    assert runner.data.plan("runner.data.table", {"path": path, "target": "y"}).n_classes == 2
    path = str(write_npz(tmp_path, {"a": np.ones(1), "y": np.array([2**63], np.uint64)}))
    assert "beyond" in refused(path, target="y").problem


FRESH = """
import sys, runner.data
for path in sys.argv[1:]:
    runner.data.make("runner.data.table", {"path": path, "target": "b"}, None)
assert "pyarrow" in sys.modules
assert not {"pandas", "nnfs", "sklearn"} & set(sys.modules)
"""


def test_loads_no_pandas(tmp_path: Path) -> None:
    data = {"a": np.arange(3.0), "b": np.arange(3)}
    paths = [str(write(tmp_path, data)) for write in (write_csv, write_parquet, write_npz)]
    subprocess.run([sys.executable, "-c", FRESH, *paths], check=True)
