"""``corruption``: flips, cuts and exchanges in every file of runs and sweeps: each is found."""

from __future__ import annotations

import contextlib
import gc
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runner.errors import RunnerError
from runner.store.index import rows
from runner.store.read import load
from runner.store.sweeps import is_sweep, sweep_rows
from runner.store.sweeps.journal import JOURNAL_FILE
from runner.store.sweeps.spec import read_spec
from runner.store.verify import verify
from tests.crash.child import start, warm
from tests.crash.report import Report

LONG = 10_000


def crash(folder: Path, n: int | None, seed: int) -> Report:
    """Damages a file of a tree of runs and sweeps ``n`` times, each time another way and place."""
    report = Report("corruption", seed)
    warm()
    root = _tree(folder)
    files = _files(root)
    if verify(root):
        raise RuntimeError(f"damaged before it was: {verify(root)}")
    sound = {path: _seen(path.parent, root) for path in files}
    for number in range(n or LONG):
        path = report.dice.choice(files)
        _damage(report, root, files, path, sound)
        if number % 500 == 499:
            report.say(f"{number + 1} done")
            gc.collect()
    if verify(root):
        raise RuntimeError(f"damaged after it was mended: {verify(root)}")
    report.say(f"{len(files)} files")
    return report


def _tree(folder: Path) -> Path:
    """Two runs, two sweeps, and one that was killed with its journal half written."""
    work = folder / "work"
    for arguments in (
        ["layers=book_chapter_4", "data.samples=20"],
        ["layers=one_dense", "data.samples=15", "save.codec=zstd"],
        ["-m", "seeds.seed=1,2,3", "layers=one_dense", "data.samples=10"],
        ["-m", "seeds.seed=4,5", "layers=one_dense", "data.samples=10"],
        ["-m", "seeds.seed=6,7", "layers=one_dense", "data.samples=10"],
    ):
        child = start(arguments, work)
        if child.wait():
            raise RuntimeError(child.told()[1])
    _unfinish(child.printed()[0])
    return work / "outputs"


def _unfinish(sweep: Path) -> None:
    """Puts a sweep back to before its index was written."""
    from runner.store.sweeps.journal import Journal
    from runner.store.sweeps.spec import sweep_id

    done = sweep_rows(sweep)
    journal = Journal(sweep, sweep_id(sweep))
    journal.append(done)
    journal.close()
    (sweep / "sweep.parquet").unlink()


def _files(root: Path) -> list[Path]:
    unfinished = [path.parent for path in root.rglob(JOURNAL_FILE)]
    return sorted(
        path
        for path in root.rglob("*")
        if path.is_file()
        and not path.is_symlink()
        and "latest" not in path.parts
        # Nothing sums it before the sweep is over, and nothing ever reads it.
        and not (path.name == "multirun.yaml" and path.parent in unfinished)
    )


def _damage(
    report: Report, root: Path, files: list[Path], path: Path, sound: dict[Path, Any]
) -> None:
    dice = report.dice
    before = path.read_bytes()
    other, kept = None, b""
    how = dice.choice(("flip", "flip", "flip", "flips", "cut", "blocks", "zeros", "exchange"))
    if how == "exchange":
        other = dice.choice(files)
        kept = other.read_bytes()
        path.write_bytes(kept)
        other.write_bytes(before)
    else:
        path.write_bytes(_WAYS[how](bytearray(before), dice))
    try:
        if path.read_bytes() == before:
            return
        report.count("damages")
        report.count(how)
        what = f"{how} in {path.relative_to(root)}"
        if other is not None:
            what += f" and {other.relative_to(root)}"
        findings = verify(root)
        harmless = _is_cut_journal(path) and _same_runs(sound[path], _seen(path.parent, root))
        if harmless:
            report.count("journals cut short, whose runs are found")
        named = any(
            str(path) == str(f.path) or (other and str(other) == str(f.path)) for f in findings
        )
        # A damaged list of sums shows at the file whose line was hit.
        near = any(f.path.is_relative_to(path.parent) for f in findings)
        found = named or (near and path.name in ("SHA256SUMS", ".sweep.json"))
        report.check(what, [] if found or harmless else [f"verify found {findings}"])
        damaged = [path] if other is None else [path, other]
        for each in damaged if not harmless else ():
            report.check(what, _readers(each, damaged, root, sound))
    finally:
        path.write_bytes(before)
        if other is not None:
            other.write_bytes(kept)


def _flipped(data: bytearray, dice: Any, count: int) -> bytes:
    for _ in range(count if data else 0):
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    return bytes(data)


