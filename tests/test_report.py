"""Pages as a reader sees them: opened from disk in a real Chromium."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runner.errors import UsageError, WriteError
from runner.store import load, resolve
from tests import picture
from tests.conftest import ROOT, Program

pytest.importorskip("jinja2", reason="the extra `report` is not installed")
pytest.importorskip("vl_convert", reason="the extra `report` is not installed")

from runner.report.page import check_place, write
from runner.report.pair import page_of_pair
from runner.report.run import page_of_run
from runner.report.sweep import page_of_sweep

FULL = os.environ.get("RUNNER_FULL") == "1"
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
    if shutil.which("chromium") is None:
        if FULL:
            pytest.fail("RUNNER_FULL=1 and there is no chromium")
        pytest.skip("there is no chromium")
    with picture.browser() as started:
        yield started


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


def test_a_run_that_explodes(place: Program, reader: Reader) -> None:
    deep = ("layers=mlp", "layers.mlp.depth=9", "layers.mlp.width=8", "layers.mlp.activation=relu")
    run = place.run(*deep, "layers.mlp.weight_scale=1e9", "data.samples=10")
    page = reader.open(page_of(place, str(run)))
    assert "not finite" in page.locator("#network").inner_text()
    assert "Layers with values that are not finite have no point" in page.content()
    assert min(drawn(page)[:6]) > 0


@pytest.mark.parametrize("width", [400, 1280])
def test_nothing_sticks_out(book: Path, reader: Reader, width: int) -> None:
    page = reader.open(book, width=width)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    # What scrolls by itself is reached by the keyboard, and has a name; pictures are no stops.
    nameless = page.evaluate(
        """() => [...document.querySelectorAll('*')].filter((each) => {
          const scrolls = getComputedStyle(each).overflowX === 'auto' && !each.closest('nav');
          const reached = each.tabIndex >= 0 && each.ariaLabel;
          return scrolls && each.scrollWidth > each.clientWidth && !reached;
        }).length"""
    )
    assert nameless == 0
    assert page.locator("[role=img][tabindex]").count() == 0


def test_on_paper(book: Path, reader: Reader) -> None:
    page = reader.open(book, scheme="dark")
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator("#theme").is_visible()
    assert page.pdf().startswith(b"%PDF")


def test_tables_on_paper(sweep: Path, place: Program, reader: Reader) -> None:
    """There is no scrolling on paper."""
    a, b = (place.run(f"seeds.seed={seed}", "data.samples=20") for seed in (0, 1))
    pages = page_of_pair(load(a), load(b)), page_of_sweep(sweep, place.folder)
    for name, text in zip(("pair", "sweep"), pages, strict=True):
        page = reader.open(write(place.folder / f"paper-{name}.html", text))
        page.emulate_media(media="print")
        page.set_viewport_size({"width": 703, "height": 1000})  # A4 within its margins
        assert page.evaluate("document.documentElement.scrollWidth") == 703
        assert page.locator("th").first.is_visible()
        outside = page.evaluate(
            "[...document.querySelectorAll('td')].filter("
            "(cell) => cell.getBoundingClientRect().right > 703).length"
        )
        assert outside == 0


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
    # It has no bits to be checked again.
    assert page.locator("#reproduce").count() == 0
    assert "trust=[bad_layers]" in page.locator("#again").inner_text()


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


@pytest.fixture(scope="module")
def sweep(place: Program) -> Path:
    """Three scales, two seeds, and what is kept: twelve jobs."""
    done = place.start(
        *("-m", "layers=mlp", "layers.mlp.depth=2", "layers.mlp.width=4", "data.samples=10"),
        *("layers.mlp.weight_scale=0.1,0.2,1e30", "seeds.seed=0,1", "save.keep=all,statistics"),
    )
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.splitlines()[-1])


def test_two_runs(place: Program, reader: Reader) -> None:
    a, b = (place.run("layers=book_chapter_4", f"seeds.seed={seed}") for seed in (0, 1))
    c = place.run("layers=book_chapter_4", "layers.dense2.weight_scale=0.02")
    path = place.folder / "pair.html"
    page = reader.open(write(path, page_of_pair(load(a), load(c))))
    assert "because layers.dense2.weight_scale differs" in page.locator("h1").inner_text()
    assert page.locator("#changes th[scope=row]").all_inner_texts()[:1] == [
        "layers.dense2.weight_scale"
    ]
    counts = drawn(page)
    assert len(counts) == 2 + 1 + 1 + 4  # over depth, samples, similarity, layers
    assert min(counts) > 0
    assert page.locator(".map img").count() == 2  # of the layers that differ
    page = reader.open(write(path, page_of_pair(load(a), load(b))), width=400)
    assert page.evaluate("document.documentElement.scrollWidth") == 400
    same = reader.open(write(path, page_of_pair(load(a), load(a))))
    assert "the same to the bit" in same.locator("h1").inner_text().lower()


def test_a_sweep(sweep: Path, reader: Reader, place: Program) -> None:
    path = place.folder / "sweep.html"
    page = reader.open(write(path, page_of_sweep(sweep, path.parent)))
    assert page.locator("#table tbody tr").count() == 12
    curves = page.locator("[data-curve] svg")
    assert curves.count() == 4  # two keys, each against itself and over depth
    marks = ".mark-line path, .mark-symbol path, .mark-area path"
    assert page.locator("[data-choose=layer]").first.input_value() == "last layer"
    before = page.locator("[data-curve=key]").first.locator(marks).count()
    assert before > 0
    page.locator("[data-choose=statistic]").first.select_option("zero_fraction")
    page.wait_for_function(
        "document.querySelector('[data-curve=key]').textContent.includes('zeros of the last')"
    )


def test_a_sweep_s_table(sweep: Path, reader: Reader, place: Program) -> None:
    path = place.folder / "sweep.html"
    page = reader.open(write(path, page_of_sweep(sweep, path.parent)))
    heads = page.locator("#table th").all_inner_texts()
    scale, seed = (heads.index(name) for name in ("layers.mlp.weight_scale", "seeds.seed"))

    def column(at: int) -> list[str]:
        texts: list[str] = page.locator(f"#table tbody td:nth-child({at + 1})").all_inner_texts()
        return texts

    page.locator("#filter").fill("weight_scale<1 seeds.seed=1")
    assert set(column(seed)) == {"1"}
    assert set(column(scale)) == {"0.1", "0.2"}
    assert page.locator("#count").inner_text() == "4 of 12 runs"
    page.locator("#filter").fill("")
    button = page.locator("#table th button").nth(scale)
    button.focus()
    page.keyboard.press("Enter")
    assert column(scale) == sorted(column(scale), key=float)
    page.keyboard.press("Enter")
    assert column(scale) == sorted(column(scale), key=float, reverse=True)
    assert page.locator("#table th").nth(scale).get_attribute("aria-sort") == "descending"
    page.locator("#filter").fill("nothing-of-the-kind")
    assert page.locator("#table tbody tr").count() == 0


def test_a_sweep_links_its_runs_and_tells_failures(place: Program, reader: Reader) -> None:
    (place.folder / "bad_layers.py").write_text(BAD_LAYER)
    mine = "+layers.mine={_target_: bad_layers.Broken, n_neurons: 3}"
    done = place.start("-m", "trust=[bad_layers]", "seeds.seed=0,1", mine, "data.samples=5")
    assert done.returncode == 1
    sweep = done.stdout.splitlines()[-1]
    made = place.start("report", sweep, "--runs", "--out", "pages/sweep.html")
    assert made.returncode == 0, made.stderr
    path = Path(made.stdout.splitlines()[-1])
    assert path == place.folder / "pages" / "sweep.html"
    page = reader.open(path)
    assert "<script>window.hacked=1</script>" in page.locator("#failures").inner_text()
    links = page.locator("#table a")
    assert links.count() == 2
    links.first.click()
    assert "FAILED" in page.locator(".over").inner_text()


def test_a_sweep_that_was_killed(program: Program) -> None:
    """What ended is drawn, and how many there were to be is said."""
    process = program.begin_sweep("seeds.seed=range(2000)", "hydra.sweep.dir=killed")
    folder = program.folder / "killed"
    while len(list(folder.glob("*/run.parquet"))) < 3:
        assert process.poll() is None
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    text = page_of_sweep(folder, program.folder)
    assert " of 2,000<" in text
    assert "Against seeds.seed" in text
    assert "mean of dense2" in text


def test_the_picture_of_the_documents(browser: Any, tmp_path: Path) -> None:
    """It is what `python -m tests.picture` draws, but for fonts and times."""

    def size(png: bytes) -> tuple[int, int]:
        return int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")

    kept = picture.PICTURE.read_bytes()
    fresh = picture.draw(browser, tmp_path, tmp_path / "report.png").read_bytes()
    assert size(kept) == size(fresh) == (picture.WIDTH, picture.HEIGHT)
    assert len(kept) <= 300_000
    assert 0.5 < len(fresh) / len(kept) < 2
    for page, link in (("README.md", "docs/images"), ("docs/howto/report.md", "../images")):
        assert f"]({link}/{picture.PICTURE.name})" in (ROOT / page).read_text(encoding="utf-8")


def test_refused(place: Program) -> None:
    done = place.start("report", "book", "--runs")
    assert done.returncode == 2
    assert done.stderr == "runner: report: --runs goes with a sweep\n"
    code = "import sys; sys.modules['vl_convert'] = None; from runner.__main__ import main; "
    missing = subprocess.run(
        [sys.executable, "-c", f"{code} sys.exit(main(['report', 'book']))"],
        cwd=place.folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert missing.returncode == 2
    assert missing.stderr == (
        "runner: a report needs vl-convert-python: pip install 'runner[report]'\n"
    )
    (place.folder / "flat").write_text("")
    with pytest.raises(WriteError, match=r"flat/page\.html"):
        write(place.folder / "flat" / "page.html", "")


def test_where_a_page_may_not_go(
    place: Program, sweep: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nothing that was there is replaced but a file, and a run stays as it was committed."""
    run = resolve("book", place.folder / "outputs")
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    os.mkdir("folder")
    os.symlink("elsewhere.html", "link")
    os.symlink(run, "run")
    for path, problem in {
        "": "is a folder",
        "..": "is a folder",
        "folder": "is a folder; name a file in it",
        "pipe": "is no file",
        "/dev/null": "is no file",
        "link": "is a link",
        f"{run}/page.html": "is in run",
        f"{run}/layers/new/page.html": "is in run",
        "run/page.html": "is in run",
        f"{sweep}/sweep.parquet": "one of the sweep's own files",
    }.items():
        with pytest.raises(UsageError, match=problem):
            check_place(Path(path))
    check_place(sweep / "page.html")
    with pytest.raises(UsageError):
        write(Path("link"), "")
    assert sorted(os.listdir()) == ["folder", "link", "pipe", "run"]
    done = place.start("report", "book", "--out", str(tmp_path / "pipe"))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
