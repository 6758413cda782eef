"""The commit, from git's own files; the state of the work tree, from a git in the background."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from subprocess import Popen

# A git hook exports these; they would turn `git -C` back to the hook's repository.
_REPOSITORY_VARIABLES = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR")


def find_git_dir(folder: Path) -> Path | None:
    """The git directory of the work tree that ``folder`` lies in; None: no repository."""
    for place in (folder, *folder.parents):
        dot_git = place / ".git"
        # A linked work tree and a submodule have a file there: `gitdir: PATH`.
        pointer = _first_line(dot_git) if dot_git.is_file() else None
        if pointer and pointer.startswith("gitdir: "):
            dot_git = place / pointer.removeprefix("gitdir: ")
        if (dot_git / "HEAD").is_file():
            return dot_git
    return None


def read_commit(git_dir: Path) -> str | None:
    """The commit that HEAD stands at; None: no commit yet, or refs kept in another format."""
    common = _first_line(git_dir / "commondir")
    places = [git_dir] if common is None else [git_dir, git_dir / common]
    value = _first_line(git_dir / "HEAD")
    for _ in range(5):  # git, too, follows a reference to a reference five times
        if value is None or not value.startswith("ref: "):
            break
        ref = value.removeprefix("ref: ")
        value = next(filter(None, (_first_line(place / ref) for place in places)), None)
        value = value or _packed(places[-1] / "packed-refs", ref)
    return value if value and _is_hash(value) else None


def _packed(path: Path, ref: str) -> str | None:
    try:
        with path.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                commit, _, name = line.rstrip("\n").partition(" ")
                if name == ref:
                    return commit
    except OSError:
        pass
    return None


def _is_hash(text: str) -> bool:
    return len(text) in (40, 64) and set(text) <= set("0123456789abcdef")


def start_status(folder: Path) -> Popen[bytes] | None:
    """Sets git to work in ``folder``; None: there is no git.

    The caller hands the process to :func:`finish_status` or :func:`end`.
    """
    import subprocess  # 4 ms that a run outside of a repository doesn't pay

    # No locks: the user's own git must not stumble over ours. No fsmonitor: it is a program named
    # in the repository. Untracked files don't count, else a run's own outputs would.
    command = ["git", "-C", os.fspath(folder), "--no-optional-locks", "-c", "core.fsmonitor="]
    command += ["status", "--porcelain=v2", "--branch", "--no-ahead-behind"]
    command += ["--untracked-files=no", "--ignore-submodules=all"]
    variables = {k: v for k, v in os.environ.items() if k not in _REPOSITORY_VARIABLES}
    try:
        return subprocess.Popen(
            command,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the run, which still wants the answer
        )
    except OSError:  # no git here
        return None


def finish_status(process: Popen[bytes], wait: float) -> tuple[str | None, bool | None]:
    """HEAD's commit and whether the tree differs from it, each None where git didn't say."""
    from subprocess import TimeoutExpired

    try:
        output, _ = process.communicate(timeout=wait)
    except TimeoutExpired:
        end(process)
        return None, None
    if process.returncode != 0:  # not our repository to read, or a damaged one
        return None, None
    lines = output.decode("utf-8", "replace").splitlines()
    heads = [line.removeprefix("# branch.oid ") for line in lines if "# branch.oid " in line]
    head = heads[0] if heads and _is_hash(heads[0]) else None
    return head, any(not line.startswith("#") for line in lines)


def end(process: Popen[bytes]) -> None:
    """Kills git and leaves no zombie."""
    process.kill()
    process.communicate()


def _first_line(path: Path) -> str | None:
    if not path.is_file():  # also not a pipe, which would wait for ever
        return None
    try:
        with path.open(encoding="utf-8", errors="replace") as lines:
            return lines.readline().strip() or None
    except OSError:
        return None
