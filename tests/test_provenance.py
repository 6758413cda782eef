"""Where a run came from: git's facts from real repositories, the machine's from this one."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import runner
from runner.provenance import Gathering, environment, gather

# Nothing of the tester's own git settings may matter.
GIT_ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.org",
}


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments],
        env=GIT_ENVIRONMENT,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository of one commit that holds one file."""
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    (folder / "file.txt").write_text("one\n")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message=first")
    return folder


def facts_of(folder: Path, wait: float = 30.0) -> tuple[object, object]:
    gathering = Gathering(directory=folder)
    gathering.start()
    facts = gathering.result(wait)
    return facts["git.commit"], facts["git.dirty"]


def test_commit_of_a_clean_tree(repository: Path) -> None:
    assert facts_of(repository) == (git(repository, "rev-parse", "HEAD"), False)


def test_current_folder_is_the_default(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (repository / "below").mkdir()
    monkeypatch.chdir(repository / "below")
    assert gather()["git.commit"] == git(repository, "rev-parse", "HEAD")


def test_changed_file_is_dirty(repository: Path) -> None:
    (repository / "file.txt").write_text("two\n")
    assert facts_of(repository)[1] is True


def test_staged_file_is_dirty(repository: Path) -> None:
    (repository / "new.txt").write_text("two\n")
    git(repository, "add", "new.txt")
    assert facts_of(repository)[1] is True


def test_untracked_file_is_not_dirty(repository: Path) -> None:
    (repository / "outputs").mkdir()
    (repository / "outputs" / "run.parquet").write_text("")
    assert facts_of(repository)[1] is False


def test_packed_reference(repository: Path) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    git(repository, "pack-refs", "--all")
    assert not (repository / ".git/refs/heads/main").exists()
    assert facts_of(repository) == (commit, False)


def test_loose_reference_wins_over_a_packed_one(repository: Path) -> None:
    git(repository, "pack-refs", "--all")
    git(repository, "commit", "--quiet", "--allow-empty", "--message=second")
    assert facts_of(repository)[0] == git(repository, "rev-parse", "HEAD")


def test_detached_head(repository: Path) -> None:
    git(repository, "checkout", "--quiet", "--detach")
    assert facts_of(repository)[0] == git(repository, "rev-parse", "HEAD")


def test_reference_to_a_reference(repository: Path) -> None:
    git(repository, "symbolic-ref", "refs/heads/alias", "refs/heads/main")
    git(repository, "symbolic-ref", "HEAD", "refs/heads/alias")
    assert facts_of(repository)[0] == git(repository, "rev-parse", "HEAD")


def test_linked_work_tree(repository: Path) -> None:
    tree = repository.parent / "tree"
    git(repository, "worktree", "add", "--quiet", "-b", "side", str(tree))
    git(tree, "commit", "--quiet", "--allow-empty", "--message=second")
    git(tree, "pack-refs", "--all")
    assert facts_of(tree) == (git(tree, "rev-parse", "HEAD"), False)
    assert facts_of(tree)[0] != facts_of(repository)[0]


def test_git_directory_elsewhere(repository: Path) -> None:
    """As a submodule has it: `.git` is a file with a relative path."""
    (repository / ".git").rename(repository.parent / "moved")
    (repository / ".git").write_text("gitdir: ../moved\n")
    assert facts_of(repository) == (git(repository, "rev-parse", "HEAD"), False)


def test_references_only_git_can_read(repository: Path) -> None:
    """Where the files don't say, as with git's reftable, git does."""
    commit = git(repository, "rev-parse", "HEAD")
    gathering = Gathering(directory=repository)
    gathering.start()
    gathering._commit = None
    assert gathering.result(30.0)["git.commit"] == commit


def test_no_commit_yet(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    assert facts_of(tmp_path) == (None, False)


def test_no_repository(tmp_path: Path) -> None:
    assert facts_of(tmp_path) == (None, None)


def test_no_git_installed(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    monkeypatch.setenv("PATH", str(repository))
    assert facts_of(repository) == (commit, None)


def test_damaged_repository(repository: Path) -> None:
    (repository / ".git/HEAD").write_bytes(b"\xff\x00 what")
    (repository / ".git/index").write_bytes(b"no index")
    assert facts_of(repository) == (None, None)


def test_folder_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert gather()["git.commit"] is None


def test_slow_git_is_not_waited_for(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    pid_file = repository / "pid"
    slow = repository / "bin" / "git"
    slow.parent.mkdir()
    slow.write_text(f"#!/bin/sh\necho $$ > {pid_file}\nexec sleep 600\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{slow.parent}{os.pathsep}{os.environ['PATH']}")
    before = time.monotonic()
    assert facts_of(repository, wait=0.5) == (commit, None)
    assert time.monotonic() - before < 30
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)


def test_gathering_let_go_of_leaves_no_process(repository: Path) -> None:
    """pytest is set to fail on the warning that a forgotten process gives."""
    gathering = Gathering(directory=repository)
    gathering.start()
    process = gathering._status
    assert process is not None
    gathering.close()
    assert process.returncode is not None
    gathering.close()


def test_second_result_is_the_first(repository: Path) -> None:
    gathering = Gathering(directory=repository)
    gathering.start()
    assert gathering.result(30.0) == gathering.result(30.0)


def test_variables_of_a_git_hook_do_not_mislead(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "--quiet")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git/index"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    assert facts_of(repository)[1] is False


def test_no_program_named_in_the_repository_is_started(repository: Path) -> None:
    trap = repository / "trap"
    trap.write_text("#!/bin/sh\ntouch sprung\n")
    trap.chmod(0o755)
    git(repository, "config", "core.fsmonitor", str(trap))
    facts_of(repository)
    assert not (repository / "sprung").exists()


@pytest.mark.parametrize(
    ("fact", "distribution"),
    [
        ("env.numpy", "numpy"),
        ("env.nnfs", "nnfs"),
        ("env.hydra", "hydra-core"),
        ("env.omegaconf", "omegaconf"),
        ("env.pyarrow", "pyarrow"),
    ],
)
def test_versions(fact: str, distribution: str) -> None:
    assert environment()[fact] == importlib.metadata.version(distribution)


def test_facts_of_this_process() -> None:
    facts = environment()
    assert facts["env.runner"] == runner.__version__
    assert str(facts["env.python"]).endswith(".".join(map(str, sys.version_info[:3])))
    assert facts["env.machine"] == os.uname().machine
    assert facts["env.cores"] == len(os.sched_getaffinity(0))


def test_blas_is_the_one_numpy_calls() -> None:
    from threadpoolctl import threadpool_limits

    facts = environment()
    assert facts["env.blas"] in {"openblas", "mkl", "blis", "flexiblas", "accelerate", None}
    if facts["env.blas"] != "openblas":
        pytest.skip("this numpy has another BLAS")
    built_with = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    assert str(built_with["version"]).startswith(str(facts["env.blas_version"]))
    assert facts["env.blas_kernel"]
    with threadpool_limits(limits=1, user_api="blas"):
        assert environment()["env.blas_threads"] == 1
    assert environment()["env.blas_threads"] == facts["env.blas_threads"]


def fresh(code: str, **variables: str) -> str:
    """What the code prints in a Python of its own."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **variables},
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


def test_another_kernel_is_told() -> None:
    if environment()["env.blas"] != "openblas" or os.uname().machine != "x86_64":
        pytest.skip("kernels are chosen otherwise here")
    code = "from runner.provenance import environment; print(environment()['env.blas_kernel'])"
    assert fresh(code, OPENBLAS_CORETYPE="Nehalem") == "Nehalem"


def test_switched_off_simd_is_told() -> None:
    features = str(environment()["env.simd"]).split()
    code = "from runner.provenance import environment; print(environment()['env.simd'])"
    assert fresh(code).split() == features
    found = np.show_config(mode="dicts")["SIMD Extensions"]["found"]
    if not found:
        pytest.skip("this processor has nothing beyond numpy's baseline")
    assert found[-1] not in fresh(code, NPY_DISABLE_CPU_FEATURES=found[-1]).split()


def test_environment_variables_are_not_stored() -> None:
    code = "from runner.provenance import gather; print(gather())"
    assert "s3cret" not in fresh(code, API_TOKEN="s3cret", GIT_PAGER="s3cret", USER="s3cret")


def test_threads_are_the_callers() -> None:
    assert gather(threads=3)["env.threads"] == 3


def test_facts_are_plain() -> None:
    """Each is of a type that one parquet column takes."""
    assert {type(fact) for fact in gather().values()} <= {str, int, bool, type(None)}


def test_gathering_loads_little() -> None:
    code = (
        "import sys, runner.provenance; g = runner.provenance.Gathering(); g.start();"
        "assert 'numpy' not in sys.modules; g.result();"
        "print([m for m in ('hydra', 'omegaconf', 'nnfs', 'pandas', 'importlib.metadata')"
        " if m in sys.modules])"
    )
    assert fresh(code) == "[]"
