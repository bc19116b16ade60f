"""The verdict on a run, in sentences: which strategy won, by how much, and under which conditions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from sim.analysis.summary import by_key, compare, interval, number
from sim.analysis.tables import Run, records
from sim.experiment.names import ORACLE, SCRATCH

METRIC = "time_saved_total"
"""What decides who won: time to the target on the phone, selection and downloads included."""

Found = Mapping[tuple[str, str], dict[str, Any]]


@dataclass(frozen=True)
class Verdict:
    """Who won ('': nobody), by which metric, which strategy to explain, and it all in sentences."""

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
    """Name the strategy that saves most time in all. Scratch, and the oracle that sees the truth, are out."""
    honest = [s for s in run.strategies if s not in (SCRATCH, ORACLE)]
    in_words = [s for s in honest if (run.words["strategy"] == s).any()]
    found = by_key(summary)
    rivals = [s for s in honest if (s, METRIC) in found]
    if empty := nobody_chose(run):
        return Verdict("", METRIC, (honest or [""])[0], (empty,))
    if not rivals:
        why = "there is no result from scratch on a phone that fits the LLM" if honest else "no strategy ran"
        explained = (in_words or honest or [""])[0]
        return Verdict("", METRIC, explained, (f"Nothing can be compared: {why}.",))
    best = max(rivals, key=lambda s: float(found[s, METRIC]["mean"]))
    sentences = (
        _headline(found, best),
        _parts(found, best),
        _next(run, best, rivals),
        _accuracy(found, best),
    )
    explained = best if best in in_words or not in_words else in_words[0]
    return Verdict(best, METRIC, explained, tuple(s for s in sentences if s))


def setting(run: Run) -> list[str]:
    """What was run, in sentences."""
    first = f"{len(run.user_ids)} users, {len(run.strategies)} strategies: {', '.join(run.strategies)}."
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
    if not count:
        return "The pool is empty."
    at = f"{shares[0]:g}" if len(shares) == 1 else f"{shares[0]:g} to {shares[-1]:g}"
    return f"The pool has {count} pLLM{'s' if count > 1 else ''} at {at} % similarity."


def _headline(found: Found, best: str) -> str:
    row = found[best, METRIC]
    if row["mean"] <= 0:
        return (
            f"No strategy saves time once its selection is paid for; {best} comes closest and saves "
            f"{_percent(row)} of the time from scratch."
        )
    return (
        f"{best} won: to reach the loss of fine-tuning from scratch it takes {_percent(row)} less time on "
        "the phone, selection and downloads included."
    )


def _parts(found: Found, best: str) -> str:
    parts = {
        "compute_saved": "of the compute of fine-tuning",
        "compute_saved_total": "of the compute with selection included",
        "energy_saved_total": "of the energy",
    }
    shown = [f"{_percent(found[best, m])} {what}" for m, what in parts.items() if (best, m) in found]
    return f"It saves {'; '.join(shown)}." if shown else ""


def _next(run: Run, best: str, rivals: list[str]) -> str:
    behind = [row for row in records(compare(run, METRIC, best)) if row["strategy"] in rivals]
    if not behind:
        return ""
    row = min(behind, key=lambda row: float(row["mean"]))
    mean = f"{number(100 * row['mean'])} percentage points{_in_brackets(row)}"
    if row["low"] > 0:
        return f"The next, {row['strategy']}, is behind by {mean}."
    return f"{row['strategy']} is as good within the uncertainty: it is behind by {mean}."


def _accuracy(found: Found, best: str) -> str:
    if (row := found.get((best, "selection_accuracy"))) is None:
        return ""
    return f"It chose a truly closest pLLM for {number(100 * row['mean'])} % of {row['users']} users."


def _percent(row: Mapping[str, Any]) -> str:
    return f"{number(100 * row['mean'])} %{_in_brackets(row)}"


def _in_brackets(row: Mapping[str, Any]) -> str:
    bounds = interval(100 * row["low"], 100 * row["high"])
    return f" (95 % interval {bounds})" if bounds and row["low"] < row["high"] else ""
