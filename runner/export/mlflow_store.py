"""An MLflow tracking store, by MLflow's own client: what we ask of it, and its errors in our words.

What it reaches: ``http(s)://`` servers, and ``sqlite:///FILE``. Folders of plain files are closed
by MLflow 3.13 and later, unless ``MLFLOW_ALLOW_FILE_STORE`` says otherwise.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.errors import MissingExtraError, RunnerError, UsageError, WriteError, clip
from runner.export.entry import RUN_ID, SWEEP_ID, Entry

COMPLETE = "runner.exported"
"""The tag that is set last: what hasn't got it was cut short."""

PARENT = "mlflow.parentRunId"
_PARAMS_AT_ONCE, _METRICS_AT_ONCE, _RUNS_AT_ONCE = 100, 1000, 1000
_KIND_OF_EXPERIMENT = {"mlflow.experimentKind": "custom_model_development"}  # not GenAI
_OLDER_LIMIT = 500  # of a parameter's characters, on servers before 2.9
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")


@dataclass(frozen=True)
class Found:
    """A run of the store that was exported before.

    Attributes:
        id: the store's.
        complete: whether that came to its end.
        parent: the id of the sweep it belongs to, or empty.
    """

    id: str
    complete: bool
    parent: str


def _check_file(uri: str) -> None:
    """Looks whether a store that is a file can be one: MLflow would try again for two minutes.

    Raises:
        WriteError: it can't.
    """
    scheme, _, name = uri.partition(":///")
    if scheme != "sqlite" or not name or name.startswith((":", "file:")):
        return
    path = Path(name.partition("?")[0])
    if os.path.exists(path) and not os.path.isfile(path):
        raise WriteError(path, "is no file")
    # SQLite puts its journal beside the file; MLflow makes the folders that are not there.
    folder = next(each for each in path.absolute().parents if os.path.isdir(each))
    for place in (folder, path):
        if os.path.exists(place) and not os.access(place, os.W_OK):
            raise WriteError(place, os.strerror(errno.EACCES))


