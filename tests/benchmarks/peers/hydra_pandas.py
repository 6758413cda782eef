"""What one would write without us: a bare Hydra application that stores its layers with pandas."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import hydra
import nnfs
import numpy as np
import pandas as pd
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from nnfs.datasets import spiral_data
from omegaconf import DictConfig, OmegaConf


class LayerDense:
    """The book's layer."""

    def __init__(self, n_inputs: int, n_neurons: int) -> None:
        self.weights = 0.1 * np.random.randn(n_inputs, n_neurons)
        self.biases = np.zeros((1, n_neurons))

    def forward(self, inputs: Any) -> None:
        """Sets ``output``: rows x n_neurons."""
        self.output = np.dot(inputs, self.weights) + self.biases


@hydra.main(config_path="hydra_pandas_conf", config_name="config", version_base="1.3")
def main(cfg: DictConfig) -> None:
    """One run into Hydra's output directory."""
    started, clock = datetime.now(UTC), time.perf_counter()
    nnfs.init()
    inputs, targets = spiral_data(samples=cfg.data.samples, classes=cfg.data.classes)
    layers = {name: instantiate(layer) for name, layer in cfg.layers.items()}
    directory = Path(HydraConfig.get().runtime.output_dir)
    frame = pd.DataFrame(inputs, columns=[f"input_{i}" for i in range(inputs.shape[1])])
    frame.assign(target=targets).to_parquet(directory / "inputs.parquet")
    rows = []
    outputs = inputs
    for name, layer in layers.items():
        layer.forward(outputs)
        outputs = layer.output
        columns = [f"neuron_{i}" for i in range(outputs.shape[1])]
        pd.DataFrame(outputs, columns=columns).to_parquet(directory / f"{name}.parquet")
        rows.append({"name": name, "mean": outputs.mean(), "std": outputs.std()})
    pd.DataFrame(rows).to_parquet(directory / "layers.parquet")
    metadata = {
        "start_time": started,
        "seconds": time.perf_counter() - clock,
        "config": OmegaConf.to_yaml(cfg, resolve=True),
        "seed": 0,
    }
    pd.DataFrame([metadata]).to_parquet(directory / "run.parquet")


if __name__ == "__main__":
    main()
