"""Names, columns and digests: what later versions must go on reading."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from runner.store import layout
from runner.store.layout import OutputsDigest


def test_the_columns_are_the_contract() -> None:
    assert [name for name, _ in layout.LAYER_COLUMNS] == (
        "position name kind n_inputs n_neurons n_samples dtype mean std min max "
        "zero_fraction nonfinite_count digest path bytes seconds"
    ).split()
    assert [name for name, _ in layout.RUN_COLUMNS] == (
        "run_id status name tags start_time end_time error overrides config config_hash digest"
    ).split()


@pytest.mark.parametrize(
    ("position", "n_layers", "path"),
    [
        (0, 1, "layers/00-dense1.parquet"),
        (7, 100, "layers/07-dense1.parquet"),
        (7, 101, "layers/007-dense1.parquet"),
        (100, 101, "layers/100-dense1.parquet"),
    ],
)
def test_layer_files_have_the_digits_the_last_needs(
    position: int, n_layers: int, path: str
) -> None:
    assert layout.layer_file(position, "dense1", n_layers) == path


def test_a_row_group_is_bounded_and_never_tiny() -> None:
    assert layout.group_rows(3, 4) == 65536
    assert layout.group_rows(1024, 4) == 4096
    assert layout.group_rows(4096, 4) * 4096 * 4 <= 1 << 24
    assert layout.group_rows(10**9, 8) == 1
    # Many layers are open at once: together they stay within 64 MiB, as far as a tile lets them.
    assert layout.group_rows(64, 4, 131) == 65536
    assert layout.group_rows(64, 4, 20 * 64) == 8192
    assert layout.group_rows(64, 4, 1000 * 64) == 4096


def test_the_digest_is_over_dtype_shape_and_little_endian_bytes() -> None:
    outputs = np.arange(6, dtype="f4").reshape(3, 2)
    digest = OutputsDigest(outputs.dtype, (3, 2))
    digest.update(outputs)
    expected = hashlib.sha256(b"float32 3 2\n" + outputs.astype("<f4").tobytes())
    assert digest.hexdigest() == expected.hexdigest()


@pytest.mark.parametrize("cut", [1, 7, 1000])
def test_the_digest_knows_nothing_of_batches_order_or_byte_order(cut: int) -> None:
    outputs = np.random.RandomState(0).randn(1000, 5)
    whole = OutputsDigest(outputs.dtype, outputs.shape)
    whole.update(outputs)
    other = np.asfortranarray(outputs).astype(">f8")
    parts = OutputsDigest(other.dtype, outputs.shape)
    for start in range(0, 1000, cut):
        parts.update(other[start : start + cut])
    assert parts.hexdigest() == whole.hexdigest()


def test_the_digest_tells_bits_shapes_and_dtypes_apart() -> None:
    zeros = np.zeros((4, 6), dtype="f4")
    flipped = zeros.copy()
    flipped[3, 5] = -0.0
    seen = set()
    for outputs in (zeros, flipped, zeros.reshape(6, 4), zeros.view("f8"), zeros.view("i4")):
        digest = OutputsDigest(outputs.dtype, (outputs.shape[0], outputs.shape[1]))
        digest.update(outputs)
        seen.add(digest.hexdigest())
    assert len(seen) == 5


def test_a_digest_of_part_of_the_rows_is_refused() -> None:
    digest = OutputsDigest(np.dtype("f4"), (3, 2))
    digest.update(np.zeros((2, 2), dtype="f4"))
    with pytest.raises(ValueError, match="1 rows are missing"):
        digest.hexdigest()
    with pytest.raises(ValueError, match="float32 a row"):
        digest.update(np.zeros((1, 2)))


def test_the_digest_of_a_run_depends_on_the_order_of_its_layers() -> None:
    assert layout.run_digest(["a", "b"]) == hashlib.sha256(b"a\nb\n").hexdigest()
    assert layout.run_digest(["a", "b"]) != layout.run_digest(["b", "a"])
