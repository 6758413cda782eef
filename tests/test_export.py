"""Runs and sweeps in a real MLflow store, read back by MLflow's own client."""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import runner
from runner.cli import main as verb
from runner.errors import MissingExtraError
from runner.export.entry import LONGEST_VALUE, Entry, of_run
from runner.export.mlflow_store import COMPLETE, PARENT, MlflowStore
from runner.store.verify import verify
from tests.conftest import Program

pytest.importorskip("mlflow")
pytest.importorskip("sqlalchemy")

REPORT = ["report.html"] if find_spec("vl_convert") and find_spec("jinja2") else []
SECRET = "hunter2-and-more"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, one that failed, one that was told something secret, and a sweep."""
    folder = tmp_path_factory.mktemp("stored")
    program = Program(folder)
    (folder / "mine.py").write_text(
        "class Bad:\n    def forward(self, x):\n        raise ValueError('<b>no</b>')\n\n\n"
        "class Told:\n    def __init__(self, word):\n        pass\n\n"
        "    def forward(self, x):\n        return x\n"
    )
    program.run("layers=book_chapter_4", "data.samples=20", "name=spiral", "tags=[a,b]")
    program.run(
        "+layers.told={_target_: mine.Told, word: '${oc.env:TOLD}'}",
        "trust=[mine]",
        "name=told",
        "data.samples=5",
        env={"TOLD": SECRET},
    )
    bad = program.start("+layers.bad={_target_: mine.Bad}", "trust=[mine]", "name=bad")
    assert bad.returncode == 1
    swept = program.start("-m", "data.samples=5", "layers=one_dense", "seeds.seed=0,1,2")
    assert swept.returncode == 0, swept.stderr
    return folder


@pytest.fixture
def inside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'store.db'}")
    return folder


@pytest.fixture
def mlflow(inside: Path) -> Any:
    return pytest.importorskip("mlflow")


def export(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Exports in this process; the id that it ends with."""
    assert verb(["export", "mlflow", *words]) == 0
    return capsys.readouterr().out.splitlines()[-1]


def runs(mlflow: Any, experiment: str) -> list[Any]:
    client = mlflow.MlflowClient()
    found = client.get_experiment_by_name(experiment)
    return list(client.search_runs([found.experiment_id]))


