"""Pages as a reader sees them: opened from disk in a real Chromium."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runner.store import load, resolve
from tests.conftest import Program

pytest.importorskip("jinja2", reason="the extra `report` is not installed")
pytest.importorskip("vl_convert", reason="the extra `report` is not installed")

from runner.report.page import write
from runner.report.run import page_of_run

FULL = os.environ.get("RUNNER_FULL") == "1"
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"),
    *("--disable-component-update", "--no-first-run", "--disable-quic"),
)
HOSTILE = "</script><script>window.hacked=1</script><img src=x onerror=window.hacked=1>"
BAD_LAYER = """
class Broken:
    def __init__(self, n_inputs, n_neurons):
        self.n_inputs = n_inputs

    def forward(self, inputs):
        raise ValueError("<script>window.hacked=1</script>")
"""


class Reader:
    """One who opens pages: what was asked of the network or complained of is kept."""

    def __init__(self, browser: Any, pictures: Path) -> None:
        self._browser = browser
        self._pictures = pictures
        self.complaints: list[str] = []

    def open(self, path: Path, *, width: int = 1280, scheme: str = "light") -> Any:
        context = self._browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme
        )
        page = context.new_page()
        page.on("console", lambda said: self.complaints.append(f"{said.type}: {said.text}"))
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("request", self._request)
        page.goto(path.absolute().as_uri())
        page.evaluate("window.runnerReport.drawAll()")
        name = f"{path.stem}-{width}-{scheme}.png"
        page.screenshot(path=self._pictures / name, full_page=True)
        return page

    def _request(self, request: Any) -> None:
        if not request.url.startswith(("file:", "data:")):
            self.complaints.append(f"request: {request.url}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    chromium = shutil.which("chromium")
    if chromium is None:
        if FULL:
            pytest.fail("RUNNER_FULL=1 and there is no chromium")
        pytest.skip("there is no chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def reader(browser: Any, tmp_path: Path) -> Iterator[Reader]:
    pictures = Path(os.environ.get("RUNNER_SCREENSHOTS") or tmp_path / "screenshots")
    pictures.mkdir(parents=True, exist_ok=True)
    reader = Reader(browser, pictures)
    yield reader
    assert reader.complaints == []


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """A folder with a few runs, each made once."""
    program = Program(tmp_path_factory.mktemp("reports"))
    program.run("name=book", "layers=book_chapter_4", "data.samples=40")
    return program


@pytest.fixture(scope="module")
def book(place: Program) -> Path:
    """The page of the run of that name."""
    return page_of(place, "book")


def page_of(place: Program, name: str) -> Path:
    """A run's page, made in this process: the library is put together once for all."""
    run = load(resolve(name, place.folder / "outputs"))
    return write(place.folder / f"{run.id}.html", page_of_run(run))


def drawn(page: Any) -> list[int]:
    """How many things that can be seen there are in each chart."""
    counts: list[int] = page.evaluate(
        """() => [...document.querySelectorAll('[data-chart]')].map((place) =>
          [...place.querySelectorAll('.mark-symbol path, .mark-rect path, .mark-line path,' +
            '.mark-area path, .mark-image image')].filter((each) => {
              const box = each.getBoundingClientRect();
              return box.width + box.height > 0.5;
            }).length)"""
    )
    return counts


def test_the_verb(place: Program, reader: Reader) -> None:
    done = place.start("report", "book")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    path = Path(done.stdout.splitlines()[-1])
    assert path.parent == place.folder / "outputs" / "reports"
    assert reader.open(path).locator("h1").inner_text() == "book"


def test_a_run(book: Path, reader: Reader) -> None:
    page = reader.open(book)
    titles = page.locator("h2").all_inner_texts()
    assert titles == [
        "The data",
        "The network",
        "Over depth",
        "Decision regions",
        "Layers",
        "Where it comes from",
    ]
    counts = drawn(page)
    assert len(counts) == 2 + 4 + 1 + 4 * 2
    assert min(counts) > 0
    assert counts[0] >= 120  # every sample
    assert page.locator("svg.network circle").count() == 2 + 3 * 4
    assert page.locator("svg.network line.positive, svg.network line.negative").count() == 2 * 3 + 9
    assert page.locator(".responses img").count() == 3 * 4
    assert "vanishing" in page.locator("#network").inner_text()
    assert re.search(r"reproduce [0-9a-f]{16}", page.locator("#reproduce").inner_text())


def test_light_and_dark(book: Path, reader: Reader) -> None:
    page = reader.open(book, scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    label = "getComputedStyle(document.querySelector('.chart text')).fill"
    dark = page.evaluate(f"[{ground}, {label}]")
    page.keyboard.press("Tab")  # to what skips the head
    page.locator("#theme").focus()
    page.keyboard.press("Enter")
    light = page.evaluate(f"[{ground}, {label}]")
    assert light[0] != dark[0]
    assert light[1] != dark[1]  # charts take part


@pytest.mark.parametrize("width", [400, 1280])
def test_nothing_sticks_out(book: Path, reader: Reader, width: int) -> None:
    page = reader.open(book, width=width)
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_on_paper(book: Path, reader: Reader) -> None:
    page = reader.open(book, scheme="dark")
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator("#theme").is_visible()
    assert page.pdf().startswith(b"%PDF")


def test_what_comes_from_a_run_is_text(place: Program, reader: Reader) -> None:
    (place.folder / "bad_layers.py").write_text(BAD_LAYER)
    name = "<img src=x onerror=window.hacked=1>"
    run = place.run(f"name='{name}'", f"tags=['{HOSTILE}']", "data.samples=5")
    page = reader.open(page_of(place, str(run)))
    assert page.locator("h1").inner_text() == name
    assert page.locator(".tag").inner_text() == HOSTILE
    assert page.evaluate("window.hacked") is None
    assert page.locator("img[src=x]").count() == 0

    failed = place.start(
        "+layers.mine={_target_: bad_layers.Broken, n_neurons: 3}", "trust=[bad_layers]"
    )
    assert failed.returncode == 1
    page = reader.open(page_of(place, failed.stdout.splitlines()[-1]))
    assert "<script>window.hacked=1</script>" in page.locator(".error").inner_text()
    assert page.evaluate("window.hacked") is None


def test_a_layer_s_name_is_text(place: Program, reader: Reader, tmp_path: Path) -> None:
    """Ours refuse such names, and a file may come from elsewhere."""
    run = load(resolve("book", place.folder / "outputs"))
    for layer in run.layers.values():
        layer.name = f"{layer.name}{HOSTILE}"
    path = tmp_path / "hostile.html"
    path.write_text(page_of_run(run), encoding="utf-8")
    page = reader.open(path)
    assert page.locator(".card h3").first.inner_text() == f"dense1{HOSTILE}"
    assert page.evaluate("window.hacked") is None
    assert page.locator("img[src=x]").count() == 0
