"""`python -m tests.sim.analysis.look.shots REPORT.html FOLDER`: a report as readers see it, to be looked at.

Writes wide.png (1,300 px), explored.png (of it the part that is explored), narrow.png (390 px), dark.png, and print.pdf
(A4). Needs what browser.sh installs.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright


def main(report: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name, width, scheme in (("wide", 1300, "light"), ("narrow", 390, "light"), ("dark", 1300, "dark")):
            context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
            page = context.new_page()
            page.goto(report.resolve().as_uri())
            page.wait_for_selector("#explorer[data-drawn]", timeout=120_000)
            page.screenshot(path=folder / f"{name}.png", full_page=True)
            if name == "wide":
                page.set_viewport_size({"width": width, "height": 3000})  # so that the filters stay above
                page.locator("#explorer").screenshot(path=folder / "explored.png")
                page.pdf(path=folder / "print.pdf", format="A4")
            context.close()
        browser.close()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
