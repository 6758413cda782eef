"""``python -m tests.picture``: draws docs/images/report.png anew, the top of a real report.

It takes Chromium, and the extras ``report`` and ``test``.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from shutil import which
from typing import Any

import runner

PICTURE = Path(__file__).resolve().parent.parent / "docs" / "images" / "report.png"
WIDTH, HEIGHT = 1280, 1270
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"),
    *("--disable-component-update", "--no-first-run", "--disable-quic"),
)


@contextmanager
def browser() -> Iterator[Any]:
    """A Chromium of the system's.

    Raises:
        FileNotFoundError: there is none.
    """
    chromium = which("chromium")
    if chromium is None:
        raise FileNotFoundError("there is no chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        yield started
        started.close()


def draw(chromium: Any, folder: Path, picture: Path) -> Path:
    """The first screen of the page of chapter 4's program, light, as PNG.

    Args:
        chromium: a browser.
        folder: for the run and its page.
        picture: where it goes.
    """
    from runner.report.page import write
    from runner.report.run import page_of_run

    with chdir(folder):
        run = runner.run(["experiment=book_chapter_4", "name=chapter_4"])
    path = write(folder / "report.html", page_of_run(run))
    size = {"width": WIDTH, "height": HEIGHT}
    page = chromium.new_context(viewport=size, color_scheme="light").new_page()
    page.goto(path.absolute().as_uri())
    page.evaluate("window.runnerReport.drawAll()")
    page.screenshot(path=picture)
    page.context.close()
    return picture


def main() -> int:
    """Draws it in its place."""
    with tempfile.TemporaryDirectory() as folder, browser() as chromium:
        draw(chromium, Path(folder), PICTURE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
