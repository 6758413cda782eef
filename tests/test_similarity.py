from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import pytest
from numpy.typing import NDArray

from runner.analysis.moments import BLOCK_ROWS
from runner.analysis.similarity import CrossMoments, bytes_needed, cka, procrustes, svcca
from runner.errors import ConfigError, UnknownKeyError

Array = NDArray[np.float64]
SIZES = [5, 40, 300, BLOCK_ROWS, BLOCK_ROWS + 1, 3 * BLOCK_ROWS + 17]


def _layers(n: int, seed: int = 0, offset: float = 0.0) -> dict[str, Array]:
    """Four related layers: narrow, one neuron, wide, and heavy-tailed with an own offset."""
    rng = np.random.RandomState(seed)
    x = rng.randn(n, 12)
    return {
        "narrow": x * np.linspace(0.1, 3, 12) + offset,
        "single": np.tanh(x[:, :1]) + 0.1 * rng.randn(n, 1) - offset,
        "wide": np.maximum(x @ rng.randn(12, 60), 0) + 0.3 * rng.randn(n, 60),
        "tails": (x @ rng.randn(12, 7)) ** 3 + 10 * offset,
    }


def _moments(
    layers: dict[str, Array], batch: int = 1000, pairs: Iterable[tuple[str, str]] | None = None
) -> CrossMoments:
    moments = CrossMoments(pairs)
    n = len(next(iter(layers.values())))
    for start in range(0, n, batch):
        moments.update({name: array[start : start + batch] for name, array in layers.items()})
    return moments


def _gram_cka(x: Array, y: Array, debiased: bool) -> float:
    """From the n x n Gram matrices: HSIC_0 (biased) and HSIC_1 of Song et al. 2012."""

    def hsic(k: Array, m: Array) -> float:
        n = len(k)
        if not debiased:
            h = np.eye(n) - 1 / n
            return float(np.trace(k @ h @ m @ h))
        k, m = k - np.diag(np.diag(k)), m - np.diag(np.diag(m))
        one = np.ones(n)
        total = np.sum(k * m) + (one @ k @ one) * (one @ m @ one) / ((n - 1) * (n - 2))
        return float((total - 2 / (n - 2) * (one @ k @ m @ one)) / (n * (n - 3)))

    k, m = x @ x.T, y @ y.T
    return hsic(k, m) / math.sqrt(hsic(k, k) * hsic(m, m))


def _svd_svcca(x: Array, y: Array, variance_kept: float) -> float:
    """From the rows: the left singular vectors of both layers."""
    kept = []
    for rows in (x, y):
        u, s, _ = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
        share = np.cumsum(s**2) / np.sum(s**2)
        kept.append(u[:, : int(np.argmax(share >= variance_kept)) + 1])
    return float(np.linalg.svd(kept[0].T @ kept[1], compute_uv=False).mean())


@pytest.mark.parametrize("debiased", [False, True])
@pytest.mark.parametrize("n", [4, 5, 40, 300])
def test_cka_equals_the_gram_matrices(n: int, debiased: bool) -> None:
    layers = _layers(n, offset=3.0)
    scores = cka(_moments(layers, batch=7), debiased=debiased)
    for a in layers:
        for b in layers:
            expected = _gram_cka(layers[a], layers[b], debiased)
            assert scores.between(a, b) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("debiased", [False, True])
def test_cka_over_several_blocks_equals_the_gram_matrices(
    monkeypatch: pytest.MonkeyPatch, debiased: bool
) -> None:
    # Small blocks and a drifting mean, so that carrying to a new mean is what gives the result.
    monkeypatch.setattr("runner.analysis.moments.BLOCK_ROWS", 23)
    layers = _layers(400)
    layers["narrow"] += np.linspace(0, 50, 400)[:, None]
    layers["tails"] -= 40 * np.linspace(0, 1, 400)[:, None] ** 2
    scores = cka(_moments(layers, batch=31), debiased=debiased)
    for a in layers:
        for b in layers:
            expected = _gram_cka(
                layers[a] - layers[a].mean(axis=0), layers[b] - layers[b].mean(axis=0), debiased
            )
            assert scores.between(a, b) == pytest.approx(expected, rel=1e-10, abs=1e-11)


def test_a_far_offset_costs_no_accuracy() -> None:
    near, far = _layers(BLOCK_ROWS * 2 + 5), _layers(BLOCK_ROWS * 2 + 5, offset=1e6)
    for debiased in (False, True):
        expected = cka(_moments(near), debiased=debiased).values
        # The offset itself rounds the data at 1e6 * 2^-52, relative to a spread of 1.
        assert cka(_moments(far), debiased=debiased).values == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("n", SIZES)
def test_batches_change_no_bit(n: int) -> None:
    layers = {name: array for name, array in _layers(n).items() if name != "wide"}
    whole, cut = _moments(layers, batch=n), _moments(layers, batch=997)
    for measure in (cka, svcca, procrustes):
        assert np.array_equal(measure(whole).values, measure(cut).values)


