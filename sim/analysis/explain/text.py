"""An explanation as a short page of plain English."""

from __future__ import annotations

import math
import textwrap

from sim.analysis.explain.explanation import Explanation, PhoneBill
from sim.analysis.explain.reasons import differs, how_good, in_common, why_not
from sim.analysis.summary import number
from sim.analysis.words.shown import Words, shown
from sim.experiment.names import SCRATCH
from sim.records.savings import share_saved

LINE = 92
TOP_RUNNERS_UP = 4


def page(e: Explanation) -> str:
    """The whole page: who it is, the style in words, what was chosen and why, why not others, cost, how good it is."""
    title = f"User {e.user_id}, strategy {e.strategy}"
    parts = [title + "\n" + "=" * len(title), _who(e)]
    if e.failed:
        parts.append(_fill(f"Nothing was measured or billed, for the simulation of this user failed: {e.failed}."))
        return "\n\n".join(parts) + "\n"
    if e.shown:
        said = f"In words, the style of user {e.user_id} is {differs(e.shown, e.contrasted)}:"
        parts.append(_fill(said) + "\n" + bars(e.shown))
    parts += [_choice(e), _runners_up(e), _cost(e), _quality(e)]
    return "\n\n".join(part for part in parts if part) + "\n"


def bars(words: Words, width: int = 30) -> str:
    """Coordinates as bars of characters; '-' for negative ones."""
    longest = max(len(word) for word, _ in words)
    largest = max(abs(z) for _, z in words) or 1.0
    lines = []
    for word, z in words:
        bar = ("#" if z >= 0 else "-") * round(width * abs(z) / largest)
        lines.append(f"  {word:<{longest}}  {z:+.2f}  {bar}".rstrip())
    return "\n".join(lines)


def _who(e: Explanation) -> str:
    network = f" on {e.network}" if e.network else ""
    return _fill(
        f"The true style of user {e.user_id} is {e.style}, seen in {e.texts} texts; no honest strategy is "
        f"told it. The phone is a {e.phone}{network}."
    )


def _choice(e: Explanation) -> str:
    if not e.chosen:
        return "Chosen start: none. Fine-tuning begins from scratch, at the base LLM."
    names = [f"{p} (style {s})" if s else p for p, s in zip(e.chosen, e.chosen_styles, strict=True)]
    verdict = {
        True: "That is right: none in the pool is closer to the user's true style.",
        False: f"That is wrong: {e.oracle} is closer to the user's true style.",
        None: "The pool has no pLLM of the user's style, and nothing tells which is closest.",
    }[e.correct]  # fmt: skip
    lines = [_fill(f"Chosen start: {' merged with '.join(names)}. {verdict}")]
    described = [(p, shown(words)) for p, words in e.chosen_words.items()]
    lines += [_fill(f"In words, {pllm} is {differs(words, e.contrasted)}.") for pllm, words in described if words]
    if both := in_common(e):
        said = f"the user and {e.chosen[0]} are both {differs(both, e.contrasted)}"
        lines.append(_fill(f"Why: {said}." if e.by_words else f"Words have no part in the choice; in them, {said}."))
    elif not e.words and not e.chosen_words:
        lines.append(_fill(f"Strategy {e.strategy} gives no reasons in words."))
    return "\n".join(lines)


def _runners_up(e: Explanation) -> str:
    if not e.candidates:
        return ""
    by_name = {c.pllm: c for c in e.candidates}
    longest = max(len(c.pllm) for c in e.candidates)
    lines = [f"Scores, lower is better, of {len(e.candidates)} candidates:"]
    best = [by_name[p] for p in e.chosen if p in by_name] + list(e.runners_up[:TOP_RUNNERS_UP])
    for c in sorted(best, key=lambda c: c.rank):
        mark = "chosen" if c.pllm in e.chosen else ""
        lines.append(f"  {c.rank:>2}. {c.pllm:<{longest}}  {c.score:8.4f}  {mark:<6}  {c.style}".rstrip())
    return "\n".join([*lines, *([_fill(said)] if (said := why_not(e)) else [])])


def _quality(e: Explanation) -> str:
    said = how_good(e.quality)
    return _fill(f"Explanations by {e.strategy} in this run, over all users: {said}.") if said else ""


def _cost(e: Explanation) -> str:
    c = e.cost
    if c.steps is None:
        text = "Nobody trained in this run, so the steps to the target are not known; those of the config are billed. "
    else:
        text = f"The target was {'not reached in' if c.missed else 'reached after'} {c.steps} measured steps. "
    if e.scratch and e.scratch.steps is not None:
        text += f"From scratch it takes {e.scratch.steps}{', which are paid too (rule restart)' if c.missed else ''}. "
    if not e.billed:
        return _fill(f"{text} Nothing is billed, for this phone has too little memory: {e.why}.")
    text += (
        f"It cost {_minutes(c.total_min)} minutes in all: {_minutes(c.selection_min)} to choose, "
        f"{_minutes(c.download_min)} to download {number(c.down_mb)} MB, {_minutes(c.finetune_min)} to tune; and "
        f"{number(c.energy_kj)} kJ. "
    )
    return _fill(text + (_saved(c, e.scratch) if e.strategy != SCRATCH and c.steps is not None else ""))


def _saved(cost: PhoneBill, scratch: PhoneBill | None) -> str:
    if scratch is None:
        return "What that saves is unknown, for the run has no result from scratch for this user."
    parts = []
    time = (cost.total_min, scratch.total_min, "min", "time")
    energy = (cost.energy_kj, scratch.energy_kj, "kJ", "energy")
    for mine, theirs, unit, what in (time, energy):
        share = 100 * float(share_saved(mine, theirs))
        if not math.isnan(share):
            sense = f"{number(share)} % less" if share >= 0 else f"{number(-share)} % more"
            parts.append(f"{sense} {what} than from scratch ({number(theirs)} {unit})")
    return f"That is {' and '.join(parts)}." if parts else ""


def _minutes(minutes: float) -> str:
    return "under 0.1" if 0 < minutes < 0.1 else number(minutes)


def _fill(text: str) -> str:
    return textwrap.fill(" ".join(text.split()), LINE, break_on_hyphens=False)
