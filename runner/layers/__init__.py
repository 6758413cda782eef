"""The layers: small, pure, each on one screen."""

from __future__ import annotations

from runner.layers.activations import LeakyReLU, Linear, ReLU, Sigmoid, Softmax, Tanh
from runner.layers.base import Layer
from runner.layers.dense import Dense
from runner.layers.mlp import MLP

__all__ = [
    "MLP",
    "Dense",
    "Layer",
    "LeakyReLU",
    "Linear",
    "ReLU",
    "Sigmoid",
    "Softmax",
    "Tanh",
]
