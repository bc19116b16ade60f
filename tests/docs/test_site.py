"""The docs as a site: built strictly, so that no link is broken and every page has its place."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from docs.make.pages import DOCS

ROOT = DOCS.parent


def test_every_page_has_its_place_and_the_log_the_last() -> None:
    nav = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2]
    listed = [line.split()[-1] for line in nav.splitlines() if line.endswith(".md")]
    assert sorted(listed) == sorted(path.name for path in DOCS.glob("*.md"))
    assert listed[-1] == "log.md"


@pytest.mark.slow
def test_it_builds_strictly(tmp_path: Path) -> None:
    for module in ("mkdocs", "material", "mkdocstrings"):
        pytest.importorskip(module)
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    reference = (tmp_path / "reference" / "index.html").read_text(encoding="utf-8")
    for name in (
        "headstart.started.run",
        "headstart.loaded.Run",
        "strategies.base.Strategy",
        "strategies.requests.Embed",
    ):
        assert f'id="{name}"' in reference
    assert (tmp_path / "outside" / "results" / "reference" / "bench" / "bench.png").is_file()
    assert (tmp_path / "tutorial.ipynb").is_file()
