"""Jobs whose overrides differ in plain values only: one composition by Hydra does for all."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from hydra._internal.config_loader_impl import get_overrides_dirname
from omegaconf import DictConfig, OmegaConf, StringNode, ValueNode
from omegaconf.errors import OmegaConfBaseException

from runner.app.allowed import check_job_directory
from runner.app.plain import plain
from runner.sweep.compose.by_hydra import JobConfig
from runner.sweep.compose.override import Line, Scalar
from runner.sweep.compose.yaml_text import Path, Template, replaced, scalar, sequence

# What may be looked up in the tree of a job: other keys, and the environment. Anything else can
# depend on Hydra's own state or on the clock.
_KNOWN_LOOKUP = re.compile(
    r"\$\{\s*(?:\.*[\w$][\w$.\[\]-]*|oc\.env:[A-Za-z_]\w*(?:,[\w./-]*)?)\s*\}", re.ASCII
)
_SAME_FOR_ALL = re.compile(r"\$\{now:[^{}$]*\}|\$\{hydra\.job\.name\}")
_OF_JOB = re.compile(r"\$\{hydra\.job\.(?:num|id|override_dirname)\}")
_Leaf = tuple[Path, Scalar, str]
_Anywhere = tuple[Any, ...]  # keys of dicts and indices of lists
_JOB = ("hydra", "job")
_NUMBER, _ID = (*_JOB, "num"), (*_JOB, "id")
_DIRNAME = (*_JOB, "override_dirname")
_TASK = ("hydra", "overrides", "task")
_OUTPUT_DIR = ("hydra", "runtime", "output_dir")
_VARYING = (_NUMBER, _ID, _DIRNAME, _TASK, _OUTPUT_DIR)
_REMEMBERED = 4096


class UnusableError(Exception):
    """These jobs cannot be composed by setting values, or this one cannot."""


class Shape:
    """What the jobs have in common whose overrides differ in plain values only.

    Args:
        lines: the overrides of the job that Hydra composed.
        job: that job.
        cfg: its whole configuration, with the ``hydra`` key.
        task: its task's configuration, as :func:`runner.app.plain.plain` has completed it.

    Raises:
        UnusableError: Hydra has to compose every job of this shape.
    """

    def __init__(
        self, lines: Sequence[Line], job: JobConfig, cfg: DictConfig, task: DictConfig
    ) -> None:
        written: Any = OmegaConf.to_container(cfg, resolve=False, enum_to_str=True)
        hydra = written.pop("hydra")
        if hydra["job"]["env_set"] or hydra["job"]["env_copy"]:
            raise UnusableError("variables of the environment are set for the job")
        self._nodes = {line.path: _same_node(line.path, cfg, task) for line in lines if line.plain}
        self._task = task
        base: Any = OmegaConf.to_container(task, resolve=False)
        for path in self._nodes:
            base = replaced(base, path, None)
        self._base = base
        self._lookups = _find_lookups(base)
        self._sweep_dir = _common_directory(hydra, cfg)
        self._subdir = _checked_subdir(hydra)
        self._dirname = hydra["job"]["config"]["override_dirname"]
        self._writes_files = hydra["output_subdir"] is not None
        self._usual = job.usual
        try:
            self._hydra_text = Template({"hydra": hydra}, _VARYING)
            self._task_text = Template(written, tuple(self._nodes))
        except ValueError as error:
            raise UnusableError(str(error)) from None
        self._leaves: dict[str, _Leaf] = {}
        if not self.compose(job.number, lines).same_as(job):
            raise UnusableError("the first job came out differently")

    def compose(self, number: int, lines: Sequence[Line]) -> JobConfig:
        """The job with these overrides, which have to be of this shape.

        Raises:
            UnusableError: Hydra has to compose this one.
            Exception: this one is refused, by OmegaConf or by us.
        """
        leaves = [self._leaf(line) for line in lines if line.plain]
        values = {path: value for path, value, _ in leaves}
        config, stored = self._configs(values)
        overrides = tuple(line.text for line in lines)
        dirname = self._override_dirname(lines)
        subdir = self._subdir.replace("${hydra.job.num}", str(number))
        subdir = subdir.replace("${hydra.job.id}", str(number))
        subdir = subdir.replace("${hydra.job.override_dirname}", dirname)
        check_job_directory(self._sweep_dir, subdir)
        directory = os.path.join(self._sweep_dir, subdir)
        files: dict[str, str] = {}
        if self._writes_files:
            of_job: dict[Path, str] = {
                _NUMBER: scalar(number, _NUMBER),
                _ID: scalar(str(number), _ID),
                _DIRNAME: scalar(dirname, _DIRNAME),
                _TASK: sequence(overrides, _TASK),
                _OUTPUT_DIR: scalar(os.path.abspath(directory), _OUTPUT_DIR),
            }
            files = {
                "config.yaml": self._task_text.fill({path: text for path, _, text in leaves}),
                "hydra.yaml": self._hydra_text.fill(of_job),
                "overrides.yaml": sequence(overrides, ()),
            }
        usual = self._usual
        return JobConfig(
            number, overrides, config, stored, directory, files, by_hydra=False, usual=usual
        )

    def takes(self, lines: Sequence[Line]) -> bool:
        """Whether every value is one that its key takes, and looks nothing up."""
        try:
            leaves = [self._leaf(line) for line in lines if line.plain]
            return not self._lookups and not any(_find_lookups(v, path) for path, v, _ in leaves)
        except (UnusableError, OmegaConfBaseException):
            return False

    def _leaf(self, line: Line) -> _Leaf:
        """Where a value goes, what OmegaConf makes of it there, and its text."""
        leaf = self._leaves.get(line.text)
        if leaf is None:
            path, node = line.path, self._nodes[line.path]
            OmegaConf.update(self._task, line.key, line.value, force_add=line.prefix != "")
            if _node(self._task, path) is not node:
                # From now on every job has to come by here, and to fail.
                self._leaves.clear()
                raise UnusableError(f"{line.text} changes the tree")
            value = node._value()
            leaf = (path, value, scalar(value, path))
            if len(self._leaves) >= _REMEMBERED:
                self._leaves.clear()
            self._leaves[line.text] = leaf
        return leaf

    def _configs(self, values: Mapping[Path, Scalar]) -> tuple[dict[str, Any], dict[str, Any]]:
        """The configuration as it is used, and as it is stored."""
        lookups = self._lookups.copy()
        for path, value in values.items():
            lookups.update(_find_lookups(value, path))
        if lookups:
            for path, value in values.items():
                self._nodes[path]._set_value(value)
        if any(text == "???" or "oc.env" in text for text in lookups.values()):
            return plain(self._task)
        config: dict[str, Any] = _copied(self._base)
        for path, value in values.items():
            _put(config, path, value)
        for where in lookups:
            _put(config, where, _looked_up(self._task, where))
        return config, config

    def _override_dirname(self, lines: Sequence[Line]) -> str:
        named: Any = lines  # it asks them for no more than a Line has
        dirname: str = get_overrides_dirname(named, **self._dirname)
        if "${" in dirname:
            if "override_dirname" in self._subdir:
                raise UnusableError("the directory depends on a lookup")
            StringNode(dirname)  # refuses, as Hydra's own node does, what is not well-formed
        return dirname


def _node(tree: DictConfig, path: Path) -> ValueNode:
    node: Any = tree
    for key in path:
        if not isinstance(node, DictConfig) or not isinstance(node._value(), dict):
            raise UnusableError(f"{'.'.join(path)} leads through something else than dicts")
        node = node._get_node(key, validate_access=False)
    if not isinstance(node, ValueNode):
        raise UnusableError(f"{'.'.join(path)} is no plain value")
    return node


def _same_node(path: Path, cfg: DictConfig, task: DictConfig) -> ValueNode:
    """The node in the task's tree, where it takes what it takes in Hydra's."""
    ours, theirs = _node(task, path), _node(cfg, path)
    for which in (type, lambda node: node._metadata.ref_type, lambda node: node._is_optional()):
        if which(ours) != which(theirs):
            raise UnusableError(f"the schema of {'.'.join(path)} was completed")
    if path[-1] == "_target_":
        raise UnusableError("which schema holds depends on the value")
    return ours


def _common_directory(hydra: Any, cfg: DictConfig) -> str:
    pattern, name = str(hydra["sweep"]["dir"]), str(hydra["job"]["name"])
    if "${" in _SAME_FOR_ALL.sub("", pattern) or "${" in name:
        raise UnusableError("the sweep's directory depends on the job")
    return str(OmegaConf.select(cfg, "hydra.sweep.dir"))


def _checked_subdir(hydra: Any) -> str:
    pattern = hydra["sweep"]["subdir"]
    if not isinstance(pattern, str) or pattern == "???" or "\\" in pattern:
        raise UnusableError("no name of a subdirectory")
    if "${" in _OF_JOB.sub("", pattern):
        raise UnusableError("the job's directory depends on the configuration")
    return pattern


def _find_lookups(tree: Any, path: _Anywhere = ()) -> dict[_Anywhere, str]:
    """Path -> text of all in the tree that has to be looked up, or is missing."""
    if isinstance(tree, (dict, list)):
        found: dict[_Anywhere, str] = {}
        for key, item in tree.items() if isinstance(tree, dict) else enumerate(tree):
            found.update(_find_lookups(item, (*path, key)))
        return found
    if tree is not None and type(tree) not in (str, int, float, bool):
        raise UnusableError(f"{type(tree).__name__} in the configuration")
    if not isinstance(tree, str) or ("${" not in tree and tree != "???"):
        return {}
    if "${" in _KNOWN_LOOKUP.sub("", tree):
        raise UnusableError(f"{tree} looks up what may change by itself")
    return {path: tree}


def _looked_up(tree: DictConfig, path: _Anywhere) -> Any:
    value: Any = tree
    for key in path:
        value = value[key]
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value


def _put(tree: Any, path: _Anywhere, value: Any) -> None:
    for key in path[:-1]:
        tree = tree[key]
    tree[path[-1]] = value


def _copied(tree: Any) -> Any:
    if type(tree) is dict:
        return {key: _copied(value) for key, value in tree.items()}
    return [_copied(item) for item in tree] if type(tree) is list else tree
