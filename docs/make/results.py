"""Tables of README.md and docs/ that are made from committed results: `python -m docs.make` fills them in."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from sim.analysis.rules import ANY, RESTART
from sim.analysis.summary import SUMMARY_CSV
from sim.analysis.sweep.mixed import beside_mixed
from sim.analysis.sweep.published import ACCURACY_BY_SIMILARITY, TIME_SAVED_BY_SIMILARITY
from sim.analysis.sweep.table import is_sweep, load_sweep
from sim.analysis.tables import records
from sim.experiment.names import SEEDS
from sim.records.manifest import NAME as MANIFEST
from sim.records.manifest import made_by, version_of

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
FILLED = (README, ROOT / "docs" / "sweeps.md", ROOT / "docs" / "xpert_data.md")
"""Pages that have such tables."""
REFERENCE = ROOT / "results" / "reference"
INDEX = ["strategy", "metric", "rule"]
BLOCK = re.compile(
    r"(<!-- (\w+) of results/reference/([\w/-]+(?: where [\w.]+=[\w.]+)?) -->\n).*?(<!-- end -->)", re.DOTALL
)
"""Where a table belongs: which of `TABLES`, and of what: a run, a sweep, or a sweep `where KEY=VALUE`."""


class Of(NamedTuple):
    """Where a cell comes from: a row of summary.csv, a factor to the heading's unit, and how many digits are shown."""

    metric: str
    factor: float = 100
    digits: int = 0
    strategy: str = ""
    rule: str = RESTART


MAIN = {
    "right pLLM, %": Of("selection_accuracy"),
    "reach the target, %": Of("reached"),
    "their steps": Of("steps_to_target", 1, 1),
    "compute saved, %": Of("compute_saved_total"),
    "breaks even at": Of("compute_break_even", 1),
    "time saved, %": Of("time_saved_total"),
    "breaks even at ": Of("time_break_even", 1),
    "steps saved, choosing apart, %": Of("steps_saved"),
    "MB down": Of("down_mb", 1),
}
CHOOSING = {
    "right pLLM, taught styles, %": Of("accuracy_taught"),
    "untaught styles, %": Of("accuracy_untaught"),
    "TFLOP to choose": Of("selection_flops", 1e-12, 1),
    "minutes": Of("selection_s", 1 / 60, 1),
    "kJ": Of("selection_j", 1e-3, 2),
    "loss before the first step, nats": Of("start_loss", 1, 2),
    "loss gap of who misses, nats": Of("loss_gap", 1, 2),
}
EXPLAINING = {
    "tone named first, taught styles, %": Of("tone_first_taught"),
    "untaught styles, %": Of("tone_first_untaught"),
    "of the first three words true, %": Of("word_precision"),
    "by chance, %": Of("word_chance"),
    "shown words contradict, %": Of("contradictions"),
    "said words did, %": Of("contradictions_said"),
    "shown words alone give the same pLLM, %": Of("fidelity"),
}
DATA = MAIN | {"data saved, %": Of("data_saved"), "start loss": Of("start_loss", 1, 2)}
SIMILARITY = {
    "`xpert`: right pLLM, %": Of("selection_accuracy", strategy="xpert"),
    "published": ACCURACY_BY_SIMILARITY,
    "compute saved, %": Of("compute_saved_total", strategy="xpert"),
    "`xpert_cards`: right pLLM, %": Of("selection_accuracy", strategy="xpert_cards"),
    "compute saved, % ": Of("compute_saved_total", strategy="xpert_cards"),
    "`oracle`: fine-tuning time saved, %": Of("time_saved", strategy="oracle"),
    "the same, as trained, %": Of("time_saved", strategy="oracle", rule="as trained"),
    "published, %": TIME_SAVED_BY_SIMILARITY,
}
POOLS = {
    "`oracle`: reach the target, %": Of("reached", strategy="oracle"),
    "steps": Of("steps", 1, 1, "oracle"),
    "`xpert`: right pLLM, %": Of("selection_accuracy", strategy="xpert"),
    "reach the target, %": Of("reached", strategy="xpert"),
    "steps ": Of("steps", 1, 1, "xpert"),
    "compute saved, %": Of("compute_saved_total", strategy="xpert"),
}


def table(columns: Mapping[str, Of], name: str) -> str:
    """Metrics by strategy, of a run or of a sweep's replicates: means over users, 95 % intervals in brackets."""
    summary = read_summary(name)
    lines = []
    for strategy in summary.index.get_level_values(0).unique():
        cells = [_cell(summary, of._replace(strategy=strategy)) for of in columns.values()]
        billed = summary["users"].get((strategy, "selection_s", ANY), "")
        lines.append([f"`{strategy}`", *cells, f"{billed}"])
    made = markdown(["strategy", *columns, "users billed"], lines)
    if "replicates" in summary:
        counts = (summary[column].max() for column in ("replicates", "users"))
        made += "\n{} replicates, {} users in all.\n".format(*counts)
    return made