class MlflowStore:
    """One experiment of a tracking store; made if it isn't there.

    Args:
        uri: None: as MLflow itself, ``MLFLOW_TRACKING_URI`` or ``sqlite:///mlflow.db``.
        experiment: its name.

    Raises:
        MissingExtraError: MLflow's client is not installed.
        UsageError: there is no such kind of store.
        WriteError: it can't be reached, or is no store.
    """

    def __init__(self, uri: str | None, experiment: str) -> None:
        # A server that isn't there is told of in seconds, not after four minutes; and what is
        # exported is nobody's business but the store's.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"  # where results alone go
        with _quiet():
            try:
                import mlflow
            except ModuleNotFoundError as error:
                if (error.name or "").partition(".")[0] != "mlflow":
                    raise
                raise MissingExtraError("mlflow", "mlflow", "export mlflow") from None
        self._mlflow = mlflow
        with self._told("", uri):
            self.uri = _CREDENTIALS.sub("", uri or mlflow.get_tracking_uri())
            _check_file(self.uri)
            self._client = mlflow.MlflowClient(tracking_uri=uri)
            found = self._client.get_experiment_by_name(experiment)
            self.experiment_id: str = (
                found.experiment_id
                if found
                else self._client.create_experiment(experiment, tags=_KIND_OF_EXPERIMENT)
            )

    def exported(self, tag: str, value: str | None = None) -> dict[str, Found]:
        """The tag's value -> the run that has it.

        Args:
            tag: ``runner.run_id`` or ``runner.sweep_id``.
            value: None: whatever it is.
        """
        condition = f"tags.`{tag}` LIKE '%'" if value is None else f"tags.`{tag}` = '{value}'"
        found: dict[str, Found] = {}
        token = None
        with self._told("searching"):
            while True:
                page = self._client.search_runs(
                    [self.experiment_id],
                    condition,
                    max_results=_RUNS_AT_ONCE,
                    page_token=token,
                )
                for run in page:
                    tags = run.data.tags
                    known = Found(run.info.run_id, COMPLETE in tags, tags.get(PARENT, ""))
                    if tags[tag] not in found or known.complete:
                        found[tags[tag]] = known
                token = page.token
                if not token:
                    return found

    def begin(self, entry: Entry, parent: str | None = None) -> str:
        """Makes a run, RUNNING and with nothing in it but what it is known by; gives its id."""
        known = {name: entry.tags[name] for name in (RUN_ID, SWEEP_ID) if name in entry.tags}
        with self._told(entry.name):
            made = self._client.create_run(
                self.experiment_id,
                start_time=entry.start,
                tags=known | ({PARENT: parent} if parent else {}),
                run_name=entry.name,
            )
        return str(made.info.run_id)

    def fill(self, run_id: str, entry: Entry) -> None:
        """Writes what an entry holds into a run, and marks it complete."""
        entities = self._mlflow.entities
        with self._told(entry.name):
            for tags in _pieces(list(entry.tags.items()), _PARAMS_AT_ONCE):
                self._client.log_batch(run_id, tags=[entities.RunTag(*pair) for pair in tags])
            for params in _pieces(list(entry.params.items()), _PARAMS_AT_ONCE):
                self._log_params(run_id, params, entry.notes)
            for metrics in _pieces(entry.metrics, _METRICS_AT_ONCE):
                self._client.log_batch(
                    run_id,
                    metrics=[entities.Metric(k, v, entry.end, step) for k, v, step in metrics],
                )
            for path, file in entry.files.items():
                folder = path.rpartition("/")[0]
                self._client.log_artifact(run_id, str(file), folder or None)
            self._client.set_tag(run_id, COMPLETE, "true")
            self._client.set_terminated(run_id, entry.status, entry.end)

    def adopt(self, run_id: str, parent: str) -> None:
        """Puts a run below its sweep."""
        with self._told(run_id):
            self._client.set_tag(run_id, PARENT, parent)

    def delete(self, run_id: str) -> None:
        """Deletes a run, as MLflow does: it can be restored there."""
        with self._told(run_id):
            self._client.delete_run(run_id)

    def page(self, run_id: str) -> str | None:
        """Where a server shows a run."""
        if not self.uri.startswith("http"):
            return None
        return f"{self.uri.rstrip('/')}/#/experiments/{self.experiment_id}/runs/{run_id}"

    def _log_params(self, run_id: str, params: list[tuple[str, str]], notes: list[str]) -> None:
        param = self._mlflow.entities.Param
        try:
            self._client.log_batch(run_id, params=[param(*pair) for pair in params])
        except self._mlflow.MlflowException:
            long = [key for key, value in params if len(value) > _OLDER_LIMIT]
            if not long:
                raise
            notes += [f"{clip(key, 40)} is cut to {_OLDER_LIMIT} characters" for key in long]
            cut = [param(key, value[:_OLDER_LIMIT]) for key, value in params]
            self._client.log_batch(run_id, params=cut)

    @contextmanager
    def _told(self, what: str, uri: str | None = None) -> Iterator[None]:
        """Whatever the store or the way to it does not like, in one line."""
        where = _CREDENTIALS.sub("", uri or str(getattr(self, "uri", "the store")))
        try:
            with _quiet():
                yield
        except RunnerError:
            raise
        except Exception as error:
            reason = _CREDENTIALS.sub("", str(error)).replace("\n", " ")
            kind = type(error).__name__
            if kind.startswith("Unsupported"):
                scheme = clip(where.partition(":")[0], 20)
                there = "there is: http, https, sqlite"
                raise UsageError(
                    f"--uri {clip(where, 60)}: no store of kind {scheme}; {there}"
                ) from None
            if "MLFLOW_ALLOW_FILE_STORE" in reason:
                cure = "MLflow 3.13 closed plain-file stores; take sqlite:///mlflow.db"
                raise UsageError(f"--uri {clip(where, 80)}: {cure}") from None
            if isinstance(error, (self._mlflow.MlflowException, OSError)) or _is_of_a_store(error):
                told = f"{clip(what, 30)}: {reason}" if what else reason
                raise WriteError(where, clip(told, 120)) from error
            raise


def _is_of_a_store(error: Exception) -> bool:
    """Whether it is of the database, or of the connection to a server."""
    modules = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    return bool(modules & {"sqlalchemy", "alembic", "requests", "urllib3", "sqlite3"})


@contextmanager
def _quiet() -> Iterator[None]:
    """Without MLflow's own words about databases it makes, and its dependencies' warnings."""
    loggers = [logging.getLogger(name) for name in ("mlflow", "alembic")]
    before = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            for logger, level in zip(loggers, before, strict=True):
                logger.setLevel(level)


def _pieces(items: Sequence[Any], size: int) -> Iterator[list[Any]]:
    yield from (list(items[at : at + size]) for at in range(0, len(items), size))