def _exchanged(data: bytearray, dice: Any) -> bytes:
    """Two blocks of the file in each other's place."""
    size = min(dice.choice((4, 16, 64, 512)), len(data) // 2)
    one = dice.randrange(len(data) - 2 * size + 1)
    two = dice.randrange(one + size, len(data) - size + 1)
    data[one : one + size], data[two : two + size] = data[two : two + size], data[one : one + size]
    return bytes(data)


def _zeroed(data: bytearray, dice: Any) -> bytes:
    begin = dice.randrange(len(data))
    size = min(dice.randrange(1, 600), len(data) - begin)
    data[begin : begin + size] = bytes(size)
    return bytes(data)


_WAYS: dict[str, Callable[[bytearray, Any], bytes]] = {
    "flip": lambda data, dice: _flipped(data, dice, 1),
    "flips": lambda data, dice: _flipped(data, dice, dice.randrange(2, 20)),
    "cut": lambda data, dice: bytes(data[: dice.randrange(len(data))] if data else data),
    "blocks": _exchanged,
    "zeros": _zeroed,
}


def _is_cut_journal(path: Path) -> bool:
    """Whether it may be as a kill leaves it: nothing wrong but that its last line is not whole."""
    return path.name == JOURNAL_FILE


def _same_runs(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Whether the rows are of the same runs: those of a lost line are made from what they left."""
    return all(
        isinstance(after[name], list) and _told(before[name]) == _told(after[name])
        for name in ("rows", "ls")
    )


def _told(rows: list[dict[str, Any]]) -> list[Any]:
    names = ("number", "status", "run_id", "digest", "config_hash")
    return sorted([row[name] for name in names] for row in rows)


def _readers(path: Path, damaged: list[Path], root: Path, sound: dict[Path, Any]) -> list[str]:
    """What every reader makes of it: it refuses with a name, or gives what it gave before."""
    seen = _seen(path.parent, root)
    if path.name == JOURNAL_FILE and _same_runs(sound[path], seen):
        return []
    return [
        f"{name} gave {str(seen[name])[:200]}"
        for name, value in sound[path].items()
        if seen[name] != value and not _is_refusal(seen[name], damaged)
    ]


def _is_refusal(value: Any, damaged: list[Path]) -> bool:
    if not isinstance(value, tuple) or value[0] != "refused":
        return False
    # Of files that disagree, the one that is read is named: a sum may be what is damaged.
    names = {path.name for path in damaged} | {"run.parquet", "sweep.parquet", JOURNAL_FILE}
    if "SHA256SUMS" in names and ".parquet" in value[1]:
        return True
    return any(name in value[1] for name in names)


def _seen(directory: Path, root: Path) -> dict[str, Any]:
    """What the readers make of a file's run or sweep."""
    while not (directory / "SHA256SUMS").exists() and not is_sweep(directory):
        directory = directory.parent
    if is_sweep(directory):
        names: dict[str, Callable[[], Any]] = {
            "rows": lambda: sweep_rows(directory),
            "read_spec": lambda: read_spec(directory),
            "compare --by": lambda: _verb("compare", directory, "--by", "seeds.seed"),
            "ls": lambda: _listed(directory),
        }
    else:
        names = {
            "load": lambda: _loaded(directory),
            "show": lambda: _verb("show", directory),
            "compare": lambda: _verb("compare", directory, directory),
            "ls": lambda: _listed(directory),
        }
    return {name: _answer(read) for name, read in names.items()}


def _answer(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except RunnerError as error:
        return "refused", str(error)
    except Exception as error:  # noqa: BLE001 - that is what must not be
        return "raised", repr(error)


def _loaded(directory: Path) -> Any:
    run = load(directory)
    arrays = [run.inputs, run.targets, *(layer.outputs for layer in run.layers.values())]
    arrays += [array for each in run.parameters.values() for array in each.values()]
    return str(run.metadata), [None if a is None else a.tobytes() for a in arrays]


def _verb(*arguments: object) -> Any:
    from runner import cli

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.main([str(argument) for argument in arguments])
    if code == 2 and len(err.getvalue().splitlines()) == 1:
        return "refused", err.getvalue()
    return code, out.getvalue()


def _listed(directory: Path) -> Any:
    """The rows; of one that can't be read, the reason."""
    found = rows(directory)
    bad = [row["error"] for row in found if row["status"] == "UNREADABLE"]
    return ("refused", " ".join(bad)) if bad else found