def explaining(name: str) -> str:
    """How good explanations are, of the strategies that give any."""
    summary = read_summary(name)
    named = [s for s in summary.index.get_level_values(0).unique() if (s, "fidelity", ANY) in summary.index]
    rows = [[f"`{s}`", *(_cell(summary, of._replace(strategy=s)) for of in EXPLAINING.values())] for s in named]
    return markdown(["strategy", *EXPLAINING], rows)


def by_key(heading: str, columns: Mapping[str, Of | Mapping[float, float]], name: str) -> str:
    """Metrics of a sweep by the one key that is swept but for seeds, and published values by the same."""
    sweep = load_sweep(REFERENCE / name)
    (key,) = (key for key in sweep.keys if key not in SEEDS)
    lines = []
    for value in dict.fromkeys(sweep.rows[key]):
        summary = read_summary(f"{name} where {key}={value}")
        cells = [_cell(summary, of) if isinstance(of, Of) else f"{of[value]:g}" for of in columns.values()]
        lines.append([f"{value:g}" if isinstance(value, int) or value >= 1 else f"{100 * value:g} %", *cells])
    return markdown([heading, *columns], lines)


def mixed(name: str) -> str:
    """Steps by number of styles a user, and how many fewer a merge needs, user by user."""
    found = beside_mixed(load_sweep(REFERENCE / name))
    names = ("scratch", "xpert", "xpert_merge")
    lines = []
    for styles, rows in found.groupby("styles"):
        by = {row["strategy"]: row for row in records(rows)}
        steps = [_bounds(*(by[s][f"steps{end}"] for end in ("_low", "", "_high")), 1) for s in names]
        lines.append([f"{styles}", *steps, _bounds(*(by["xpert"][f"more{end}"] for end in ("_low", "", "_high")), 1)])
    return markdown(["styles a user", *(f"`{s}`" for s in names), "more with `xpert` than with `xpert_merge`"], lines)


TABLES: dict[str, Callable[[str], str]] = {
    "table": lambda name: table(MAIN, name),
    "choosing": lambda name: table(CHOOSING, name),
    "data": lambda name: table(DATA, name),
    "explaining": explaining,
    "similarity": lambda name: by_key("similarity", SIMILARITY, name),
    "pools": lambda name: by_key("pool", POOLS, name),
    "mixed": mixed,
}


def read_summary(name: str) -> pd.DataFrame:
    """A summary.csv of results/reference by strategy, metric and rule.

    Args:
        name: the folder of a run; or of a sweep, whose summary.csv is over all replicates of each setting, with
            `where KEY=VALUE` behind it if there are several settings. Raises ValueError where that fits none or some.
    """
    folder, _, where = name.partition(" where ")
    path = REFERENCE / folder
    if not is_sweep(path):
        return pd.read_csv(path / SUMMARY_CSV).set_index(INDEX)
    key, _, value = where.partition("=")
    sweep = load_sweep(path)
    found = [s for s in sweep.settings if not where or str(s.values[key]) == value]
    if len(found) != 1:
        raise ValueError(f"{name}: {len(found)} settings of {folder} are meant, where it must be one")
    if not (path / SUMMARY_CSV).is_file():  # no replicates
        return pd.read_csv(found[0].folders[0] / SUMMARY_CSV).set_index(INDEX)
    rows = pd.read_csv(path / SUMMARY_CSV, dtype={key: str} if where else None)
    return (rows[rows[key] == value] if where else rows).set_index(INDEX)


def markdown(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [f"| {' | '.join(h.strip() for h in headings)} |", f"|{'---|' * len(headings)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"


def _cell(summary: pd.DataFrame, of: Of) -> str:
    for rule in (of.rule, ANY):
        if (key := (of.strategy, of.metric, rule)) in summary.index:
            row: Any = summary.loc[key]
            return _bounds(*(float(row[part]) * of.factor for part in ("low", "mean", "high")), of.digits)
    return ""


def _bounds(low: float, mean: float, high: float, digits: int) -> str:
    """A mean, and its interval in brackets where there is one; 'never' for what is infinite."""
    if math.isinf(mean):
        return "never"
    ends = ["never" if math.isinf(end) else _number(end, digits) for end in (low, high)]
    alone = math.isnan(low) or ends[0] == ends[1]
    return _number(mean, digits) + ("" if alone else f" ({' to '.join(ends)})")


def _number(value: float, digits: int) -> str:
    return f"{round(value, digits) + 0.0:,.{digits}f}"  # no minus before a zero


def version_note(name: str) -> str:
    """A sentence beneath a table where another version of Headstart made the records; else ""."""
    folder = REFERENCE / name.partition(" where ")[0]
    versions = {made_by(path.parent) for path in folder.rglob(MANIFEST)}
    others = ", ".join(sorted(versions - {version_of("headstart")}))
    return (
        f"\nRecords of version {others}: another corpus, other LLMs, other training (CHANGELOG.md).\n" if others else ""
    )


def filled(page: str) -> str:
    """A page with the tables between its marks made anew."""
    return BLOCK.sub(lambda m: m[1] + "\n" + TABLES[m[2]](m[3]) + version_note(m[3]) + "\n" + m[4], page)
