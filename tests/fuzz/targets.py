"""What is fed with anything: each takes bytes, and raises only if that is a bug of ours.

A bug is an exception outside of ``runner.errors``, a line that is too long or not one, or damage
that is not found.
"""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import runner
from runner import data
from runner.app.compose import compose, hydra_session
from runner.app.instantiate import HydraInstantiate
from runner.app.plain import plain
from runner.app.yaml_file import MOST_VALUES, check_file
from runner.cli import main as verbs
from runner.errors import LINE_LIMIT, RunnerError
from runner.job import Job, prepare
from runner.store.verify import verify

Target = Callable[[bytes, Path], None]
TABLES = ("csv", "parquet", "npz")


def overrides(given: bytes, folder: Path) -> None:
    """One to three overrides, a line each: composed, and checked as before a run."""
    words = given.decode("utf-8", "surrogateescape").split("\n")[:3]
    with _refusing(), hydra_session() as hydra:
        cfg = compose(hydra, None, [*words, "hydra.mode=RUN"], multirun=False)
        del cfg.__dict__["_content"]["hydra"]
        config, stored = plain(cfg)
        prepare(Job(config, stored, tuple(words), folder / "run", False), HydraInstantiate())


def yaml(given: bytes, folder: Path) -> None:
    """A file of the user's configuration: what passes loads, and is no more than is allowed."""
    from omegaconf import OmegaConf

    place = folder / "layers" / "mine.yaml"
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(given)
    with _refusing():
        check_file(place)
        with contextlib.suppress(Exception):  # what OmegaConf refuses is told when it is composed
            loaded = OmegaConf.to_container(OmegaConf.load(place))
            assert _count(loaded) <= MOST_VALUES
    with _refusing(), hydra_session(str(folder)) as hydra:
        cfg = compose(hydra, None, ["layers=mine", "hydra.mode=RUN"], multirun=False)
        del cfg.__dict__["_content"]["hydra"]
        config, stored = plain(cfg)
        prepare(Job(config, stored, (), folder / "run", False), HydraInstantiate())


def table(given: bytes, folder: Path) -> None:
    """A table's file; the first byte says of which kind."""
    if not given:
        return
    path = folder / f"t.{TABLES[given[0] % 3]}"
    path.write_bytes(given[1:])
    with _refusing():
        source = data.source("runner.data.table", {"path": str(path)}, None)  # type: ignore[arg-type]
        made = source.make()
        assert made.inputs.shape == (source.shape.n_samples, source.shape.n_features)


def verb(given: bytes, folder: Path) -> None:
    """A line of a shell: a verb and its arguments, in a folder with a run and a sweep."""
    with contextlib.suppress(ValueError):
        words = shlex.split(given.decode("utf-8", "surrogateescape"))
        if not words or words[0] in ("rm", "reproduce", "report", "export") or "--out" in words:
            return
        out, err = io.StringIO(), io.StringIO()
        before = os.getcwd()
        os.chdir(folder)
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = _exit_code(lambda: verbs(words))
        finally:
            os.chdir(before)
        assert code in (0, 1, 2), code
        if code == 2:
            [line] = err.getvalue().splitlines()[-1:]
            assert len(line) <= LINE_LIMIT, line
        assert "\x1b" not in out.getvalue() + err.getvalue()


def stored(given: bytes, folder: Path) -> None:
    """A run one of whose files was changed: 2 bytes for which, 4 for where, the rest is put there.

    Read with and without its checksums: without them, what comes is up to the parsers.
    """
    if len(given) < 7:
        return
    which, where = struct.unpack("<HI", given[:6])
    copy = folder / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder / "runs" / "good", copy)
    files = sorted(path for path in copy.rglob("*") if path.is_file())
    path = files[which % len(files)]
    content = bytearray(path.read_bytes())
    at = where % (len(content) + 1)
    content[at : at + len(given) - 6] = given[6:]
    changed = bytes(content) != path.read_bytes()
    path.write_bytes(content)
    with _refusing():
        found = verify(copy)
        assert found or not changed, path
    for check in (True, False):
        with _refusing():
            run = runner.load(copy, check=check)
            for layer in run.layers.values():
                with _refusing():
                    layer.outputs.sum()
                with _refusing():
                    _ = layer.weights
            run.inputs.sum()


TARGETS: dict[str, Target] = {
    "overrides": overrides,
    "yaml": yaml,
    "table": table,
    "verb": verb,
    "stored": stored,
}


@contextlib.contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except RunnerError as error:
        line = error.line()
        assert len(line) <= LINE_LIMIT, line
        assert line.isprintable(), line


def _exit_code(call: Callable[[], int]) -> int:
    try:
        return call()
    except SystemExit as error:
        return int(error.code or 0)


def _count(node: object) -> int:
    if isinstance(node, dict):
        return 1 + sum(map(_count, node.values()))
    return 1 + sum(map(_count, node)) if isinstance(node, list) else 1
