"""The verdict on a run, in sentences: which strategy is best, by how much, and under which conditions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from sim.analysis.everyone import OF_MEANS, Everyone
from sim.analysis.measures import TOTALS
from sim.analysis.rules import MEANING, RESTART
from sim.analysis.summary import by_key, design_effect, interval, number
from sim.analysis.tables import Run, records
from sim.experiment.names import ORACLE, SCRATCH
from sim.experiment.sections import Waves

Found = Mapping[tuple[str, str], dict[str, Any]]

WHAT = {
    "compute_saved_total": "compute",
    "time_saved_total": "time on the phone",
    "energy_saved_total": "energy",
}
"""The savings that decide who is best, choosing and downloads included, in words."""


@dataclass(frozen=True)
class Verdict:
    """Who is best ('': nobody), by which metric, which strategy to explain, and it all in sentences."""

    best: str
    metric: str
    explained: str
    sentences: tuple[str, ...]


def nobody_chose(run: Run) -> str:
    """The sentence that a run needs whose pool is empty; '' for any other."""
    others = [s for s in run.strategies if s != SCRATCH]
    if not others or run.config is None or not run.pool.empty or (run.users["chosen"] != "").any():
        return ""
    return f"The pool is empty, so {', '.join(others)} {'is' if len(others) == 1 else 'are all'} scratch."


def verdict(run: Run, summary: pd.DataFrame) -> Verdict:
    """Rank all strategies, scratch too, by what they save in all; the oracle, which sees the truth, cannot be best.

    Of compute, time and energy that one decides by which strategies look worst.
    """
    honest = [s for s in run.strategies if s not in (SCRATCH, ORACLE)]
    in_words = [s for s in honest if (run.words["strategy"] == s).any()]
    found = by_key(summary)
    if empty := nobody_chose(run):
        return Verdict("", TOTALS[0], (honest or [""])[0], (empty,))
    rivals = [s for s in honest if (s, TOTALS[0]) in found]
    if not rivals:
        why = "there is no result from scratch on a phone that fits the LLM" if honest else "no strategy ran"
        explained = (in_words or honest or [""])[0]
        return Verdict("", TOTALS[0], explained, (f"Nothing can be compared: {why}.",))
    metric = min(TOTALS, key=lambda m: max(found[s, m]["mean"] for s in rivals))
    order = ranked(found, metric, [SCRATCH, *rivals])
    best = order[0]
    sentences = (
        _headline(found, metric, order),
        f"The rule is {RESTART!r}: {MEANING}.",
        _ranking(found, metric, order),
        _next(run, metric, order),
        _parts(found, metric, next(s for s in order if s != SCRATCH)),
        design_effect(summary),
    )
    explained = next((s for s in order if s in in_words), (in_words or [s for s in order if s != SCRATCH])[0])
    return Verdict(best, metric, explained, tuple(s for s in sentences if s))


def ranked(found: Found, metric: str, strategies: Sequence[str]) -> list[str]:
    """Strategies by the mean of a metric, the highest first; of equals the one that is named first."""
    return sorted(strategies, key=lambda s: -float(found[s, metric]["mean"]))


def setting(run: Run) -> list[str]:
    """What was run, in sentences."""
    first = f"{len(run.user_ids)} users, {len(run.strategies)} strategies: {', '.join(run.strategies)}."
    if len(run.attackers):
        first += f" {run.attackers['user_id'].nunique()} more attack, and are left out of all that follows."
    if not (c := run.config):
        return [first, "The folder has no config.toml, so the settings are not known."]
    billing = (
        f"Steps are billed on the scale of {c.billing.scratch_steps:g} steps from scratch: what was measured "
        "is the ratio of steps, the absolute scale is an input (billing.scratch_steps)."
        if c.billing.scratch_steps
        else "The measured steps are billed as they are (billing.scratch_steps = 0)."
    )
    styles = f"{c.population.styles_per_user} style{'s' if c.population.styles_per_user > 1 else ''}"
    return [
        f"{first} Seed {c.seed}.",
        f"{_pool(run)} A user has {c.population.texts} texts of {styles} from the {c.corpus.source} corpus.",
        f"The LLM that was really trained is {c.llm.model}, with LoRA of rank {c.training.rank}; what a "
        f"phone is billed is the cost of {c.llm.deploy}. {billing}",
        "A user's target is the best held-out loss of fine-tuning from scratch on all texts, plus "
        f"{100 * c.training.target_tolerance:g} %; the budget is {c.training.steps} steps.",
    ]


def _pool(run: Run) -> str:
    """The pool as it was, which the config need not say (`pool.size = "auto"`, `pool.path`)."""
    count, shares = len(run.pool), sorted({100 * s for s in run.pool["similarity"]})
    waves = run.config.waves if run.config else Waves()
    more = ""
    if waves.count > 1:
        more = f" Users come in {waves.count} waves, and {100 * waves.contribute:g} % give what they make to it."
    if not count:
        return f"The pool is empty{' at first' * bool(more)}.{more}"
    at = f"{shares[0]:g}" if len(shares) == 1 else f"{shares[0]:g} to {shares[-1]:g}"
    return f"The pool has {count} pLLM{'s' if count > 1 else ''} at {at} % similarity{' at first' * bool(more)}.{more}"


def _headline(found: Found, metric: str, order: Sequence[str]) -> str:
    best, second = order[0], order[1]
    if best == SCRATCH:
        row = found[second, metric]
        more = {"mean": -row["mean"], "low": -row["high"], "high": -row["low"]}
        return (
            f"scratch is best: once choosing is paid for, no start saves {WHAT[metric]}. {second} comes closest and "
            f"takes {_percent(more)} more."
        )
    saves = _percent(found[best, metric])
    return f"{best} is best: it saves {saves} of the {WHAT[metric]}, choosing and downloads included."


def _ranking(found: Found, metric: str, order: Sequence[str]) -> str:
    text = ", ".join(f"{s} {number(100 * found[s, metric]['mean'])} %" for s in order)
    if (ORACLE, metric) not in found:
        return f"In order: {text}."
    place = ranked(found, metric, [*order, ORACLE]).index(ORACLE) + 1
    mean = number(100 * found[ORACLE, metric]["mean"])
    return f"In order: {text}. The oracle, which is told the style, would be number {place} with {mean} %."


def _next(run: Run, metric: str, order: Sequence[str]) -> str:
    (behind,) = [row for row in records(Everyone((run,)).compare(metric, order[0])) if row["strategy"] == order[1]]
    mean = f"{number(100 * behind['mean'])} percentage points{_in_brackets(behind)}"
    if behind["p"] < 0.05:
        return f"The next, {order[1]}, is behind by {mean}."
    p = f"p = {number(behind['p'], 2)} after Holm"
    return f"{order[1]} is as good within the uncertainty ({p}): it is behind by {mean}."


def _parts(found: Found, metric: str, best: str) -> str:
    """What else is to be known of the best start: other costs, least flattering first; break-even; misses; accuracy."""
    parts = {what: found[best, m] for m, what in WHAT.items() if m != metric} | {
        f"{WHAT[metric]} as a ratio of means": found[best, metric + OF_MEANS],
        "steps of fine-tuning alone": found[best, "steps_saved"],
    }
    ordered = sorted(parts.items(), key=lambda part: float(part[1]["mean"]))
    text = [f"{best} saves {'; '.join(f'{_percent(row)} of the {what}' for what, row in ordered)}."]
    even = found[best, metric.replace("_saved_total", "_break_even")]
    text.append(
        f"Choosing pays from {number(even['mean'])} steps from scratch on (billing.scratch_steps)."
        if math.isfinite(even["mean"])
        else "Choosing never pays, however many steps it takes from scratch (billing.scratch_steps)."
    )
    missed = 100 * (1 - found[best, "reached"]["mean"])
    if missed > 0:
        gap = 100 * found[best, "loss_gap_share"]["mean"]
        text.append(f"{number(missed)} % of its users miss the target, by {number(gap)} % of the loss on average.")
    if (row := found.get((best, "selection_accuracy"))) is not None:
        text.append(f"It chose a truly closest pLLM for {number(100 * row['mean'])} % of {row['users']} users.")
    return " ".join(text)


def _percent(row: Mapping[str, Any]) -> str:
    return f"{number(100 * row['mean'])} %{_in_brackets(row)}"


def _in_brackets(row: Mapping[str, Any]) -> str:
    bounds = interval(100 * row["low"], 100 * row["high"])
    return f" (95 % interval {bounds})" if bounds and row["low"] < row["high"] else ""
