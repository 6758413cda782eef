"""Two layers of the book on its spiral, computed with its own code, for scripts that store them."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nnfs
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from nnfs.datasets import spiral_data

SAMPLES, CLASSES, NEURONS = 100, 3, 3
LAYERS = ("dense1", "dense2")


def prepare() -> None:
    """The book's rules, for the whole process; once, for a second time wraps what is wrapped."""
    nnfs.init()


def draw(seed: int) -> tuple[Any, Any, list[tuple[Any, Any]]]:
    """Inputs (300 x 2), targets (300) and each layer's weights and biases, float32."""
    np.random.seed(seed)
    inputs, targets = spiral_data(samples=SAMPLES, classes=CLASSES)
    shapes = ((inputs.shape[1], NEURONS), (NEURONS, NEURONS))
    layers = [(0.1 * np.random.randn(*shape), np.zeros((1, NEURONS))) for shape in shapes]
    return inputs, targets, layers


def forward(inputs: Any, weights: Any, biases: Any) -> Any:
    """The layer's outputs: rows x n_neurons, float32."""
    return np.dot(inputs, weights) + biases


def parameters(seed: int) -> dict[str, int]:
    """What a run is told by."""
    return {"seed": seed, "samples": SAMPLES, "classes": CLASSES, "n_neurons": NEURONS}


def compute(seed: int) -> tuple[dict[str, Any], dict[str, float]]:
    """Each layer's outputs, and their mean and spread as metrics."""
    outputs, _, layers = draw(seed)
    kept: dict[str, Any] = {}
    metrics: dict[str, float] = {}
    for name, (weights, biases) in zip(LAYERS, layers, strict=True):
        outputs = forward(outputs, weights, biases)
        kept[name] = outputs
        metrics |= {f"{name}_mean": float(outputs.mean()), f"{name}_std": float(outputs.std())}
    return kept, metrics


def store(folder: Path, kept: dict[str, Any]) -> list[Path]:
    """A parquet file of each layer's outputs."""
    paths = []
    for name, outputs in kept.items():
        paths.append(folder / f"{name}.parquet")
        columns = [pa.array(column) for column in np.ascontiguousarray(outputs.T)]
        names = [f"neuron_{i}" for i in range(len(columns))]
        table = pa.Table.from_arrays(columns, names=names)
        pq.write_table(
            table, paths[-1], compression="none", use_dictionary=False, write_statistics=False
        )
    return paths


def print_seconds(one: Callable[[int], object], count: int) -> None:
    """Does a run that isn't counted and then ``count`` that are; prints the seconds of one."""
    prepare()
    one(0)
    started = time.perf_counter()
    for seed in range(1, count + 1):
        one(seed)
    sys.stdout.write(f"{(time.perf_counter() - started) / count}\n")
