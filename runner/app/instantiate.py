"""The reader's own classes: imported and called through Hydra, whose policy stays on beneath."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from typing import Any

from runner.app.folders import add_current_folder
from runner.errors import ConfigError, UntrustedError, clip, nearest, one_line


def why_not(target: str, cause: BaseException) -> str:
    """Why a class or function was not to be had, in a few words.

    Args:
        target: its dotted name.
        cause: what importing or calling it raised.
    """
    module, _, name = target.rpartition(".")
    # Python's own words tell of a package, since the name was tried as one of its modules.
    if isinstance(cause, ModuleNotFoundError) and cause.name == target and module in sys.modules:
        there = nearest(name, [word for word in vars(sys.modules[module]) if word[0] != "_"])
        meant = f": did you mean {clip(there, 40)}?" if there else ""
        return f"there is no {clip(name, 40)} in {clip(module, 40)}{meant}"
    return one_line(f"{type(cause).__name__}: {cause}", 100)


class HydraInstantiate:
    """What :class:`runner.forward.targets.Instantiate` asks for.

    Called only with targets that the allow-list has let through; Hydra is imported at the first.

    Args:
        folder: beside which the reader's modules are; None: where this is made, wherever
            ``hydra.job.chdir`` leads afterwards.
    """

    def __init__(self, folder: str | None = None) -> None:
        self._folder = folder or os.getcwd()

    def locate(self, target: str) -> Any:
        """The class or function of that dotted name.

        Raises:
            ConfigError: there is no such module, or nothing of that name in it.
        """
        from hydra._internal.utils import _locate
        from hydra.errors import InstantiationException
        from hydra.utils import instantiate

        add_current_folder(self._folder)
        try:
            # What the reader's code prints is no result of ours.
            with redirect_stdout(sys.stderr):
                found = _locate(target)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - importing runs the reader's code
            reason = why_not(target, error.__cause__ or error)
            raise ConfigError("_target_", target, f"cannot be imported: {reason}") from None
        try:
            instantiate({"_target_": target, "_partial_": True})
        except InstantiationException as error:
            if error.__cause__ is None:
                raise ConfigError("_target_", target, "Hydra's own policy forbids it") from None
        return found

    def call(self, target: str, kwargs: Mapping[str, Any]) -> Any:
        """What the class or function gives for these arguments.

        Raises:
            UntrustedError: Hydra's policy forbids it.
            Exception: whatever the reader's code raises.
        """
        from hydra.errors import InstantiationException
        from hydra.utils import instantiate

        config = {"_target_": target, "_recursive_": False, "_convert_": "all", **kwargs}
        try:
            with redirect_stdout(sys.stderr):
                return instantiate(config)
        except InstantiationException as error:
            theirs = error.__cause__
            if theirs is None:
                raise UntrustedError(
                    f"_target_={clip(target, 60)}: {one_line(str(error), 100)}"
                ) from None
        # Outside of the block, or their exception would have Hydra's behind it, and that theirs.
        raise theirs
