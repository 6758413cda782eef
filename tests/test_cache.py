"""A run whose composition was kept equals one that Hydra composed, to the byte."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from runner import load
from runner.app import cache, fingerprint, main, start
from runner.app.cache import FILES, OUTPUT_DIR, Composition
from runner.store.read import Run

Write = Callable[[str, str], Path]

KEPT: list[tuple[str, ...]] = [
    (),
    ("layers=two_dense", "data.samples=100"),
    ("data=vertical", "data.classes=2", "seeds.seed=7", "numerics=float64"),
    ("seeds=independent", "seeds.layers=3", "save=first", "save.rows=2", "save.codec=zstd"),
    ("layers=mlp", "layers.mlp.depth=2", "layers.mlp.width=3", "layers.mlp.weight_init=he"),
    ("data=book_batch", "layers=book_two_layers", "save=statistics"),
    ("layers=book_chapter_4", "layers.dense1.weight_scale=1e-3", "batch_size=1"),
    ('name="it\'s: [a] # é ☃"', "tags=[a,'b c',null_]"),
    ("name=" + "long " * 40,),
    ("name='2026-11-23'", "tags=['1','true','~']", "objective=metrics.loss"),
    ("~layers.dense2", "+layers.on={_target_:runner.layers.ReLU}"),
    ("layers.dense1.biases=[1,2.5,-1e-7]", "layers.dense2.n_neurons=${layers.dense1.n_neurons}"),
    ("name=${numerics.rule}", "hydra.mode=RUN"),
    ("hydra.run.dir=here/${now:%Y-%m-%d_%H-%M-%S-%f}", "hydra.sweep.dir=elsewhere"),
    ("-cd", "mine", "layers=own"),
    ("--config-dir", "mine", "layers=own", "layers.a.n_neurons=4"),
]

NOT_KEPT: list[tuple[str, ...]] = [
    ("name=${oc.env:A_SECRET}",),
    ("+layers.dense1.n_inputs=${oc.decode:${oc.env:TWO}}",),
    ("name=${now:%Y}",),
    ("name=${oc.select:numerics.rule}",),
    ("name=${${oc.env:NOTHING,x}:}x", "name=y"),
    ("hydra.run.dir=a/${numerics.rule}/${now:%f}",),
    ("hydra.run.dir=a b/${now:%f}",),
    ("hydra.searchpath=[file://mine]",),
    ("+hydra.job.env_set.B=c",),
    ("hydra.job.chdir=true",),
    ("trust=[os]",),
    ("-cd", "looking", "layers=own"),
    ("-cn", "config"),
    ("--config-name=config",),
    ("--run",),
    ("--cfg", "job"),
]

REFUSED: list[tuple[str, ...]] = [
    ("data.samples=0",),
    ("layers=two_dens",),
    ("data.samples=1,2",),
    ("-cd", "nowhere"),
]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Write) -> Path:
    """An empty cache, and a folder to run in with configuration of the reader's own."""
    for name, value in (("A_SECRET", "hunter2"), ("TWO", "2")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("RUNNER_CACHE", raising=False)
    own = "a: {_target_: runner.layers.Dense, n_neurons: 2}\n"
    write("work/mine/layers/own.yaml", own)
    write("work/looking/layers/own.yaml", own + "# ${oc.env:A_SECRET}\n")
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def entries(folder: Path) -> list[Path]:
    return sorted((folder.parent / "cache").glob("runner/compositions/*"))


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> Path:
    """The directory of a run that has to succeed."""
    capsys.readouterr()
    assert start.main(arguments) == 0
    return Path(capsys.readouterr().out.splitlines()[-1])


def without_hydra(patch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> int:
        raise AssertionError("Hydra was asked")

    patch.setattr(main, "by_hydra", refuse)


def described(run: Run) -> dict[str, Any]:
    """All of ``run.parquet`` that two equal runs have in common."""
    varying = re.compile(r"run_id|start_time|end_time|directory|path")
    return {key: value for key, value in run.metadata.items() if not varying.fullmatch(key)}


@pytest.mark.parametrize("arguments", KEPT, ids=" ".join)
def test_found_again_equal_to_the_byte(
    folder: Path,
    arguments: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("RUNNER_CACHE", "0")
        anew = run(capsys, *arguments)
    assert entries(folder) == []
    first = run(capsys, *arguments)
    assert len(entries(folder)) == 1
    with monkeypatch.context() as patch:
        without_hydra(patch)
        again = run(capsys, *arguments)
    assert len({anew, first, again}) == 3
    for name in FILES:
        text = (anew / ".hydra" / name).read_text()
        for other in (first, again):
            ours = (other / ".hydra" / name).read_text()
            assert ours.replace(str(other), str(anew)) == text
    assert f"output_dir: {again}\n" in (again / ".hydra" / "hydra.yaml").read_text()
    assert repr(described(load(again))) == repr(described(load(anew)))
    assert str(again.parent.parent).startswith(str(folder))


@pytest.mark.parametrize("arguments", NOT_KEPT, ids=" ".join)
def test_what_depends_on_more_is_not_kept(
    folder: Path, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    start.main(arguments)
    assert entries(folder) == []


@pytest.mark.parametrize("arguments", REFUSED, ids=" ".join)
def test_what_is_refused_is_not_kept(
    folder: Path, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert [start.main(arguments), start.main(arguments)] == [2, 2]
    assert entries(folder) == []
    first, second = capsys.readouterr().err.splitlines()
    assert first == second


def test_a_named_directory_is_taken_the_second_time(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "hydra.run.dir=named")
    assert len(entries(folder)) == 1
    assert start.main(["hydra.run.dir=named"]) == 2
    assert "hydra.run.dir" in capsys.readouterr().err


def test_a_changed_file_is_composed_anew(
    folder: Path, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("-cd", "mine", "layers=own")
    run(capsys, *arguments)
    path = folder / "mine/layers/own.yaml"
    before = path.stat()
    path.write_text(path.read_text().replace("n_neurons: 2", "n_neurons: 5"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert load(run(capsys, *arguments)).layers["a"].outputs.shape == (300, 5)


def test_a_new_file_is_composed_anew(
    folder: Path, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("-cd", "mine", "layers=open")
    layer = "{_target_: runner.layers.Dense, n_neurons: 2}\n"
    write("work/mine/layers/open.yaml", f"defaults: [optional more@_here_: b, _self_]\na: {layer}")
    assert list(load(run(capsys, *arguments)).layers) == ["a"]
    write("work/mine/layers/more/b.yaml", f"b: {layer}")
    assert list(load(run(capsys, *arguments)).layers) == ["b", "a"]


def test_the_key_holds_what_a_composition_depends_on(
    folder: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [fingerprint.fingerprint(["a=1", "b=2"]), fingerprint.fingerprint(["a=1", "b=2"])]
    assert keys[0] is not None
    assert keys[0] == keys[1]
    keys = keys[:1]
    keys += [fingerprint.fingerprint(words) for words in ([], ["b=2", "a=1"], ["a=1 b=2"])]
    write("work/plugins/hydra_plugins/one.py", "")
    with monkeypatch.context() as patch:
        patch.syspath_prepend(folder / "plugins")
        keys.append(fingerprint.fingerprint(["a=1", "b=2"]))
        write("work/plugins/hydra_plugins/one.py", "x = 1")
        keys.append(fingerprint.fingerprint(["a=1", "b=2"]))
    with monkeypatch.context() as patch:
        patch.setattr(fingerprint, "installed_versions", dict)
        keys.append(fingerprint.fingerprint(["a=1", "b=2"]))
    monkeypatch.chdir("mine")
    keys.append(fingerprint.fingerprint(["a=1", "b=2"]))
    assert None not in keys
    assert len(set(keys)) == len(keys)


def test_a_large_folder_has_no_key(folder: Path, write: Write) -> None:
    for number in range(500):
        write(f"work/mine/{number}.txt", "")
    assert fingerprint.fingerprint(["-cd", "mine"]) is None
    assert fingerprint.fingerprint([]) is not None


def test_no_secret_is_kept(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "name=x")
    start.main(["name=${oc.env:A_SECRET}"])
    # Nor in a run.
    for path in folder.parent.rglob("*"):
        assert path.is_dir() or b"hunter2" not in path.read_bytes()
    (entry,) = entries(folder)
    assert entry.stat().st_mode & 0o777 == 0o600
    assert entry.parent.stat().st_mode & 0o777 == 0o700


def test_a_cache_that_cannot_be_written_is_no_failure(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder.parent / "cache").write_text("")
    run(capsys)
    run(capsys)


def kept(**changes: Any) -> Composition:
    files = {name: f"{name}\n" for name in FILES} | {"hydra.yaml": f"a: {OUTPUT_DIR}\n"}
    plain = Composition({"trust": [], "x": 1.5}, ["x=1.5"], "outputs/${now:%f}", files)
    return replace(plain, **changes)


def test_saved_and_loaded(folder: Path) -> None:
    cache.save("key", kept())
    assert cache.load("key") == kept()
    assert cache.load("other") is None
    (entry,) = entries(folder)
    entry.rename(entry.with_name("other"))
    assert cache.load("other") is None


@pytest.mark.parametrize(
    "changes",
    [
        {"config": {"trust": ["os"]}},
        {"config": {"trust": [], "x": (1, 2)}},
        {"config": {"trust": [], 1: 2}},
        {"config": {}},
        {"config": {"trust": [], "x": "y" * 300_000}},
        {"overrides": [1]},
        {"directory": None},
        {"hydra_files": {}},
        {"hydra_files": {**kept().hydra_files, "hydra.yaml": ""}},
        {"hydra_files": {**kept().hydra_files, "../x": ""}},
    ],
    ids=str,
)
def test_what_json_would_change_or_we_would_not_write_is_not_kept(
    folder: Path, changes: dict[str, Any]
) -> None:
    cache.save("key", kept(**changes))
    assert entries(folder) == []


def test_damage_is_passed_over(folder: Path) -> None:
    cache.save("key", kept())
    (entry,) = entries(folder)
    data = entry.read_bytes()
    for place in range(len(data)):
        entry.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        assert cache.load("key") is None
        entry.write_bytes(data[:place])
        assert cache.load("key") is None
    entry.write_bytes(data)
    assert cache.load("key") == kept()


def test_a_false_entry_with_a_good_checksum_is_passed_over(folder: Path) -> None:
    cache.save("key", kept())
    (entry,) = entries(folder)
    for text in ("[]", "{}", "[" * 100_000, '{"config": 1}', repr(asdict(kept()))):
        body = text.encode()
        entry.write_bytes(cache._digest("key", body).encode() + b"\n" + body)
        assert cache.load("key") is None


def test_what_others_could_have_written_is_passed_over(folder: Path) -> None:
    cache.save("key", kept())
    (entry,) = entries(folder)
    for path, mode in (
        (entry, 0o620),
        (entry, 0o602),
        (entry.parent, 0o720),
        (entry.parent, 0o702),
    ):
        before = path.stat().st_mode
        path.chmod(mode)
        assert cache.load("key") is None
        path.chmod(before)
        assert cache.load("key") == kept()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_belongs_to_others_is_passed_over(folder: Path) -> None:
    cache.save("key", kept())
    (entry,) = entries(folder)
    for path in (entry, entry.parent):
        os.chown(path, 65534, 65534)
        assert cache.load("key") is None
        os.chown(path, 0, 0)
        assert cache.load("key") == kept()


def test_only_plain_files_are_read(folder: Path) -> None:
    cache.save("key", kept())
    (entry,) = entries(folder)
    entry.rename(folder / "real")
    entry.symlink_to(folder / "real")
    assert cache.load("key") is None
    entry.unlink()
    os.mkfifo(entry)
    assert cache.load("key") is None
    entry.unlink()
    entry.mkdir()
    assert cache.load("key") is None


def test_the_cache_does_not_grow_without_bound(folder: Path) -> None:
    for number in range(cache.MOST_ENTRIES + 1):
        cache.save(f"key{number}", kept())
    assert len(entries(folder)) == cache.MOST_ENTRIES // 2
    assert cache.load(f"key{cache.MOST_ENTRIES}") == kept()
    assert cache.load("key0") is None


def test_a_relative_place_is_not_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")
    monkeypatch.setenv("HOME", str(folder / "home"))
    cache.save("key", kept())
    assert not (folder / "cache").exists()
    assert (folder / "home/.cache/runner/compositions/key").is_file()
