"""The folder that a stored run was started in, which its relative paths are meant from."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from runner.errors import ConfigError, UsageError, clip
from runner.store.read import Run

_FILE = ".hydra/hydra.yaml"
_TABLE = "runner.data.table"


def start_folder(run: Run) -> Path | None:
    """As ``hydra.runtime.cwd`` has it; None where the run keeps no such file.

    Raises:
        DamagedError: the file is not what was written.
    """
    if not (run.path / _FILE).is_file():
        return None
    try:
        saved = OmegaConf.load(run.files.path(_FILE))
        folder = OmegaConf.select(saved, "hydra.runtime.cwd")
    except (OmegaConfBaseException, ValueError):
        return None
    return Path(folder) if isinstance(folder, str) else None


def text(folder: Path) -> str:
    """A ``hydra.yaml`` with nothing but the folder, for a run that Hydra has no part in."""
    return OmegaConf.to_yaml({"hydra": {"runtime": {"cwd": str(folder)}}})


def is_table(cfg: DictConfig) -> bool:
    """Whether the data are a table, at a path."""
    path = OmegaConf.select(cfg, "data.path", default=None)
    return OmegaConf.select(cfg, "data._target_") == _TABLE and isinstance(path, str) and bool(path)


def table_folder(cfg: DictConfig, started_in: Path | None) -> Path:
    """Where the table of a configuration is to be read from: here, or where the run was started.

    Raises:
        ConfigError: its file is in neither.
    """
    here = Path.cwd()
    if not is_table(cfg):
        return here
    path = str(cfg.data.path)
    # An absolute path is itself, whatever it is joined to.
    place = Path(path).expanduser()
    for folder in (here, started_in):
        if folder is not None and (folder / place).exists():
            return folder
    if place.is_absolute() or started_in in (None, here):
        return here
    where = clip(str(started_in), 70, keep_end=True)
    raise ConfigError("data.path", path, f"not here, nor in {where}, where the run was started")


def explain_module(error: ConfigError, started_in: Path | None) -> ConfigError | UsageError:
    """Says where a module is that can't be imported here; it is never imported from there.

    A folder that a stored run names is not the user's word for running what is in it.
    """
    name = str(error.value).partition(".")[0]
    if started_in is None or not error.key.endswith("_target_") or not name.isidentifier():
        return error
    there = (started_in / f"{name}.py").is_file() or (started_in / name).is_dir()
    if not there or find_spec(name) is not None:
        return error
    folder = clip(str(started_in), 110, keep_end=True)
    return UsageError(f"no module {name} here; the run was started in {folder}: go there")
