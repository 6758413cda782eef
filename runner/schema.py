"""The types of the configuration: one dataclass for each thing that YAML can describe.

Importing this touches nothing global and loads no library; ``runner.app`` registers the classes
with Hydra, so that a misspelt key or a value of the wrong type is refused before anything runs.
What a value *means* (a size of at least 1, widths that fit) is checked where it is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, List, Optional  # noqa: UP035 - OmegaConf reads these annotations

MISSING: Any = "???"  # OmegaConf's mark for a value that must be given


@dataclass
class Spiral:
    """``nnfs.datasets.spiral_data``: ``samples`` points for each of ``classes`` arms."""

    _target_: str = "runner.data.spiral"
    samples: int = 100
    classes: int = 3


@dataclass
class Vertical:
    """``nnfs.datasets.vertical_data``: ``samples`` points for each of ``classes`` columns."""

    _target_: str = "runner.data.vertical"
    samples: int = 100
    classes: int = 3


@dataclass
class Sine:
    """``nnfs.datasets.sine_data``: ``samples`` points of one period, with a real target."""

    _target_: str = "runner.data.sine"
    samples: int = 1000


@dataclass
class BookSample:
    """The one sample of four inputs that chapter 2 of the book starts from."""

    _target_: str = "runner.data.book_sample"


@dataclass
class BookBatch:
    """The batch of three samples that chapters 2 and 3 of the book work on."""

    _target_: str = "runner.data.book_batch"


@dataclass
class Normal:
    """Standard normal inputs: ``samples`` rows of ``features`` numbers, no target."""

    _target_: str = "runner.data.normal"
    samples: int = 1000
    features: int = 2


@dataclass
class Table:
    """The user's own table: CSV, parquet or npz. No ``features``: every column but the target."""

    _target_: str = "runner.data.table"
    path: str = MISSING
    features: Optional[List[str]] = None  # noqa: UP006, UP045
    target: Optional[str] = None  # noqa: UP045


@dataclass
class Digits:
    """scikit-learn's 8 x 8 digits: 1,797 samples, 64 features, 10 classes."""

    _target_: str = "runner.data.digits"


@dataclass
class Iris:
    """scikit-learn's iris: 150 samples, 4 features, 3 classes."""

    _target_: str = "runner.data.iris"


@dataclass
class Wine:
    """scikit-learn's wine: 178 samples, 13 features, 3 classes."""

    _target_: str = "runner.data.wine"


@dataclass
class Dense:
    """A fully connected layer; see :class:`runner.layers.Dense` for what each key means."""

    _target_: str = "runner.layers.Dense"
    n_inputs: Optional[int] = None  # noqa: UP045
    n_neurons: Optional[int] = None  # noqa: UP045
    weight_scale: float = 0.1
    weight_init: Optional[str] = None  # noqa: UP045
    gain: float = 1.0
    bias_scale: float = 0.0
    # Any: OmegaConf's nested lists of floats refuse a whole number; the layer checks them.
    weights: Any = None
    biases: Any = None


@dataclass
class ReLU:
    """max(0, x)."""

    _target_: str = "runner.layers.ReLU"


@dataclass
class LeakyReLU:
    """x where x > 0, ``slope`` x elsewhere."""

    _target_: str = "runner.layers.LeakyReLU"
    slope: float = 0.01


@dataclass
class Tanh:
    """tanh(x)."""

    _target_: str = "runner.layers.Tanh"


@dataclass
class Sigmoid:
    """1 / (1 + exp(-x))."""

    _target_: str = "runner.layers.Sigmoid"


@dataclass
class Softmax:
    """exp(x) / sum(exp(x)) over the neurons of a sample."""

    _target_: str = "runner.layers.Softmax"


@dataclass
class Linear:
    """x, unchanged."""

    _target_: str = "runner.layers.Linear"


@dataclass
class MLP:
    """A block that unfolds into ``depth`` times (Dense, activation)."""

    _target_: str = "runner.layers.MLP"
    depth: int = 10
    width: int = 64
    activation: str = "tanh"
    weight_scale: float = 0.1
    weight_init: Optional[str] = None  # noqa: UP045
    gain: float = 1.0
    bias_scale: float = 0.0


@dataclass
class BookSeeds:
    """One stream of random numbers: the data first, then the layers in order."""

    seed: int = 0


@dataclass
class IndependentSeeds:
    """A stream for the data, and one for each layer derived from ``layers`` and its position."""

    data: int = 0
    layers: int = 0


@dataclass
class Numerics:
    """The precision of products and outputs: ``nnfs``, ``float32`` or ``float64``."""

    rule: str = "nnfs"


@dataclass
class Save:
    """Which outputs are kept: ``all``, ``statistics`` only, or the ``first`` ``rows``."""

    keep: str = "all"
    rows: int = 1000
    codec: str = "none"


@dataclass
class Config:
    """The root of the configuration."""

    data: Any = MISSING
    layers: dict[str, Any] = field(default_factory=dict)
    seeds: Any = MISSING
    numerics: Any = MISSING
    save: Any = MISSING
    name: Optional[str] = None  # noqa: UP045
    tags: List[str] = field(default_factory=list)  # noqa: UP006
    batch_size: int = 65536
    trust: List[str] = field(default_factory=list)  # noqa: UP006
    objective: Optional[str] = None  # noqa: UP045


OPTIONS: dict[str, dict[str, type]] = {
    "data": {
        "spiral": Spiral,
        "vertical": Vertical,
        "sine": Sine,
        "book_sample": BookSample,
        "book_batch": BookBatch,
        "normal": Normal,
        "table": Table,
        "digits": Digits,
        "iris": Iris,
        "wine": Wine,
    },
    "layers": {
        "dense": Dense,
        "relu": ReLU,
        "leaky_relu": LeakyReLU,
        "tanh": Tanh,
        "sigmoid": Sigmoid,
        "softmax": Softmax,
        "linear": Linear,
        "mlp": MLP,
    },
    "seeds": {"book": BookSeeds, "independent": IndependentSeeds},
    "numerics": {"numerics": Numerics},
    "save": {"save": Save},
}
"""Group -> name -> schema: what ``/schema/<group>: <name>`` in a defaults list stands for."""

BY_TARGET: dict[str, type] = {
    schema._target_: schema
    for group in ("data", "layers")
    for schema in OPTIONS[group].values()
    if hasattr(schema, "_target_")
}
"""``_target_`` -> schema, for entries that name a class of ours without its schema."""

NOT_IN_HASH = ("name", "tags", "batch_size", "trust")
"""Root keys that change no bit of the result, and so are outside ``config_hash``."""


def left_over(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Key -> default of ours that an entry still has though another class was put into it.

    ``layers.dense1._target_=mine.Layer`` exchanges the class and leaves all keys of Dense there,
    at the values that nobody gave them. A schema of one key is never taken for that.
    """
    found: dict[str, Any] = {}
    for target, schema in BY_TARGET.items():
        keys = {each.name: each.default for each in fields(schema) if each.name != "_target_"}
        if target != entry.get("_target_") and len(keys) > 1 and keys.keys() <= entry.keys():
            found |= {k: v for k, v in keys.items() if type(entry[k]) is type(v) and entry[k] == v}
    return found
