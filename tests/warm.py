"""The program kept warm: a fork for each call, so that hundreds of calls take seconds.

``python -m tests.warm`` imports what a run needs, composes once, and then forks for each request
that comes on stdin as a line of JSON; what the call did goes to stdout the same way. What is forked
is the real entry point with real arguments, a folder, file descriptors and an exit code of its own.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Done:
    """What a call did.

    Attributes:
        code: its exit code; negative: the signal that ended it.
        stdout, stderr: what it wrote.
        seconds: of processor time.
        peak: bytes of memory at the most, what the warm process brings included.
    """

    code: int
    stdout: str
    stderr: str
    seconds: float
    peak: int


class Warm:
    """A warm program; to be closed.

    Args:
        cache: a folder for what the program keeps of its own accord.

    Attributes:
        cache: that folder.
    """

    def __init__(self, cache: Path) -> None:
        self.cache = cache
        self._server = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "tests.warm"],
            cwd=ROOT,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "XDG_CACHE_HOME": str(cache),
                "OPENBLAS_NUM_THREADS": "1",  # no threads where forks are made
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(
        self,
        arguments: Sequence[str],
        folder: Path,
        *,
        env: Mapping[str, str] | None = None,
        timeout: float = 60.0,
    ) -> Done:
        """``python -m runner ARGUMENTS`` in a folder."""
        request = {"argv": list(arguments), "folder": str(folder), "env": dict(env or {})}
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps({**request, "timeout": timeout}) + "\n")
        self._server.stdin.flush()
        return Done(**json.loads(self._server.stdout.readline()))

    def close(self) -> None:
        """Ends it."""
        assert self._server.stdin is not None
        self._server.stdin.close()
        self._server.wait(timeout=30)
        if self._server.stdout is not None:
            self._server.stdout.close()


def _serve() -> None:
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)
        _warm_up()
        gc.collect()
        gc.freeze()
        for line in sys.stdin:
            answers.write(json.dumps(_fork(json.loads(line))) + "\n")
            answers.flush()


def _warm_up() -> None:
    """Loads what a run loads, and lets Hydra find its plugins."""
    import numpy as np  # noqa: F401
    import pyarrow.csv
    import pyarrow.parquet  # noqa: F401

    import runner.analysis.compare
    import runner.app.main
    import runner.app.reproduce
    import runner.cli.compare
    import runner.cli.ls
    import runner.cli.rm
    import runner.cli.show
    import runner.cli.verify
    import runner.store
    import runner.store.verify
    import runner.sweep.driver  # noqa: F401
    from runner.app.compose import compose, hydra_session

    with hydra_session() as hydra:
        compose(hydra, None, [], multirun=False)


def _fork(request: Mapping[str, Any]) -> dict[str, Any]:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if child == 0:
            _become(request, out.fileno(), err.fileno())
        deadline = time.monotonic() + request["timeout"]
        pid, status, usage = os.wait4(child, os.WNOHANG)
        while pid == 0:
            if time.monotonic() > deadline:
                os.kill(child, 9)
            time.sleep(0.001)
            pid, status, usage = os.wait4(child, os.WNOHANG)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode("utf-8", "backslashreplace"))
    return {
        "code": os.waitstatus_to_exitcode(status),
        "stdout": texts[0],
        "stderr": texts[1],
        "seconds": usage.ru_utime + usage.ru_stime,
        "peak": usage.ru_maxrss * 1024,
    }


def _become(request: Mapping[str, Any], out: int, err: int) -> None:
    """The call itself, in the child; never returns."""
    code = 70
    try:
        null = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((null, 0), (out, 1), (err, 2)):
            os.dup2(source, target)
        os.chdir(request["folder"])
        os.environ.update(request["env"])
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        sys.path[:] = [place for place in sys.path if place not in ("", os.getcwd())]
        sys.argv = ["runner", *request["argv"]]
        from runner.__main__ import main

        code = _code_of(lambda: main(request["argv"]))
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
        with contextlib.suppress(Exception):
            sys.stderr.flush()
        os._exit(code)


def _code_of(call: Any) -> int:
    """The exit code, as the interpreter makes it."""
    try:
        return int(call())
    except SystemExit as error:
        if error.code is None or isinstance(error.code, int):
            return error.code or 0
        sys.stderr.write(f"{error.code}\n")
        return 1
    except BaseException:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
        return 1


if __name__ == "__main__":
    _serve()
