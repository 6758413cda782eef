"""The estimators of the studies, on numbers whose answer is known."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

pytest.importorskip("altair")

from docs.studies.edge_of_chaos import edge
from docs.studies.he_and_glorot import factor
from docs.studies.rounding_over_depth import grown
from docs.studies.similarity_over_width import Scores, error_of_power, power

NETWORKS = 24
SHIFTS = np.random.RandomState(0).normal(scale=0.01, size=NETWORKS)


def test_the_edge_and_its_error() -> None:
    """Networks whose chi_1 is too large or too small by the same factor everywhere."""
    chis = [(w, list(np.exp(0.2 * (w - 1.76) + SHIFTS))) for w in (1.7, 1.8)]
    few = [(w, list(np.exp(0.2 * (w - 1.76) + SHIFTS[:3]))) for w in (1.0, 1.5)]
    place, error = edge([*few, *chis, (2.5, [1.2, 1.1])])
    assert place == pytest.approx(1.76 - SHIFTS.mean() / 0.2)
    assert error == pytest.approx(SHIFTS.std(ddof=1) / math.sqrt(NETWORKS) / 0.2)


def test_the_power_of_width_and_its_error() -> None:
    pairs = list(itertools.combinations(range(8), 2))
    exact: Scores = {w: dict.fromkeys(pairs, 1 - 5 / w) for w in (16.0, 32, 64, 128, 256)}
    assert power(exact) == pytest.approx(-1)
    assert error_of_power(exact, 8) == pytest.approx(0, abs=1e-12)
    one_off = {w: {p: s - 0.02 * (0 in p) for p, s in row.items()} for w, row in exact.items()}
    assert power(one_off, without=0, width=256.0) < power(one_off)
    assert error_of_power(one_off, 8) > 0.02


def test_growth_over_layers_and_its_error() -> None:
    growth, error = grown(list(1e-7 * 1.361 ** np.arange(20)))
    assert growth == pytest.approx(1.361)
    assert error == pytest.approx(0, abs=1e-12)


def test_the_factor_of_a_layer() -> None:
    assert factor(np.outer([0.9, 1.1], 0.5 ** np.arange(30))) == pytest.approx(0.5)
