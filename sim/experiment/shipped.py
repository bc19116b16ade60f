"""The experiments that come with a clone: `configs/`, of which the quickstart is what runs where none is named."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = ROOT / "configs"
QUICKSTART = CONFIGS / "quickstart.toml"
