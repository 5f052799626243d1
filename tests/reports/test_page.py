"""The page of a run, read as text and used in a real browser."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from fusebench.bench import maps
from fusebench.bench.engine import run
from fusebench.bench.suite import Suite, Table
from fusebench.datasets.pair import Entry, Pair
from fusebench.fusers.pixel.trivial import Average, SourceA, SourceB
from fusebench.fusers.pixel.wavelet import Wavelet
from fusebench.metrics.profiles import PROFILES, chosen
from fusebench.reports import ranks, results
from fusebench.reports.page import charts, page
from matplotlib import colormaps
from PIL import Image

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
HOSTILE = '<script>alert("1")&_%,$x^2$ \'`'
SIZE = 48

browser_is_there = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here; Debian's package is called chromium")


def suite() -> Suite:
    """Two pairs, one of them with a name that a page may not trust; a bright square that methods show differently."""

    def pair(name: str, seed: int) -> Pair:
        a = torch.rand(SIZE, SIZE, generator=torch.Generator().manual_seed(seed)) * 0.2
        b = a.flip(0).clone()
        a[8:16, 8:16] = 1.0
        b[8:16, 8:16] = 0.0
        return Pair(a, b, "CT-MRI", name, name, modalities=("CT", "MRI"))

    entries = tuple(
        Entry("CT-MRI", name, name, lambda name=name, n=n: pair(name, n))  # type: ignore[misc]
        for n, name in enumerate(("1", "2", HOSTILE))
    )
    shown = PROFILES["seed"][1:4]
    methods = (SourceA(), SourceB(), Average(), Wavelet())
    return {"t1": Table(f"Methods {HOSTILE}", methods, entries, (*shown, *chosen("AG,VIF,MSE")), shown=shown)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run")
    run.run(suite(), out, name="mine")
    maps.write(suite(), out, chosen("Q_ABF,SSIM"))
    write(out)
    return out


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


def write(folder: Path, *, inline: bool = False) -> None:
    found = results.read(folder)
    page.write(found, ranks.of(found), inline=inline)


class Opened:
    """The page in a tab, and what the console said."""

    def __init__(self, browser: Any, file: Path, **options: Any) -> None:
        context = browser.new_context(viewport={"width": 1300, "height": 900}, accept_downloads=True, **options)
        context.route(re.compile("^https?:"), lambda route: route.abort())
        context.set_default_timeout(10_000)
        self.tab = context.new_page()
        self.said: list[str] = []
        self.tab.on("console", lambda message: self.said.append(message.text))
        self.tab.on("pageerror", lambda error: self.said.append(str(error)))
        self.tab.on("dialog", lambda dialog: self.said.append(dialog.message) or dialog.dismiss())
        self.tab.on("request", lambda request: request.url.startswith("http") and self.said.append(request.url))
        self.tab.goto(file.as_uri())
        self.tab.wait_for_selector("#gallery figure")

    def pixel(self, x: float, y: float) -> list[int]:
        """Give the colour in the viewer at a place, as fractions of its width and height."""
        script = """([x, y]) => {
            const view = document.getElementById('view');
            const one = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
            one.drawImage(view, x * view.width, y * view.height, 1, 1, 0, 0, 1, 1);
            return [...one.getImageData(0, 0, 1, 1).data].slice(0, 3);
        }"""
        found: list[int] = self.tab.evaluate(script, [x, y])
        return found

    def order(self) -> list[str]:
        """Give the methods of the table from top to bottom."""
        return [text.split()[0] for text in self.tab.locator("tbody.methods th").all_inner_texts()]


@pytest.fixture
def opened(browser: Any, folder: Path) -> Iterator[Opened]:
    found = Opened(browser, folder / page.PAGE)
    yield found
    assert found.said == []  # no error, no dialog, nothing asked of a network
    found.tab.context.close()


def test_the_page_needs_nothing_beside_it(folder: Path) -> None:
    text = (folder / page.PAGE).read_text(encoding="utf-8")
    assert not re.findall(r'(?:src|href)="(?!data:|#)', text)
    assert "@import" not in text
    assert "url(" not in text


def test_names_are_escaped(folder: Path) -> None:
    text = (folder / page.PAGE).read_text(encoding="utf-8")
    assert text.count("<script") == text.count("</script>") == 2
    assert "<script>alert" not in text


def test_the_data_are_every_score_and_image(folder: Path) -> None:
    text = (folder / page.PAGE).read_text(encoding="utf-8")
    (embedded,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    data = json.loads(embedded)
    found = results.read(folder)
    for pair in data["pairs"]:
        for n, fuser in enumerate(data["fusers"]):
            for (metric, _), score in zip(data["metrics"], pair["scores"][str(n)], strict=True):
                assert float(score) == pytest.approx(
                    found.scores[pair["kind"], pair["name"], fuser, metric], nan_ok=True
                )
            assert len(pair["images"][str(n)]) == 3
    assert data["pairs"][2]["name"] == HOSTILE


def test_a_damaged_run_is_named(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    shutil.copytree(folder, out)
    image = out / "fused" / "CT-MRI" / "average" / "1.png"
    image.write_bytes(image.read_bytes()[:300])
    with pytest.raises(ValueError, match=r"average/1\.png: is damaged"):
        write(out)
    said = json.loads((folder / "run.json").read_text())
    del said["request"]
    (out / "run.json").write_text(json.dumps(said))
    with pytest.raises(ValueError, match=r"run\.json: was not written by this version"):
        write(out)


@pytest.mark.parametrize("shape", [(5, 7), (6, 4, 3)])
def test_packed_pixels_are_the_same(shape: tuple[int, ...]) -> None:
    import base64
    import io

    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    with Image.open(io.BytesIO(base64.b64decode(page.packed(pixels).partition(",")[2]))) as image:
        read = np.asarray(image.convert("L" if len(shape) == 2 else "RGB"))
    assert np.array_equal(read, pixels)


def test_metrics_correlate_as_scipy_says(folder: Path) -> None:
    from scipy.stats import spearmanr

    found = results.read(folder)
    table = found.tables[0]
    table = table._replace(fusers=tuple(fuser._replace(trivial=False) for fuser in table.fusers))
    together = charts.correlations(found, table)
    values = pd.DataFrame(
        {
            metric: [
                spearmanr(
                    [found.scores[(*pair, fuser.label, "AG")] for fuser in table.fusers],
                    [found.scores[(*pair, fuser.label, metric)] for fuser in table.fusers],
                ).statistic
                for pair in table.pairs
            ]
            for metric in ("SF", "VIF")
        }
    )
    assert together.loc["AG", ["SF", "VIF"]].tolist() == pytest.approx(values.mean().tolist())


@browser_is_there
def test_a_table_sorts_by_a_metric_and_back(opened: Opened) -> None:
    head = opened.tab.locator("thead th", has_text="SF").first
    scores = {
        row: float(
            opened.tab.locator("tbody.methods tr", has_text=row)
            .locator("td")
            .nth(opened.tab.evaluate("h => h.cellIndex - 1", head.element_handle()))
            .get_attribute("data-value")
        )
        for row in opened.order()
    }
    best_first = sorted(scores, key=lambda row: -scores[row])
    head.locator("button").click()
    assert (opened.order(), head.get_attribute("aria-sort")) == (best_first, "descending")
    head.locator("button").press("Enter")  # by keyboard too
    assert (opened.order(), head.get_attribute("aria-sort")) == (best_first[::-1], "ascending")


@browser_is_there
def test_families_unfold(opened: Opened) -> None:
    head = opened.tab.locator("thead th", has_text="VIF")
    assert not head.is_visible()
    button = opened.tab.locator("button.family[data-family=perception], button.family[data-family=structure]").first
    family = button.get_attribute("data-family")
    hidden = opened.tab.locator(f"thead th[data-family={family}]").first
    button.click()
    assert hidden.is_visible()
    assert button.get_attribute("aria-pressed") == "true"
    button.click()
    assert not hidden.is_visible()


@browser_is_there
def test_the_slider_parts_left_from_right(opened: Opened) -> None:
    opened.tab.select_option("#left", label="source-a (CT)")
    opened.tab.select_option("#right", label="source-b (MRI)")
    square = (12 / SIZE, 12 / SIZE)  # white in CT, black in MRI
    for slider, expected in (("100", 255), ("0", 0)):
        opened.tab.locator("#wipe").fill(slider)
        assert opened.pixel(*square) == [expected] * 3


@browser_is_there
def test_keys_flicker_difference_zoom_and_pairs(opened: Opened) -> None:
    opened.tab.select_option("#left", label="source-a (CT)")
    opened.tab.select_option("#right", label="source-b (MRI)")
    view = opened.tab.locator("#view")
    square = (12 / SIZE, 12 / SIZE)
    seen = []
    for _ in range(2):
        view.press("f")
        seen.append(opened.pixel(*square)[0])
    assert sorted(seen) == [0, 255]
    view.press("d")
    assert opened.pixel(*square) == [0, 114, 178]  # MRI is darker by all there is
    assert opened.tab.locator("#most").inner_text() == "+255 grey levels"
    opened.tab.select_option("#mode", "left")
    view.press("0")
    for key in ("+", "+", "+", "ArrowLeft", "ArrowLeft", "ArrowLeft", "ArrowUp", "ArrowUp", "ArrowUp"):
        view.press(key)
    # An eighth of the part in view at each press: 48 / 1.5^3 = 14.2 pixels are in view, and the corner moved to 1.6.
    corner = opened.tab.evaluate("state.view.x")
    assert corner == pytest.approx((SIZE - SIZE / 1.5**3) / 2 - 3 * SIZE / 1.5**3 / 8)
    assert re.match(
        r"row \d+, column \d+: source-a \(CT\) \d+, source-b \(MRI\) \d+$", opened.tab.inner_text("#values")
    )
    first = opened.tab.locator("#pair").input_value()
    view.press("n")
    opened.tab.wait_for_function(f"document.getElementById('pair').value !== '{first}'")
    view.press("p")
    opened.tab.wait_for_function(f"document.getElementById('pair').value === '{first}'")


@browser_is_there
def test_the_gallery_shows_the_same_part_of_every_method(opened: Opened) -> None:
    assert opened.tab.locator("#gallery figure").count() == 4
    opened.tab.locator("#view").press("+")
    whole = opened.tab.evaluate("[...document.querySelectorAll('#gallery canvas')].map((c) => c.toDataURL().length)")
    opened.tab.locator("#view").press("0")
    assert (
        opened.tab.evaluate("[...document.querySelectorAll('#gallery canvas')].map((c) => c.toDataURL().length)")
        != whole
    )
    opened.tab.get_by_role("button", name="wavelet on the left").click()
    assert opened.tab.locator("#left option:checked").inner_text() == "wavelet"


@browser_is_there
def test_scores_are_saved_as_the_run_wrote_them(opened: Opened, folder: Path) -> None:
    with opened.tab.expect_download() as download:
        opened.tab.click("#save-scores")
    saved = pd.read_csv(download.value.path(), keep_default_na=False)
    written = pd.read_csv(folder / "scores.csv", keep_default_na=False)
    assert saved.score.astype(float).sort_values().tolist() == pytest.approx(
        written.score.astype(float).sort_values().tolist(), nan_ok=True
    )
    assert set(saved.pair.astype(str)) == set(written.pair.astype(str))


@browser_is_there
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_serious_bars_anybody(browser: Any, folder: Path, theme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    found = Opened(browser, folder / page.PAGE, color_scheme=theme)
    faults = Axe().run(found.tab).response["violations"]
    found.tab.context.close()
    assert [
        (fault["id"], fault["nodes"][0]["html"]) for fault in faults if fault["impact"] in {"serious", "critical"}
    ] == []


@browser_is_there
def test_the_full_images_beside_the_page_are_shown(browser: Any, tmp_path: Path) -> None:
    entry = Entry("CT-MRI", "1", "1", lambda: Pair(torch.eye(300), torch.eye(300).flip(0), "CT-MRI", "1", "1"))
    shown = PROFILES["seed"][1:2]
    run.run({"t": Table("x", (SourceA(), SourceB()), (entry,), shown)}, tmp_path, name="x")
    write(tmp_path)
    found = Opened(browser, tmp_path / page.PAGE)
    found.tab.wait_for_function("Object.values(state.images).every((i) => i.full && i.full.naturalWidth === 300)")
    assert found.tab.evaluate("state.images[0].small.naturalWidth") == 256
    found.tab.context.close()
    write(tmp_path, inline=True)
    shutil.rmtree(tmp_path / "fused")
    found = Opened(browser, tmp_path / page.PAGE)
    assert found.tab.evaluate("state.images[0].small.naturalWidth") == 300
    found.tab.context.close()


@browser_is_there
def test_a_metrics_map_lies_over_the_images(opened: Opened, folder: Path) -> None:
    tab = opened.tab
    assert tab.locator("#overlay option").all_inner_texts() == ["nothing", "Q_ABF", "SSIM"]
    assert tab.locator("#legend").is_hidden()
    tab.select_option("#mode", "left")
    tab.select_option("#left", label="average")
    plain = opened.pixel(0.5, 0.5)
    assert plain[0] == plain[1] == plain[2]
    tab.select_option("#overlay", "SSIM")
    tab.wait_for_function("!document.getElementById('legend').hidden")
    tab.locator("#opacity").fill("100")
    found = results.read(folder)
    one = found.maps["CT-MRI", "1", "average", "SSIM"]
    least, most = (tab.locator(f"#{end}").inner_text() for end in ("least", "most"))
    assert float(least.split()[1]) == pytest.approx(one.low, rel=0.01)
    assert float(most) == pytest.approx(one.high, rel=0.01)
    # At the middle of a pixel: the colour of its level. A map of this size is not made smaller.
    level = int(np.asarray(Image.open(folder / "maps" / one.file))[30, 20])
    colours = [round(255 * x) for x in colormaps["viridis"](level)[:3]]
    assert opened.pixel(20.5 / SIZE, 30.5 / SIZE) == pytest.approx(colours, abs=2)
    tab.focus("#view")
    tab.keyboard.press("m")  # after the last metric none
    tab.wait_for_function("document.getElementById('legend').hidden")
    assert opened.pixel(0.5, 0.5) == plain