@pytest.mark.parametrize("n", [30, 300, BLOCK_ROWS + 100])
def test_svcca_equals_the_singular_vectors(n: int) -> None:
    layers = _layers(n)
    for variance_kept in (0.9, 0.99):
        scores = svcca(_moments(layers), variance_kept=variance_kept)
        for a in layers:
            for b in layers:
                expected = _svd_svcca(layers[a], layers[b], variance_kept)
                assert scores.between(a, b) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("n", [30, 300, BLOCK_ROWS + 100])
def test_procrustes_is_the_smallest_distance_over_turns(n: int) -> None:
    layers = _layers(n)
    scores = procrustes(_moments(layers))
    for a in layers:
        for b in layers:
            width = max(layers[a].shape[1], layers[b].shape[1])
            x, y = (
                np.pad(rows - rows.mean(axis=0), ((0, 0), (0, width - rows.shape[1])))
                for rows in (layers[a], layers[b])
            )
            x, y = x / np.linalg.norm(x), y / np.linalg.norm(y)
            u, _, v = np.linalg.svd(y.T @ x)
            assert scores.between(a, b) == pytest.approx(
                float(np.linalg.norm(x - y @ u @ v) ** 2), abs=1e-9
            )


@pytest.mark.parametrize("n", [20, 500, BLOCK_ROWS + 1])
def test_a_turned_scaled_and_shifted_layer_is_the_same_layer(n: int) -> None:
    rng = np.random.RandomState(1)
    x = rng.randn(n, 30)
    turn = np.linalg.qr(rng.randn(30, 30))[0]
    moments = _moments({"x": x, "y": -250.0 * x @ turn + 7})
    assert cka(moments).between("x", "y") == pytest.approx(1, abs=1e-12)
    assert cka(moments, debiased=True).between("x", "y") == pytest.approx(1, abs=1e-10)
    assert svcca(moments).between("x", "y") == pytest.approx(1, abs=1e-10)
    assert procrustes(moments).between("x", "y") == pytest.approx(0, abs=1e-10)


def test_independent_layers_have_their_known_expectation() -> None:
    rng = np.random.RandomState(2)
    n, p, trials = 100, 50, 200
    biased, debiased = [], []
    for _ in range(trials):
        moments = _moments({"x": rng.randn(n, p), "y": rng.randn(n, p)})
        biased.append(cka(moments).between("x", "y"))
        debiased.append(cka(moments, debiased=True).between("x", "y"))
    # With m = n - 1 degrees of freedom E|X'Y|^2 = m p^2 and E|X'X|^2 = m p (m + p + 1).
    assert np.mean(biased) == pytest.approx(p / (n + p), rel=0.005)
    assert abs(np.mean(debiased)) < 4 * np.std(debiased) / math.sqrt(trials)
    assert np.std(debiased) < 0.03


def test_one_neuron_against_one_neuron_is_the_squared_correlation() -> None:
    rng = np.random.RandomState(3)
    x = rng.randn(50, 1)
    y = 0.5 * x + rng.randn(50, 1)
    r = np.corrcoef(x[:, 0], y[:, 0])[0, 1]
    moments = _moments({"x": x, "y": y})
    assert cka(moments).between("x", "y") == pytest.approx(r * r, abs=1e-12)
    assert svcca(moments).between("x", "y") == pytest.approx(abs(r), abs=1e-12)
    assert procrustes(moments).between("x", "y") == pytest.approx(2 - 2 * abs(r), abs=1e-12)


@pytest.mark.parametrize("n", [10, BLOCK_ROWS + 10])
def test_a_constant_layer_has_no_similarity_and_says_so(n: int) -> None:
    layers = {"x": np.random.RandomState(0).randn(n, 3), "dead": np.full((n, 4), 0.1)}
    for scores in (cka(_moments(layers)), svcca(_moments(layers)), procrustes(_moments(layers))):
        assert math.isnan(scores.between("x", "dead"))
        assert math.isnan(scores.between("dead", "dead"))
        assert scores.reasons["dead", "x"].startswith("dead is constant")
        assert scores.between("x", "x") == (0 if scores.measure == "procrustes" else 1)


def test_few_samples() -> None:
    layers = {"x": np.random.RandomState(0).randn(3, 5), "y": np.random.RandomState(1).randn(3, 2)}
    assert 0 < cka(_moments(layers)).between("x", "y") <= 1
    scores = cka(_moments(layers), debiased=True)
    assert np.isnan(scores.values).all()
    assert scores.reasons["x", "y"] == "debiased CKA needs at least 4 samples, there are 3"
    one = {name: rows[:1] for name, rows in layers.items()}
    assert cka(_moments(one)).reasons["x", "y"].startswith("x is constant")
    # Two centred samples are a line in any space.
    two = {name: rows[:2] for name, rows in layers.items()}
    assert cka(_moments(two)).between("x", "y") == pytest.approx(1)
    with pytest.raises(ConfigError, match="no rows"):
        cka(CrossMoments())


