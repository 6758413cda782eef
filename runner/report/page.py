"""One HTML file: a template, its style, its charts and the code that draws them, all inside.

Whatever comes from a run is text: the templates escape it, and data in scripts can't end them. The
page's policy lets it load nothing, and run no script but the two that it is made with.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import os
import re
import secrets
import stat
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner import __version__
from runner.errors import MissingExtraError, UsageError, clip
from runner.report import charts
from runner.store import sweeps
from runner.store.claim.around import run_around
from runner.store.files import writing

if TYPE_CHECKING:
    from jinja2 import Environment

_HERE = Path(__file__).parent / "templates"


class Page:
    """What a page is made of, gathered while its parts are worked out.

    Raises:
        MissingExtraError: a library of the extra ``report`` is not installed.

    Attributes:
        charts: the specifications, in the order they were added.
    """

    def __init__(self) -> None:
        self.charts: list[charts.Spec] = []
        # Said before any work is done.
        _environment()
        _converter()

    def chart(self, spec: charts.Spec | None) -> dict[str, Any] | None:
        """Adds a chart; gives what the templates place it with."""
        if spec is None:
            return None
        self.charts.append(spec)
        height = spec.get("height")
        return {
            "number": len(self.charts) - 1,
            "height": height if isinstance(height, int) else 200,
            "description": spec.get("description") or "",
        }

    def render(self, template: str, scripts: Sequence[str] = (), **facts: Any) -> str:
        """The whole page as text.

        Args:
            template: its file.
            scripts: more of our own, after ``page.js``.
            facts: what the template shows; ``data`` is for the scripts.
        """
        environment = _environment()
        names = ("page.js", *scripts)
        library = [_library()] if self.charts or scripts else []
        texts = [*library, *(_asset(name) for name in names)]
        data = {"charts": self.charts, "config": charts.config(), **facts.pop("data", {})}
        return environment.get_template(template).render(
            style=_markup(_asset("style.css")),
            scripts=[_markup(text) for text in texts],
            policy=_policy(texts),
            data=_markup(as_script(data)),
            version=__version__,
            **facts,
        )


def check_place(path: Path) -> None:
    """Looks whether a page may go there, before it is made.

    Raises:
        UsageError: a link, a folder or a device is there; or it is in a run, or a sweep's own file.
    """
    try:
        mode = os.lstat(path).st_mode
    except OSError:  # nothing is there, or writing will say what
        mode = stat.S_IFREG
    run = run_around(path)
    sweep = path.parent
    if stat.S_ISDIR(mode):
        problem = "is a folder; name a file in it, like page.html"
    elif not stat.S_ISREG(mode):
        problem = f"is {'a link' if stat.S_ISLNK(mode) else 'no file'}; name a file"
    elif run is not None:
        problem = f"is in run {clip(run.name, 40)}, which stays as it is; name a file outside it"
    elif path.name in sweeps.OWN_FILES and sweeps.is_sweep(sweep):
        problem = "is one of the sweep's own files; name another"
    else:
        return
    raise UsageError(f"report: {clip(str(path), 80, keep_end=True)} {problem}")


def write(path: Path, text: str) -> Path:
    """Puts a page in its place, whole or not at all.

    Raises:
        UsageError: as :func:`check_place` says.
        WriteError: the system refuses.
    """
    check_place(path)
    fresh = path.with_name(f".{path.name[:100]}-{secrets.token_hex(4)}")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            fresh.write_bytes(text.encode("utf-8", "backslashreplace"))
            os.replace(fresh, path)
        finally:
            fresh.unlink(missing_ok=True)
    return path


def as_script(data: Any) -> str:
    """JSON that may stand inside a script element, whatever its texts hold."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def number(value: Any, digits: int = 4) -> str:
    """A number with some digits, with commas where it counts something; a dash for None or NaN."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    text = re.sub(r"(e[+-])0", r"\1", f"{value:.{digits}g}")
    return text.replace("-", "−")


@cache
def _environment() -> Environment:
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
    except ImportError:
        raise MissingExtraError("jinja2", "report", "a report") from None
    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    return environment


@cache
def _library() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script, from the installed package."""
    # The other two are in it, and cannot be reached by themselves.
    made: str = _converter().javascript_bundle("window.vegaEmbed=vegaEmbed;")
    return made


def _converter() -> Any:
    try:
        import vl_convert
    except ImportError:
        raise MissingExtraError("vl-convert-python", "report", "a report") from None
    return vl_convert


@cache
def _asset(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _markup(text: str) -> Any:
    """Text of ours that the templates take as it is; nothing in it may end its element."""
    from markupsafe import Markup

    assert "</script" not in text.lower()
    assert "</style" not in text.lower()
    return Markup(text)  # noqa: S704 - our own files, and JSON without any angle bracket


def _policy(scripts: Iterable[str]) -> str:
    """The page's Content-Security-Policy: nothing is loaded, and only these scripts run."""
    digests = [base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in scripts]
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    # Vega compiles its expressions.
    return (
        f"default-src 'none'; script-src 'unsafe-eval' {allowed}; style-src 'unsafe-inline'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
