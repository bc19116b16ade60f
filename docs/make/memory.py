"""The table of docs/devices.md that `headstart devices memory` makes: which phones have the memory to fine-tune."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from devices.memory import RUNTIMES
from devices.memory_table import memory_table
from devices.phones import phones
from docs.make.summaries import markdown
from sim.analysis.tables import records

PAGE = Path(__file__).resolve().parents[1] / "devices.md"
BLOCK = re.compile(r"(<!-- headstart devices memory -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(page: str) -> str:
    """The page with its table made anew."""
    return BLOCK.sub(lambda m: f"{m[1]}\n{_table()}\n{m[2]}", page)


def _table() -> str:
    shown = {"gb": "peak, GB", "phones": f"phones of {len(phones())}", "market": "market", "slowdown": "step takes"}
    headings = [f"{what}: `{runtime}`" for what in shown.values() for runtime in RUNTIMES]
    lines = [
        [
            row["llm"],
            row["precision"],
            *(_cell(what, row[f"{runtime}_{what}"]) for what in shown for runtime in RUNTIMES),
        ]
        for row in records(memory_table())
    ]
    return markdown(["LLM", "weights", *headings], lines)


def _cell(what: str, value: Any) -> str:
    return {"gb": f"{value:.2f}", "phones": f"{value}", "market": f"{100 * value:.0f} %", "slowdown": f"{value:.1f}x"}[
        what
    ]
