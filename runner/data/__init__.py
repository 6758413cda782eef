"""The datasets, each a function; and their plans, so that what is wrong is said before a run."""

from __future__ import annotations

from runner.data._nnfs import lent_stream, nnfs_rules
from runner.data.dataset import make, plan, source
from runner.data.generated import book_batch, book_sample, normal, sine, spiral, vertical
from runner.data.stream import Dataset, Rows, Shape, Source
from runner.data.table import table
from runner.data.toy import digits, iris, wine

__all__ = [
    "Dataset",
    "Rows",
    "Shape",
    "Source",
    "book_batch",
    "book_sample",
    "digits",
    "iris",
    "lent_stream",
    "make",
    "nnfs_rules",
    "normal",
    "plan",
    "sine",
    "source",
    "spiral",
    "table",
    "vertical",
    "wine",
]
