"""Tables of README.md and docs/ that are made from committed results: `python -m docs.make` fills them in."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import pandas as pd

from docs.make.headline import regimes
from docs.make.learning import learning
from docs.make.summaries import REFERENCE, ROOT, Of, bounds, bounds_of, markdown, read_summary
from sim.analysis.rules import ANY
from sim.analysis.summary import by_key as summary_by_key
from sim.analysis.sweep.attacked import KEY, lost
from sim.analysis.sweep.by_llm import LEAST, table_of
from sim.analysis.sweep.mixed import beside_mixed
from sim.analysis.sweep.published import ACCURACY_BY_SIMILARITY, TIME_SAVED_BY_SIMILARITY
from sim.analysis.sweep.table import load_sweep
from sim.analysis.tables import records
from sim.experiment.names import SCRATCH, SEEDS
from sim.records.manifest import NAME as MANIFEST
from sim.records.manifest import made_by, version_of

README = ROOT / "README.md"
FILLED = (README, *(ROOT / "docs" / page for page in ("results.md", "published.md", "xpert_data.md", "robustness.md")))
"""Pages that have such tables."""
BLOCK = re.compile(
    r"(<!-- (\w+) of results/reference/([\w/-]+(?: where [\w.]+=[\w.]+)?) -->\n).*?(<!-- end -->)", re.DOTALL
)
"""Where a table belongs: which of `TABLES`, and of what: a run, a sweep, or a sweep `where KEY=VALUE`."""


SAVED = "compute_saved_total"
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
BILL = {
    "right pLLM, %": Of("selection_accuracy"),
    "taught styles, %": Of("accuracy_taught"),
    "untaught styles, %": Of("accuracy_untaught"),
    "TFLOP to choose": Of("selection_flops", 1e-12, 1),
    "minutes": Of("selection_s", 1 / 60, 1),
    "kJ": Of("selection_j", 1e-3, 2),
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
        cells = [bounds_of(summary, of._replace(strategy=strategy)) for of in columns.values()]
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
    rows = [[f"`{s}`", *(bounds_of(summary, of._replace(strategy=s)) for of in EXPLAINING.values())] for s in named]
    return markdown(["strategy", *EXPLAINING], rows)


def by_key(heading: str, columns: Mapping[str, Of | Mapping[float, float]], name: str) -> str:
    """Metrics of a sweep by the one key that is swept but for seeds, and published values by the same."""
    sweep = load_sweep(REFERENCE / name)
    (key,) = (key for key in sweep.keys if key not in SEEDS)
    lines = []
    for value in dict.fromkeys(sweep.rows[key]):
        summary = read_summary(f"{name} where {key}={value}")
        cells = [bounds_of(summary, of) if isinstance(of, Of) else f"{of[value]:g}" for of in columns.values()]
        lines.append([f"{value:g}" if isinstance(value, int) or value >= 1 else f"{100 * value:g} %", *cells])
    return markdown([heading, *columns], lines)


def mixed(name: str) -> str:
    """Steps by number of styles a user, and how many fewer a merge needs, user by user."""
    found = beside_mixed(load_sweep(REFERENCE / name))
    names = ("scratch", "xpert", "xpert_merge")
    lines = []
    for styles, rows in found.groupby("styles"):
        by = {row["strategy"]: row for row in records(rows)}
        steps = [bounds(*(by[s][f"steps{end}"] for end in ("_low", "", "_high")), 1) for s in names]
        lines.append([f"{styles}", *steps, bounds(*(by["xpert"][f"more{end}"] for end in ("_low", "", "_high")), 1)])
    return markdown(["styles a user", *(f"`{s}`" for s in names), "more with `xpert` than with `xpert_merge`"], lines)


def by_llm(name: str) -> str:
    """Accuracy, and what choosing costs with each LLM that could be on the phone, of a sweep in which nobody trains."""
    table = table_of(load_sweep(REFERENCE / name))
    llms, most = list(dict.fromkeys(table["llm"])), table["users"].max()
    lines = []
    for strategy in dict.fromkeys(table["strategy"]):
        by = {row["llm"]: row for row in records(table[table["strategy"] == strategy])}
        right = bounds(*(by[llms[0]][f"accuracy{end}"] for end in ("_low", "", "_high")), 0)
        costs = [
            f"{by[llm]['users']} can"
            if by[llm]["users"] < LEAST * most
            else bounds(*(by[llm][f"{cost}{end}"] for end in ("_low", "", "_high")), digits)
            + " *" * by[llm][f"{cost}_best"]
            for cost, digits in (("tflop", 1), ("minutes", 1))
            for llm in llms
        ]
        lines.append([f"`{strategy}`", right, *costs])
    headings = [f"{unit}, {llm}" for unit in ("TFLOP", "minutes") for llm in llms]
    said = (
        "Where a * stands, no other strategy, the oracle apart, is right as often for less of that cost with that LLM; "
        "where few phones can do it, how many."
    )
    return f"{markdown(['strategy', 'right pLLM, %', *headings], lines)}\n{said}\n"


def attacked(name: str) -> str:
    """What honest users save in peace, and how many points less with each share of attackers, by policy."""
    sweep = load_sweep(REFERENCE / name)
    table = lost(sweep)
    shares, lines = sorted(set(table[KEY])), []
    for setting in (setting for setting in sweep.settings if not setting.values[KEY]):
        others = {key: value for key, value in setting.values.items() if key != KEY}
        mine = table[(table[list(others)] == pd.Series(others)).all(axis=1)]
        found = summary_by_key(setting.summary)
        lines.append([*map(str, others.values()), f"`{SCRATCH}`", "0", *("0" for _ in shares)])  # by definition
        for strategy in dict.fromkeys(table["strategy"]):
            peace = found[strategy, SAVED]
            row = [*map(str, others.values()), f"`{strategy}`"]
            row.append(bounds(*(100 * peace[end] for end in ("low", "mean", "high")), 0))
            for share in shares:
                (less,) = records(mine[(mine["strategy"] == strategy) & (mine[KEY] == share)])
                row.append(bounds(*(100 * less[SAVED + end] for end in ("_low", "", "_high")), 0))
            lines.append(row)
    keys = [key.rpartition(".")[2] for key in sweep.keys if key != KEY]
    less_at = [f"points less, {share:.0%} attack" for share in shares]
    return markdown([*keys, "strategy", "compute saved, nobody attacks, %", *less_at], lines)


TABLES: dict[str, Callable[[str], str]] = {
    "attacked": attacked,
    "table": lambda name: table(MAIN, name),
    "by_llm": by_llm,
    "bill": lambda name: table(BILL, name),
    "choosing": lambda name: table(CHOOSING, name),
    "data": lambda name: table(DATA, name),
    "explaining": explaining,
    "learning": learning,
    "similarity": lambda name: by_key("similarity", SIMILARITY, name),
    "pools": lambda name: by_key("pool", POOLS, name),
    "mixed": mixed,
    "regimes": regimes,
}


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
