"""The README's picture of a page, taken by Debian's Chromium: `make readme`."""

import shutil
import sys
from pathlib import Path

SIZE = {"width": 1280, "height": 860}


def take(page: Path, picture: Path) -> None:
    """Open a page, compare the CT with the last method, and take a picture of what is seen.

    Raises
    ------
    ValueError
        If there is no Chromium.
    """
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise ValueError("no Chromium here, which takes the picture of the page; Debian's package is called chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tab = browser.new_page(viewport=SIZE)  # type: ignore[arg-type]  # a dict of two numbers
        tab.goto(page.resolve().as_uri())
        tab.wait_for_selector("#gallery figure")
        tab.evaluate("document.getElementById('pairs').scrollIntoView()")
        tab.screenshot(path=picture)
        browser.close()


if __name__ == "__main__":
    take(Path(sys.argv[1]), Path(sys.argv[2]))
