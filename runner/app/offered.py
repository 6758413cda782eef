"""What Hydra itself can be told, for completion: its groups, their options, its own keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from omegaconf import OmegaConf

from runner.app.compose import compose, hydra_session


def hydra_groups() -> dict[str, list[str]]:
    """Group -> its options, of Hydra's own groups: ``hydra/launcher``, with every plugin's."""
    with hydra_session() as hydra:
        groups = [name for name in hydra.list_all_config_groups() if name.startswith("hydra/")]
        return {name: hydra.config_loader.get_group_options(name) for name in groups}


def hydra_keys(overrides: Sequence[str]) -> dict[str, Any]:
    """Key -> value or the keys below it, of the node ``hydra``.

    Args:
        overrides: those that choose its groups: ``hydra/launcher=dask``.
    """
    with hydra_session() as hydra:
        cfg = compose(hydra, None, overrides, multirun=False)
        found: Any = OmegaConf.to_container(cfg.hydra, resolve=False, enum_to_str=True)
    assert isinstance(found, dict)
    return {str(key): value for key, value in found.items()}
