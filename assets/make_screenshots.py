"""Make README's pictures from the running app: `python assets/make_screenshots.py`. Needs Debian's Chromium."""

import shutil
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from ui.layout import build_app, launch_options
from ui.services import Services

FOLDER = Path(__file__).parent / "screenshots"
CHECKPOINTS = Path(__file__).parent.parent / "tests" / "checkpoints"


def main() -> None:
    """Start the app, open it, and save each picture."""
    services = Services(allow_folders=True, allow_download=True)
    for folder in ("encoder", "layerwise"):
        services.local_models.add(str(CHECKPOINTS / folder), name=f"tiny-{folder}")
    app = build_app(services)
    _, url, _ = app.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1", **launch_options())
    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        for name, width, scheme in (
            ("compare", 1280, "light"),
            ("compare-dark", 1280, "dark"),
            ("compare-phone", 390, "light"),
        ):
            page = browser.new_page(viewport={"width": width, "height": 1000}, locale="en-US", color_scheme=scheme)
            page.goto(url)
            compare(page)
            page.screenshot(path=FOLDER / f"{name}.png", full_page=width < 640)
        page = browser.new_page(viewport={"width": 1280, "height": 1100}, locale="en-US")
        page.goto(f"{url}?tab=models")
        page.get_by_role("button", name="Download 2.3 GB: v2-m3").wait_for()
        page.screenshot(path=FOLDER / "models.png")
        label(browser, url)
        train(browser, url)
        browser.close()
    app.close()


def label(browser: Browser, url: str) -> None:
    """Judge some of the example's passages, and look at them under Data."""
    page = browser.new_page(viewport={"width": 1280, "height": 780}, locale="en-US")
    page.goto(f"{url}?tab=annotate")
    page.get_by_role("button", name="Try it with the example").click()
    page.get_by_text("passage 1 of").first.wait_for()
    for key in "xxaxx":
        page.keyboard.press(key)
        page.wait_for_timeout(600)
    page.get_by_text("5 of").first.wait_for()
    page.wait_for_timeout(6000)  # until the counts are read again
    page.screenshot(path=FOLDER / "annotate.png")
    page.set_viewport_size({"width": 1280, "height": 1000})
    page.get_by_role("tab", name="Data").click()
    page.get_by_text("candidates").first.wait_for()
    page.wait_for_timeout(1500)
    page.screenshot(path=FOLDER / "data.png")


def train(browser: Browser, url: str) -> None:
    """Take the tour to its report: minutes, for the training is real."""
    page = browser.new_page(viewport={"width": 1280, "height": 1400}, locale="en-US")
    page.goto(f"{url}?tab=train")
    page.get_by_role("button", name="Begin the tour").click()
    page.get_by_role("button", name="To the training").click()
    page.get_by_role("button", name="Start training").click()
    page.get_by_role("button", name="See the report").click(timeout=900_000)
    page.get_by_role("button", name="Put away").click()
    page.wait_for_timeout(3000)
    page.evaluate("window.scrollTo(0, 0)")
    page.screenshot(path=FOLDER / "train.png")


def compare(page: Page) -> None:
    """Score the example of the first sight by BM25, an encoder, and a layerwise model at two layers and all."""
    page.get_by_label("Query", exact=True).wait_for()
    for name in ("starter-encoder", "tiny-layerwise"):
        page.get_by_role("checkbox", name=name, exact=True).check()
    page.get_by_role("checkbox", name="4", exact=True).check()
    page.get_by_label("All layers").check()
    page.get_by_role("button", name="Score (").click()
    page.locator(".rw-table thead th").nth(4).wait_for(state="attached", timeout=60_000)
    page.evaluate("window.scrollTo(0, 0)")
    page.wait_for_timeout(500)


if __name__ == "__main__":
    main()
