"""What the index of a sweep has of every layer, and what follows from that."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from runner.analysis.expectation import rms, second_moment
from runner.store import layout

FROM_INDEX = (*layout.STATISTICS, "second_moment", "rms")
"""``second_moment`` is the mean square of all outputs, ``rms`` its root: the norm of a sample's
outputs over the root of their number."""


def layer_statistics(row: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Layer -> statistics, from the columns ``layers.NAME.STATISTIC`` of an index."""
    found: dict[str, dict[str, Any]] = {}
    for key, value in row.items():
        if key.startswith("layers.") and value is not None:
            name, _, statistic = key.removeprefix("layers.").rpartition(".")
            if statistic in layout.STATISTICS:
                found.setdefault(name, {})[statistic] = value
    return found


def derived(statistics: Mapping[str, Any]) -> dict[str, float]:
    """All of :data:`FROM_INDEX`, NaN for what is not there."""
    values = {name: math.nan if v is None else float(v) for name, v in statistics.items()}
    values = {name: values.get(name, math.nan) for name in layout.STATISTICS}
    values["second_moment"] = second_moment(values)
    values["rms"] = rms(values)
    return values
