"""How long from `python app.py` to the first paint, to a neural score, and to the scores that a person asks for.

    python benchmarks/first_score.py [--rounds 5]

Needs Debian's Chromium and the `test` extra. The browser is already running when the clock starts; each round starts the
app anew. Targets of the project: first paint within 8 s, a neural score within 15 s on two cores.
"""

import argparse
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[1]
NAMES = ("page served", "first paint", "neural scores", "scores asked")


def measure(browser: Any) -> tuple[float, float, float, float]:
    """Start the app once; return seconds to the served page, first paint, the starter's scores, and those asked for."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}/"
    start = time.perf_counter()
    app = subprocess.Popen(
        [sys.executable, "app.py", "--port", str(port)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while True:
            try:
                urllib.request.urlopen(url, timeout=5).close()
                break
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.05)
        served = time.perf_counter() - start
        page = browser.new_page()
        page.goto(url)
        page.get_by_label("Query", exact=True).wait_for()
        painted = time.perf_counter() - start
        page.locator("th", has_text="starter-encoder").first.wait_for()
        neural = time.perf_counter() - start
        page.get_by_label("Query", exact=True).fill("which animal eats bamboo stems?")
        page.get_by_label("Query", exact=True).press("Control+Enter")
        page.locator(".rw-lead q", has_text="which animal").wait_for()
        scored = time.perf_counter() - start
        page.close()
    finally:
        app.terminate()
        app.wait()
    return served, painted, neural, scored


def main() -> None:
    """Run the rounds and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    flags = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        times = [measure(browser) for _ in range(rounds)]
        browser.close()
    for name, column in zip(NAMES, zip(*times, strict=True), strict=True):
        print(f"{name:14} median {statistics.median(column):.1f} s   worst {max(column):.1f} s   of {rounds}")


if __name__ == "__main__":
    main()