def test_a_run(mlflow: Any, inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = export(capsys, "spiral", "--experiment", "one")
    ours = runner.load("spiral")
    client = mlflow.MlflowClient()
    run = client.get_run(made)
    assert (run.info.run_name, run.info.status) == ("spiral", "FINISHED")
    times = (ours.metadata["start_time"], ours.metadata["end_time"])
    seen = (run.info.start_time, run.info.end_time)
    assert seen == tuple(int(time.timestamp() * 1000) for time in times)
    assert run.data.params["data.samples"] == "20"
    assert run.data.params["seeds.seed"] == "0"
    assert run.data.params["layers.dense1.weight_scale"] == "0.01"
    assert run.data.metrics["loss"] == pytest.approx(ours.metadata["metrics.loss"])
    assert run.data.tags["runner.run_id"] == ours.id
    assert run.data.tags["runner.tags"] == "a b"
    assert run.data.tags["env.numpy"] == ours.metadata["env.numpy"]
    assert "| 1 &nbsp; | activation1 &nbsp; | ReLU" in run.data.tags["mlflow.note.content"]
    for name in ("std", "zero_fraction"):
        history = client.get_metric_history(made, f"layer/{name}")
        expected = [(n, layer.statistics[name]) for n, layer in enumerate(ours.layers.values())]
        assert [(point.step, point.value) for point in history] == expected


def test_its_files_are_the_run(
    mlflow: Any, inside: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = export(capsys, "spiral", "--experiment", "files")
    mlflow.MlflowClient().download_artifacts(made, "run", str(tmp_path))
    assert verify(tmp_path / "run") == []
    assert runner.load(tmp_path / "run").id == runner.load("spiral").id
    files = [item.path for item in mlflow.MlflowClient().list_artifacts(made)]
    assert sorted(files) == [*REPORT, "run"]
    slim = export(capsys, "spiral", "--experiment", "slim", "--no-outputs")
    names = [item.path for item in mlflow.MlflowClient().list_artifacts(slim, "run")]
    assert "run/layers.parquet" in names
    assert not {"run/layers", "run/inputs.parquet"} & set(names)


def test_a_sweep(mlflow: Any, inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = export(capsys, "latest", "--experiment", "sweep")
    found = {run.info.run_id: run for run in runs(mlflow, "sweep")}
    parent = found.pop(made)
    assert len(found) == 3
    assert parent.info.run_name == "sweep over seeds.seed"
    assert parent.data.metrics["jobs/finished"] == 3
    assert parent.data.params["data.samples"] == "5"
    assert "seeds.seed" not in parent.data.params
    assert {run.data.tags[PARENT] for run in found.values()} == {made}
    assert {run.info.run_name for run in found.values()} == {f"seeds.seed={i}" for i in range(3)}
    for each, own in ((made, "sweep.parquet"), *((child, "run") for child in found)):
        files = {item.path for item in mlflow.MlflowClient().list_artifacts(each)}
        assert {own, *REPORT} <= files


def test_again_adds_nothing(mlflow: Any, inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = export(capsys, "outputs/latest/1", "--experiment", "again")
    assert export(capsys, "outputs/latest/1", "--experiment", "again") == first
    sweep = export(capsys, "latest", "--experiment", "again")
    assert export(capsys, "latest", "--experiment", "again") == sweep
    found = runs(mlflow, "again")
    assert len(found) == 4
    [alone] = [run for run in found if run.info.run_id == first]
    assert alone.data.tags[PARENT] == sweep  # which it was not below at first


def test_a_sweep_that_grew(
    mlflow: Any, inside: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    part = tmp_path / "part"
    shutil.copytree(inside / "outputs" / "latest", part)
    shutil.rmtree(part / "2")
    half = export(capsys, str(part), "--experiment", "grew")
    assert len(runs(mlflow, "grew")) == 3
    whole = export(capsys, "latest", "--experiment", "grew")
    found = {run.info.run_id: run for run in runs(mlflow, "grew")}
    assert len(found) == 4
    assert half not in found
    assert found[whole].data.metrics["jobs"] == 3
    assert {run.data.tags.get(PARENT, whole) for run in found.values()} == {whole}


def test_what_was_cut_short_is_done_anew(
    mlflow: Any,
    inside: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(mlflow.MlflowClient, "log_artifact", full)
        assert verb(["export", "mlflow", "spiral", "--experiment", "cut"]) == 3
    assert "No space left" in capsys.readouterr().err
    [half] = runs(mlflow, "cut")
    assert (half.info.status, COMPLETE in half.data.tags) == ("RUNNING", False)
    made = export(capsys, "spiral", "--experiment", "cut")
    [whole] = runs(mlflow, "cut")
    assert whole.info.run_id == made != half.info.run_id
    assert whole.info.status == "FINISHED"


def test_a_run_that_failed(mlflow: Any, inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = mlflow.MlflowClient().get_run(export(capsys, "bad", "--experiment", "bad"))
    assert run.info.status == "FAILED"
    assert "<b>no</b>" in run.data.tags["runner.error"]


def test_an_interrupted_run_was_killed(inside: Path) -> None:
    run = runner.load("spiral")
    run._row["status"] = "INTERRUPTED"
    assert of_run(run).status == "KILLED"


def test_secrets_stay_interpolations(
    mlflow: Any, inside: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = export(capsys, "told", "--experiment", "told")
    run = mlflow.MlflowClient().get_run(made)
    assert run.data.params["layers.told.word"] == "${oc.env:TOLD}"
    mlflow.MlflowClient().download_artifacts(made, "", str(tmp_path))
    texts = [repr(run.to_dictionary()).encode()]
    texts += [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(texts) > 5
    assert not any(SECRET.encode() in text for text in texts)


def test_what_the_store_does_not_take(
    mlflow: Any, inside: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = runner.load("spiral")
    run._row |= {"params.odd@{key}/x": 1, "params.odd@(key)/x": 2, "params.é": "a\nb",
                     f"params.{'k' * 300}": 3, "params.long": "v" * 7000}  # fmt: skip
    entry = of_run(run, outputs=False)
    store = MlflowStore(None, "limits")
    made = store.begin(entry)
    store.fill(made, entry)
    params = mlflow.MlflowClient().get_run(made).data.params
    assert (params["odd__key__x"], params["odd__key__x_"], params["é"]) == ("1", "2", "a\nb")
    assert len(params["long"]) == LONGEST_VALUE
    assert sum(key.startswith("kkk") for key in params) == 1
    assert "long is cut to 6000 characters of 7000" in entry.notes
    assert len(entry.notes) == 4


def test_many_of_everything(mlflow: Any, inside: Path) -> None:
    """More than the client takes in one message."""
    entry = Entry("many", "FINISHED", 1, 2, {f"t{i}": "x" for i in range(150)},
                  {f"p{i}": "y" for i in range(250)},
                  [("layer/std", float(i), i) for i in range(1500)])  # fmt: skip
    store = MlflowStore(None, "many")
    made = store.begin(entry)
    store.fill(made, entry)
    client = mlflow.MlflowClient()
    assert len(client.get_run(made).data.params) == 250
    assert len(client.get_metric_history(made, "layer/std")) == 1500


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["nosuchrun"], 2, "nosuchrun"),
        (["spiral", "--uri", "s3://bucket"], 2, "no store of kind s3"),
        (["spiral", "--uri", "./folder"], 2, "sqlite:///mlflow.db"),
        (["spiral", "--uri", "http://me:hunter2@127.0.0.1:9"], 3, "127.0.0.1:9"),
        (["spiral", "--uri", "sqlite:///mine.py"], 3, "mine.py"),
        (["spiral", "--uri", "sqlite:////dev/null"], 3, "/dev/null: is no file"),
        (["spiral", "--uri", "sqlite:///outputs"], 3, "outputs: is no file"),
        (["spiral", "--uri", " "], 2, "--uri"),
        (["spiral", "--experiment", ""], 2, "--experiment"),
        ([], 2, "RUN"),
    ],
)
def test_refused(
    inside: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    code: int,
    said: str,
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    before = (inside / "mine.py").read_bytes()
    assert verb(["export", "mlflow", *words]) == code
    out, err = capsys.readouterr()
    [line] = err.splitlines()
    assert out == ""
    assert said in line
    assert len(line) <= 200
    assert "hunter2" not in line
    assert (inside / "mine.py").read_bytes() == before
    assert not (inside / "folder").exists()


def test_where_nobody_may_write(
    inside: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Said at once: MLflow would try again for two minutes."""
    monkeypatch.setattr(os, "access", lambda path, mode: str(path) != str(inside))
    for uri in ("sqlite:///new.db", "sqlite:///new/new/new.db", f"sqlite:///{inside}/new.db"):
        assert verb(["export", "mlflow", "spiral", "--uri", uri]) == 3
        assert capsys.readouterr().err == f"runner: cannot write {inside}: Permission denied\n"
    assert not (inside / "new").exists()


def test_without_the_extra(inside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import builtins

    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "mlflow":
            raise ModuleNotFoundError("no", name="mlflow")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"pip install 'runner\[mlflow\]'"):
        MlflowStore(None, "x")


def test_as_a_program(inside: Path) -> None:
    """MLflow has a lot to say; what is seen is the id, and one line."""
    done = Program(inside).start("export", "mlflow", "spiral", "--experiment", "program")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) == 1
    lines = [line for line in done.stderr.splitlines() if "its report" not in line]
    assert len(lines) == 1
