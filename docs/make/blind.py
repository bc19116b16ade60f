"""A page to try oneself: what is said of five users in words, without their styles; the key is at the end."""

from __future__ import annotations

from collections.abc import Iterator

from docs.make.summaries import REFERENCE, markdown
from sim.analysis.explain.reasons import differs
from sim.analysis.explain.text import bars
from sim.analysis.sweep.table import load_sweep
from sim.analysis.tables import Run, load_run
from sim.analysis.words.said import Said
from sim.analysis.words.shown import shown

PAGE = "blind.md"
SWEEP = "selection_bill"
USER = 0
"""The user of every replicate: the first, so that none is picked."""
STRATEGIES = ("xpert_cards", "xpert")

HEAD = """# Whose words are these?

An explanation is worth something if somebody who reads it can tell how the person writes. Here is what two strategies
say of five people. None was picked: each is user {user} of a replicate of `configs/selection_bill.toml`, where owners
have written as much as users (`results/reference/{sweep}`; made by `python -m docs.make`). Every person has one
of these styles, and two may have the same:

{styles}

Half of the tones are such as the summarizer was never taught. The key is at the end of the page.
"""
KEY = """## Key

Who is right is right by chance for one in {count}.

"""


def blind() -> str:
    """The page, as Markdown."""
    runs = list(_runs())
    styles = sorted({str(style) for style in runs[0].pool["style"]})
    parts = [HEAD.format(user=USER, sweep=SWEEP, styles=", ".join(f"`{style}`" for style in styles))]
    parts += [_person(number, run) for number, run in enumerate(runs, 1)]
    parts.append(KEY.format(count=len(styles)) + _key(runs))
    return "\n".join(parts)


def _runs() -> Iterator[Run]:
    """One run a replicate."""
    for setting in load_sweep(REFERENCE / SWEEP).settings:
        yield from map(load_run, setting.folders)


def _person(number: int, run: Run) -> str:
    parts = [f"## Person {number}"]
    for strategy in STRATEGIES:
        said = Said.by(strategy, run)
        words = shown(said.of(USER))
        if words:
            parts.append(f"`{strategy}`: {differs(words, said.contrasted)}.\n\n```\n{bars(words)}\n```")
        else:
            parts.append(f"`{strategy}` says nothing.")
    return "\n\n".join(parts) + "\n"


def _key(runs: list[Run]) -> str:
    lines = []
    for number, run in enumerate(runs, 1):
        mine = run.users[run.users["user_id"] == USER].set_index("strategy")
        taught = "yes" if mine.loc[STRATEGIES[0], "taught"] else "no"
        lines.append([str(number), f"`{mine.loc[STRATEGIES[0], 'style']}`", taught])
        lines[-1] += [f"`{mine.loc[strategy, 'chosen']}`" for strategy in STRATEGIES]
    return markdown(["person", "style", "taught", *(f"`{s}` chose the pLLM" for s in STRATEGIES)], lines)
