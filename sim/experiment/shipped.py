"""The experiments that come with Headstart: `configs/`, of which the quickstart is what runs where none is named."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The clone that this code runs from; without one the folder that packages are installed in."""
IS_CLONE = (ROOT / "pyproject.toml").is_file()
"""A clone has records, pages and benchmarks as well; an installed package has its configs beside this file."""
CONFIGS = ROOT / "configs" if IS_CLONE else Path(__file__).with_name("configs")
QUICKSTART = CONFIGS / "quickstart.toml"
