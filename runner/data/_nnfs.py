"""The quarantine: the one place that calls nnfs.

``nnfs.init()`` replaces ``np.dot``, ``np.zeros``, ``np.eye`` and ``np.random.randn`` for the whole
process, wraps its own wrappers when called again, and has no undo. Here it is called inside a
context that puts everything back.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from runner.numerics import stream

_REPLACED = ((np, "dot"), (np, "zeros"), (np, "eye"), (np.random, "randn"))

# The functions belong to the process, so one thread at a time may have them replaced.
_lock = threading.RLock()
_lent: list[RandomState] = []


@contextmanager
def nnfs_rules(random_state: RandomState | None = None, *, dot: bool = True) -> Iterator[None]:
    """Gives numpy as ``nnfs.init()`` leaves it, and as it was before when the block is left.

    May be used inside itself, and after the reader has called ``nnfs.init()``. Other threads see
    the replaced functions while the block runs, and wait where they want the same.

    Args:
        random_state: the stream that ``np.random.*`` draws from inside; goes on where they stopped,
            and the global generator is where it was. None: the global generator, which goes on.
        dot: whether ``np.dot`` multiplies in float64; False leaves it float32, rounded as it comes.
    """
    import nnfs

    with _lock:
        found = [(module, name, getattr(module, name)) for module, name in _REPLACED]
        try:
            # Wrapping a wrapper is slow, ends in a RecursionError, and would keep a float64 dot.
            for module, name, function in found:
                setattr(module, name, _unwrapped(function))
            nnfs.init(dot_precision_workaround=dot, random_seed=None)
            with _lending(random_state):
                yield
        finally:
            for module, name, function in found:
                setattr(module, name, function)


@contextmanager
def lent_stream(random_state: RandomState) -> Iterator[None]:
    """Has ``np.random.*`` draw from a stream while the block runs; all else of numpy is as it is.

    Args:
        random_state: the stream; it goes on where they stopped, the global generator where it was.
    """
    with _lock, _lending(random_state):
        yield


def draw_dataset(
    name: str, *sizes: int, random_state: RandomState | None
) -> tuple[NDArray[Any], NDArray[Any]]:
    """What ``nnfs.datasets``' function of that name returns after ``nnfs.init()``."""
    import nnfs.datasets

    with nnfs_rules(random_state):
        inputs, targets = getattr(nnfs.datasets, name)(*sizes)
    return inputs, targets


@contextmanager
def _lending(random_state: RandomState | None) -> Iterator[None]:
    shared = stream(None)
    # A stream that is lent already is, for now, the global one.
    if random_state is None or random_state is shared or random_state in _lent[-1:]:
        yield
        return
    # The global generator draws from the stream's own source of bits meanwhile. That leaves the
    # normal deviate that each may have in hand (they are made in pairs), which only a copy of the
    # whole state carries over: 60 µs, so where there is one.
    own, theirs = np.random.mtrand.get_bit_generator(), shared.get_state(legacy=False)
    lent = random_state.get_state(legacy=False)
    np.random.mtrand.set_bit_generator(random_state._bit_generator)
    if lent["has_gauss"]:
        shared.set_state(lent)
    _lent.append(random_state)
    try:
        yield
    finally:
        _lent.pop()
        still = np.random.mtrand.get_bit_generator() is random_state._bit_generator
        after = shared.get_state(legacy=False)
        np.random.mtrand.set_bit_generator(own)
        if theirs["has_gauss"]:
            shared.set_state(theirs)
        # Code that put a generator of its own there has nothing to hand back.
        if still and (lent["has_gauss"] or after["has_gauss"]):
            random_state.set_state(after)


def _unwrapped(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function under the wrappers of ``nnfs.init()``, which keep it in their closures."""
    while getattr(function, "__module__", None) == "nnfs.core":
        kept = inspect.getclosurevars(function).nonlocals
        function = kept["orig_dot"] if "orig_dot" in kept else kept["method"][4]
    return function
