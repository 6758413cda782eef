"""The callbacks that a configuration names, made as Hydra makes them."""

from __future__ import annotations

import re
import sys
from contextlib import redirect_stdout
from typing import Any

from hydra._internal.callbacks import Callbacks
from hydra.errors import InstantiationException
from omegaconf import DictConfig, OmegaConf

from runner.app.instantiate import why_not
from runner.errors import ConfigError


class CallbacksAside(Callbacks):
    """Hydra's, but what they print goes to stderr: stdout is for results alone."""

    def __init__(self, config: DictConfig | None = None) -> None:
        with redirect_stdout(sys.stderr):
            super().__init__(config)

    def _notify(self, function_name: str, reverse: bool = False, **kwargs: Any) -> None:
        with redirect_stdout(sys.stderr):
            super()._notify(function_name, reverse, **kwargs)


def callbacks_of(cfg: DictConfig) -> Callbacks:
    """The callbacks of ``hydra.callbacks``, in order.

    Raises:
        ConfigError: there is no such class, or it can't be made.
    """
    try:
        return CallbacksAside(cfg)
    except InstantiationException as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        found = re.search(r"full_key: (hydra\.callbacks\.\S+)", str(error))
        key = found[1] if found else "hydra.callbacks"
        target = OmegaConf.select(cfg, f"{key}._target_", default="…")
        reason = f"cannot be made: {why_not(str(target), cause)}"
        raise ConfigError(f"{key}._target_", target, reason) from None
