from __future__ import annotations

import math

import numpy as np
import pytest

from runner.forward.statistics import ClassMetrics, Statistics, piece_of


def _of(*pieces: np.ndarray) -> Statistics:
    statistics = Statistics()
    for piece in pieces:
        statistics.update(piece_of(piece))
    return statistics


def test_agrees_with_numpy_on_several_pieces() -> None:
    values = np.random.RandomState(3).randn(1000, 7).astype(np.float32)
    statistics = _of(*np.array_split(values, 9))
    wide = values.astype(np.float64)
    assert statistics.mean == pytest.approx(wide.mean(), rel=1e-13)
    assert statistics.std == pytest.approx(wide.std(), rel=1e-13)
    assert (statistics.min, statistics.max) == (values.min(), values.max())
    assert statistics.nonfinite_count == 0


def test_stays_exact_far_from_zero() -> None:
    values = 1e8 + np.arange(10_000, dtype=np.float64).reshape(-1, 2) / 1e4
    statistics = _of(*np.array_split(values, 5))
    assert statistics.std == pytest.approx(np.arange(10_000).std() / 1e4, rel=1e-7)


def test_counts_what_is_not_finite_and_leaves_it_out() -> None:
    values = np.array([[1.0, np.nan], [np.inf, 3.0], [0.0, -np.inf]])
    statistics = _of(values[:1], values[1:])
    assert statistics.nonfinite_count == 3
    assert statistics.mean == pytest.approx(4 / 3)
    assert (statistics.min, statistics.max) == (0.0, 3.0)
    assert statistics.zero_fraction == pytest.approx(1 / 6)


def test_nothing_finite_gives_nan() -> None:
    statistics = _of(np.full((2, 2), np.nan))
    assert statistics.nonfinite_count == 4
    assert all(math.isnan(v) for v in (statistics.mean, statistics.std, statistics.min))


@pytest.mark.parametrize("exponent", [-1060, -600, -500, 480, 900, 1020])
def test_holds_at_any_scale(exponent: int) -> None:
    values = np.random.RandomState(3).uniform(-4, 4, (1000, 3))
    values[:200] = 0
    scaled = np.ldexp(values, exponent)
    pieces = np.array_split(scaled, 5)
    pieces[2] = pieces[2] * 1e-3  # another exponent in between
    wide = np.ldexp(np.concatenate(pieces), -exponent)
    statistics = _of(*pieces)
    rel = 1e-12 if exponent > -1000 else 1e-2  # fewer digits below the normal floats
    assert statistics.std == pytest.approx(math.ldexp(float(wide.std()), exponent), rel=rel)
    assert statistics.mean == pytest.approx(math.ldexp(float(wide.mean()), exponent), rel=rel)
    assert _of(*(-p for p in pieces[::-1])).std == pytest.approx(statistics.std, rel=1e-12)


def test_ends_of_float64() -> None:
    largest = float(np.finfo("f8").max)
    assert _of(np.full((3, 3), largest)).mean == pytest.approx(largest, rel=1e-15)
    both = _of(np.full((2, 2), largest), np.full((2, 2), -largest))
    assert both.mean == 0
    assert both.std == pytest.approx(largest, rel=1e-15)
    assert _of(np.zeros((2, 2)), np.full((2, 2), 1e-200)).std == pytest.approx(5e-201)


def test_largest_doubles_raise_no_warning() -> None:
    assert _of(np.full((4, 4), 1e308)).nonfinite_count == 0


def test_metrics_are_the_books() -> None:
    # Chapter 5: three samples, confidences in the right class 0.7, 0.5, 0.9.
    confidences = np.array([[0.7, 0.1, 0.2], [0.1, 0.5, 0.4], [0.02, 0.9, 0.08]])
    metrics = ClassMetrics()
    metrics.update(confidences, np.array([0, 1, 1]))
    assert metrics.row()["loss"] == pytest.approx(0.38506088005216804, rel=1e-12)
    assert metrics.row()["accuracy"] == 1.0


def test_a_confidence_of_zero_is_clipped() -> None:
    metrics = ClassMetrics()
    metrics.update(np.array([[0.0, 1.0]], dtype=np.float32), np.array([0]))
    assert metrics.row() == {"loss": pytest.approx(-math.log(1e-7), rel=1e-6), "accuracy": 0.0}


def test_a_confidence_that_is_none_is_not_right() -> None:
    metrics = ClassMetrics()
    nan = np.float32(np.nan)
    metrics.update(np.array([[nan, nan], [nan, 1], [0, 1]], dtype=np.float32), np.array([0, 0, 1]))
    row = metrics.row()
    assert row["accuracy"] == 1 / 3
    assert np.isnan(row["loss"])
