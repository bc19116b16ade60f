"""The part of a page that its reader explores: filters, charts and tables, counted anew by the page's script."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from html import escape
from pathlib import Path

from sim.analysis.look.charts import charts, strategy_variables
from sim.analysis.look.crowd import BIN, COUNTED, LISTED, LOWEST, SAVED, Crowd, Plain
from sim.analysis.look.figures import looks
from sim.analysis.look.library import library
from sim.analysis.look.page import LIGHT, folded, paragraph
from sim.analysis.measures import COSTS, METRICS
from sim.analysis.rules import MEANING, RESTART
from sim.analysis.summary import COLUMNS

MOST_ROWS = 8_000
"""Rows of the list of users that a page carries: a user and a strategy each."""
MOST_CROWDS = 8
"""Settings of a sweep that a page carries."""
CAPTIONS = {
    "savings": "Mean saving by strategy with its 95 % interval. A bar cut at the left has its value beside it.",
    "tiers": f"The same by tier of the phone. What is under {LOWEST} % stands at the left edge.",
    "styles": "Users for whom a truly closest pLLM was chosen, in %, by style and strategy.",
    "spread": "How savings are spread over users: the stronger the colour, the more of them; the upright line is the "
    f"mean. Who saves less than {LOWEST} % stands at the left.",
    "curves": "Mean held-out loss on the LLM that was really trained; a user who is done keeps the last loss. The "
    "band is the 95 % interval, of all users alone.",
}
_LABELS = {metric: heading.replace("\n", " ") for metric, heading, _ in COLUMNS} | {
    "energy_saved_total": "energy saved, %",
    "steps": "steps",
}
_FACTORS = {metric: factor for metric, _, factor in COLUMNS} | {"energy_saved_total": 100.0, "steps": 1.0}


def explorer(crowds: Sequence[Crowd], left_out: int = 0) -> tuple[str, tuple[str, ...]]:
    """HTML and the scripts that make it work; ("", ()) where there is nothing to compare, or no library to draw it.

    Args:
        left_out: how many settings of a sweep are not among the crowds.
    """
    strategies = list(dict.fromkeys(s for crowd in crowds for s in crowd.everyone.strategies))
    if len(strategies) < 2 or not library():
        return "", ()
    look = looks(strategies)
    light, dark = strategy_variables(look)
    data: Plain = {
        "strategies": strategies,
        "labels": {name: _LABELS[name] for name in (*COUNTED, *LISTED)},
        "factors": {name: _FACTORS[name] for name in (*COUNTED, *LISTED)},
        "meanings": {name: (METRICS | COSTS)[name].meaning for name in (*COUNTED, *LISTED)},
        "rule": f"{RESTART}, {MEANING}",
        "counted": COUNTED,
        "listed": LISTED,
        "saved": SAVED,
        "bin": BIN,
        "lowest": LOWEST,
        "light": LIGHT | light,
        "charts": charts(look),
        "crowds": [
            crowd.counted()
            | {"strategies": [strategies.index(s) for s in crowd.everyone.strategies]}
            | {"list": crowd.listed(MOST_ROWS // len(crowds))}
            for crowd in crowds
        ],
    }
    html = (
        paragraph(
            f"Whichever users are picked, means are counted anew from all of them. Rule {RESTART!r}: {MEANING}. The "
            "95 % intervals are those of all users, of one tier and of one style; any other choice has none."
        )
        + (paragraph(f"{left_out} further settings are left out here; they are in runs.csv.") if left_out else "")
        + _variables(light, dark)
        + _FILTERS
        + _pair("savings", "spread")
        + '<div class="counted"></div>'
        + _pair("tiers", "styles", "curves")
        + folded("Users, one by one", '<p class="listing" aria-live="polite"></p><div class="listed"></div>')
    )
    return f'<div id="explorer">{html}{_json(data)}</div>', (library(), _script())


def _pair(*names: str) -> str:
    """Charts side by side, where there is room."""
    save = '<button type="button" class="save">SVG</button>'
    figures = (
        f'<figure class="chart" id="chart-{name}"><div class="plot"></div><figcaption>{escape(CAPTIONS[name])} {save}'
        "</figcaption></figure>"
        for name in names
    )
    return f'<div class="pair">{"".join(figures)}</div>'


def _variables(light: Mapping[str, str], dark: Mapping[str, str]) -> str:
    """The strategies' colours, as CSS."""
    by_day, by_night = (";".join(f"{name}:{value}" for name, value in part.items()) for part in (light, dark))
    return f"<style>:root{{{by_day}}}@media screen and (prefers-color-scheme:dark){{:root{{{by_night}}}}}</style>"


def _json(data: Plain) -> str:
    """Data as a script that is not run; no name in it can end it."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    return f'<script type="application/json" id="explorer-data">{text}</script>'


@cache
def _script() -> str:
    return (Path(__file__).parent / "web" / "explorer.js").read_text(encoding="utf-8")


_FILTERS = """
<form class="filters" aria-label="Filters">
<fieldset class="strategies"><legend>strategies</legend></fieldset>
<label class="crowd" hidden>setting <select name="crowd"></select></label>
<label>tier <select name="tier"></select></label>
<label>style <select name="style"></select></label>
<label>saving of <select name="saving"></select></label>
<button type="reset">show all</button>
<output aria-live="polite"></output>
</form>
"""
