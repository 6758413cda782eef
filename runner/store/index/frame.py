"""The table of runs: a DataFrame that shows itself in a notebook by what differs in it."""

from __future__ import annotations

import pandas as pd

from runner.store.drawn import draw


class RunsFrame(pd.DataFrame):
    """What :func:`runner.runs` gives; anything that is taken out of it is a plain DataFrame."""

    @property
    def _constructor(self) -> type[pd.DataFrame]:
        return pd.DataFrame

    def _repr_html_(self) -> str:
        return str(draw("of_runs", pd.DataFrame(self)))
