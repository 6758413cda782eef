"""runner.run inside a process that goes on: it leaves everything as it was."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

STATE = """
import json, logging, os, signal, sys, threading, warnings
warnings.simplefilter("error")
import numpy as np
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobRuntime
from hydra.version import VersionBase
from omegaconf import OmegaConf
from threadpoolctl import threadpool_info
import runner

OmegaConf.register_new_resolver("mine", lambda: "mine")
handler = logging.StreamHandler(sys.stdout)
logging.getLogger().addHandler(handler)
logging.getLogger().setLevel(logging.ERROR)
np.random.seed(5)

def state():
    root = logging.getLogger()
    return {
        "handlers": [id(h) for h in root.handlers],
        "level": root.level,
        "disabled": [n for n, l in root.manager.loggerDict.items() if getattr(l, "disabled", 0)],
        "numpy": [id(f) for f in (np.dot, np.zeros, np.eye, np.random.randn)],
        "generator": repr(np.random.get_state()),
        "errstate": np.geterr(),
        "threads": sorted((t["filepath"], t["num_threads"]) for t in threadpool_info()),
        "alive": threading.active_count(),
        "hydra": [repr(GlobalHydra.instance().hydra), repr(HydraConfig.instance().cfg)],
        "version": repr(VersionBase.instance().version_base),
        "job": repr(JobRuntime.instance().conf),
        "signals": [repr(signal.getsignal(s)) for s in signal.valid_signals()],
        "folder": os.getcwd(),
        "environment": dict(os.environ),
        "filters": len(warnings.filters),
        "mine": OmegaConf.create({"a": "${mine:}"}).a,
    }
"""

USE = (
    STATE
    + """
before = state()
digests = []
for overrides in json.loads(sys.argv[1]):
    try:
        run = runner.run(overrides)
        digests.append(run.metadata["digest"])
        assert run.layers["dense1"].outputs.shape[1] == 3
    except Exception as error:
        digests.append(type(error).__name__)
after = state()
print(json.dumps([digests, [k for k in before if before[k] != after[k]]]))
"""
)


def use(folder: Path, *calls: list[str]) -> tuple[list[str], list[str]]:
    """What the runs gave, and what of the process's state is another afterwards."""
    done = subprocess.run(
        [sys.executable, "-c", USE, json.dumps(calls)],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    [line] = done.stdout.splitlines()
    digests, changed = json.loads(line)
    return digests, changed


def test_it_leaves_everything_as_it_was(tmp_path: Path) -> None:
    digests, changed = use(tmp_path, ["data.samples=10"], ["data.samples=10"], ["seeds.seed=1"])
    assert changed == []
    assert digests[0] == digests[1] != digests[2]
    assert len([d for d in tmp_path.glob("outputs/2*/*") if d.is_dir()]) == 3


@pytest.mark.parametrize(
    ("overrides", "error"),
    [
        (["data.samples=0"], "ConfigError"),
        (["data.clases=3"], "UnknownKeyError"),
        (["+layers.x={_target_: mine.Raises}", "trust=[mine]"], "LayerFailedError"),
    ],
)
def test_also_after_an_error(tmp_path: Path, overrides: list[str], error: str) -> None:
    code = "class Raises:\n    def forward(self, x):\n        raise ValueError('no')\n"
    (tmp_path / "mine.py").write_text(code)
    digests, changed = use(tmp_path, overrides, ["data.samples=10"])
    assert changed == []
    assert digests[0] == error
    assert len(digests[1]) == 64


def test_by_hydras_own_way(tmp_path: Path) -> None:
    """Where run_job sets up the logging, of which handlers alone are put back."""
    digests, changed = use(tmp_path, ["hydra.job.chdir=true", "+hydra.job.env_set.A=b"], [])
    assert changed == []
    assert digests[0] == digests[1]


def _goes_well(code: str, folder: Path) -> None:
    """A program of its own ends well, and in silence."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_inside_an_application_of_hydras(tmp_path: Path) -> None:
    """Somebody else's Hydra goes on working, with its own version base and configuration."""
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "theirs.yaml").write_text("x: 1\n")
    code = STATE + (
        f"theirs = {str(tmp_path / 'conf')!r}\n"
        "with initialize_config_dir(theirs, version_base='1.2', job_name='t'):\n"
        "    before = state()\n"
        "    assert len(runner.run(['data.samples=4']).inputs) == 12\n"
        "    assert state() == before, [k for k in before if before[k] != state()[k]]\n"
        "    assert compose('theirs').x == 1\n"
        "    names = ConfigStore.instance().list('')\n"
        "    assert not [n for n in names if n.startswith('schema')], names\n"
    )
    _goes_well(code, tmp_path)


def test_from_several_threads(tmp_path: Path) -> None:
    """They take turns: each run has its own log alone, and is whole."""
    code = STATE + (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from runner.store.verify import verify\n"
        "runner.run(['layers=one_dense'])\n"
        "before = state()\n"
        "with ThreadPoolExecutor(8) as pool:\n"
        "    runs = list(pool.map(lambda n: runner.run([f'seeds.seed={n}']), range(16)))\n"
        "assert state() == before, [k for k in before if before[k] != state()[k]]\n"
        "assert [run.config['seeds']['seed'] for run in runs] == list(range(16))\n"
        "logs = [(run.path / 'runner.log').read_text().splitlines() for run in runs]\n"
        "assert [len(log) for log in logs] == [3] * 16\n"
        "assert [finding for run in runs for finding in verify(run.path)] == []\n"
    )
    _goes_well(code, tmp_path)