def test_a_single_differing_sample_has_no_debiased_variance() -> None:
    x = np.full((9, 2), 0.3)
    x[4] = 7.7
    scores = cka(_moments({"x": x, "y": np.random.RandomState(0).randn(9, 2)}), debiased=True)
    assert math.isnan(scores.between("x", "y"))
    assert "x has no debiased variance" in scores.reasons["x", "y"]
    assert scores.between("y", "y") == 1


@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1e30, 1e300])
def test_scale_changes_nothing(scale: float) -> None:
    layers = _layers(200)
    scaled = {name: array * scale for name, array in layers.items() if name != "tails"}
    for debiased in (False, True):
        names = list(scaled)
        expected = cka(_moments({n: layers[n] for n in names}), debiased=debiased).values
        values = cka(_moments(scaled), debiased=debiased).values
        assert values == pytest.approx(expected, rel=1e-9)


def test_growth_beyond_float64_is_said() -> None:
    x = np.random.RandomState(0).randn(2 * BLOCK_ROWS, 2)
    x[BLOCK_ROWS:] *= 1e200
    for measure in (cka, svcca, procrustes):
        scores = measure(_moments({"x": x, "y": np.abs(x) ** 0.1}))
        assert "orders of magnitude" in scores.reasons["x", "y"]


def test_constant_first_rows_are_no_constant_layer() -> None:
    x = np.full((2 * BLOCK_ROWS, 2), 5.0)
    x[BLOCK_ROWS:] += np.random.RandomState(0).randn(BLOCK_ROWS, 2)
    y = np.random.RandomState(1).randn(2 * BLOCK_ROWS, 3)
    expected = cka(_moments({"x": x[::-1], "y": y[::-1]})).between("x", "y")
    assert cka(_moments({"x": x, "y": y})).between("x", "y") == pytest.approx(expected, rel=1e-9)


def test_only_the_pairs_asked_for() -> None:
    for n in (50, BLOCK_ROWS + 50):
        layers = _layers(n)
        every = cka(_moments(layers), debiased=True)
        some = cka(_moments(layers, pairs=[("tails", "narrow")]), debiased=True)
        assert some.between("narrow", "tails") == every.between("narrow", "tails")
        assert some.reasons["wide", "narrow"] == "this pair was not asked for"
    with pytest.raises(UnknownKeyError, match="did you mean narrow"):
        _moments(layers, pairs=[("narow", "wide")])


def test_results_in_between_disturb_nothing() -> None:
    layers = _layers(2 * BLOCK_ROWS + 100)
    moments = CrossMoments()
    for start in range(0, 2 * BLOCK_ROWS + 100, 1500):
        moments.update({name: rows[start : start + 1500] for name, rows in layers.items()})
        cka(moments, debiased=True)
    expected = cka(_moments(layers), debiased=True).values
    assert cka(moments, debiased=True).values == pytest.approx(expected, rel=1e-11)


def test_float32_is_computed_in_float64() -> None:
    layers = {name: rows.astype(np.float32) for name, rows in _layers(500).items()}
    wide = {name: rows.astype(np.float64) for name, rows in layers.items()}
    moments = CrossMoments()
    moments.update(layers)
    assert np.array_equal(cka(moments).values, cka(_moments(wide)).values)


def test_a_value_that_is_not_finite_is_named() -> None:
    for bad in (np.nan, np.inf):
        x = np.random.RandomState(0).randn(10, 3)
        x[7, 1] = bad
        with pytest.raises(ConfigError, match=r"dense2=\S+: row 7 of this batch, neuron 1"):
            CrossMoments().update({"dense1": np.abs(x[:, 2:]), "dense2": x})


def test_shapes_that_do_not_fit_are_refused() -> None:
    x = np.random.RandomState(0).randn(10, 3)
    with pytest.raises(ConfigError, match="b=9 rows: a has 10 rows"):
        CrossMoments().update({"a": x, "b": x[:9]})
    with pytest.raises(ConfigError, match="rows x neurons"):
        CrossMoments().update({"a": x[:, 0]})
    with pytest.raises(ConfigError, match="real numbers"):
        CrossMoments().update({"a": x.astype(complex)})
    moments = CrossMoments()
    moments.update({"a": x})
    with pytest.raises(ConfigError, match="a=2 neurons: had 3"):
        moments.update({"a": x[:, :2]})
    with pytest.raises(ConfigError, match="b=outputs: every batch needs the same layers"):
        moments.update({"a": x, "b": x})
    with pytest.raises(ConfigError, match=r"variance_kept=1\.5"):
        svcca(moments, variance_kept=1.5)


def test_memory_is_foreseen() -> None:
    widths = {"a": 600, "b": 400}
    assert bytes_needed(widths, 100) < 4_000_000
    assert bytes_needed(widths, 10**9) == bytes_needed(widths, 10**6)
    moments = 8 * (600 * 600 + 600 * 400 + 400 * 400)
    assert (
        moments < bytes_needed(widths, 10**6) < moments + 8 * (3 * BLOCK_ROWS * 1000 + 600**2 + 1)
    )
    assert bytes_needed(widths, 10**6, pairs=[]) < bytes_needed(widths, 10**6)
