"""The report of a sweep: what was swept, how the main metrics follow, what choosing costs, and every run."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from sim.analysis.everyone import Everyone
from sim.analysis.look.crowd import Crowd
from sim.analysis.look.explorer import MOST_CROWDS, explorer
from sim.analysis.look.page import Cell, Section, document, folded, html_table, paragraph, picture, verbatim
from sim.analysis.measures import COSTS, METRICS
from sim.analysis.rules import MEANING, RESTART
from sim.analysis.run.verdict import WHAT
from sim.analysis.summary import COLUMNS, DASH, by_key, interval, number
from sim.analysis.sweep.attacked import LOST, SUFFERED, lost
from sim.analysis.sweep.by_llm import table_of
from sim.analysis.sweep.figures import ATTACKED, MIXED, Drawn, figures
from sim.analysis.sweep.mixed import MERGED, MIXED_SOURCE, beside_mixed
from sim.analysis.sweep.published import SOURCE, beside_published
from sim.analysis.sweep.table import SHOWN, Setting, Sweep, listed, load_sweep
from sim.analysis.sweep.verdict import best, extent, verdict
from sim.analysis.tables import is_run, records
from sim.common.disk import write_whole
from sim.common.errors import UserError
from sim.experiment.names import ORACLE, SCRATCH, SEEDS


def report(folder: Path | str) -> Path:
    """Write report.html into a sweep's folder and return its path. Raises UserError when the folder is no sweep."""
    sweep = load_sweep(Path(folder))
    path = sweep.folder / "report.html"
    if not (table := table_of(sweep)).empty:
        write_whole(sweep.folder / "by_llm.csv", table.to_csv(index=False))
    html, scripts = explorer(_crowds(sweep), max(0, len(sweep.settings) - MOST_CROWDS))
    write_whole(path, document(f"Headstart: sweep {sweep.name}", verdict(sweep), _sections(sweep, html), scripts))
    return path


def _sections(sweep: Sweep, explored: str) -> list[Section]:
    pooled, drawn = sweep.pooled, {one.title: _figure(one) for one in figures(sweep)}
    attacked, mixed = drawn.pop(ATTACKED), drawn.pop(MIXED)
    sections = [
        Section("What was swept", _setting(sweep)),
        *([] if pooled is sweep else [Section("All replicates together", _table(pooled))]),
        Section(ATTACKED, _attacked(sweep, attacked)),
        Section("Whom it helps: by strategy, tier and style", explored),
        Section("Differences between strategies", _differences(sweep)),
        *(Section(title, html) for title, html in drawn.items()),
        Section("Beside the published costs", _published(pooled)),
        Section(MIXED, _mixed(sweep, mixed)),
        Section("All runs", _table(sweep) if pooled is sweep else folded("Every replicate by itself", _table(sweep))),
    ]
    return [section for section in sections if section.html]


def _crowds(sweep: Sweep) -> list[Crowd]:
    """The users of the first settings of the sweep; none where the records of some run are not there, or broken."""
    settings = sweep.settings[:MOST_CROWDS]
    if not all(is_run(folder) for setting in settings for folder in setting.folders):
        return []
    try:
        return [Crowd(_named(setting), Everyone(setting.runs), setting.summary) for setting in settings]
    except UserError:
        return []


def _named(setting: Setting) -> str:
    return ", ".join(f"{key} {value}" for key, value in setting.values.items()) or "all replicates"


def _setting(sweep: Sweep) -> str:
    rows = [[key, listed(list(dict.fromkeys(sweep.rows[key].tolist())))] for key in sweep.keys]
    html = html_table(["key", "values"], rows)
    if sweep.configs:
        name, config = next(iter(sweep.configs.items()))
        html += folded(f"The whole config of the first run ({name})", verbatim(config.to_toml()))
    said = (
        "Within a run every strategy has the same users, texts and seeds. 95 % intervals cover the draw of styles and "
        "of users"
    )
    if sweep.pooled is sweep:
        return html + paragraph(f"{said}, not of another pool: that takes replicates.")
    return html + paragraph(
        f"{extent(sweep)}. {said}; where replicates are taken together also that of replicates, which differ in "
        f"{listed([key for key in SEEDS if key in sweep.keys])} alone."
    )


def _differences(sweep: Sweep) -> str:
    """How far the best strategy of each setting is ahead of every other, over all replicates."""
    rows: list[list[Cell | str]] = []
    for setting in sweep.settings if sweep.replicated else ():
        found = by_key(setting.summary)
        for metric in ("compute_saved_total", "time_saved_total"):
            means = {s: {metric: found[s, metric]["mean"]} for s in sweep.strategies if (s, metric) in found}
            if SCRATCH not in means or not set(means) - {SCRATCH, ORACLE}:
                continue
            to = best(means, metric)
            for r in records(Everyone(setting.runs).compare(metric, to)):
                mean, low, high = (100 * r[part] for part in ("mean", "low", "high"))
                apart = [Cell(number(mean), interval(low, high), mean), Cell(number(r["p"], 2), key=r["p"])]
                at = [_value(value) for value in setting.values.values()]
                rows.append(
                    [*at, WHAT[metric], to, r["strategy"], *apart, Cell(f"{r['users']}", key=float(r["users"]))]
                )
    if not rows:
        return ""
    heads = ["saving of", "best", "saves more than", "by, percentage points", "p after Holm", "users"]
    return html_table([*sweep.pooled.keys, *heads], rows) + paragraph(
        f"Rule {RESTART!r}; choosing included. Differences are taken user by user, their intervals cover replicates, "
        "styles and users, and their p-values are corrected for the number of strategies. The oracle cannot be best."
    )


def _published(sweep: Sweep) -> str:
    table = beside_published(sweep)
    if table.empty:
        return ""
    headings = [
        "strategy",
        "pool",
        "network",
        "quantity",
        "published",
        "basis",
        "billed, median",
        "billed / published",
        "billed, mean",
    ]
    rows: list[list[Cell | str]] = [
        [
            r["strategy"],
            Cell(f"{r['pool']}", key=float(r["pool"])),
            r["network"],
            f"{r['quantity']}, {r['unit']}",
            Cell(number(r["published"]), key=r["published"]),
            r["basis"],
            Cell(number(r["billed"]), key=r["billed"]),
            Cell(number(r["ratio"]), key=r["ratio"]),
            Cell(number(r["mean"]), interval(r["low"], r["high"]), r["mean"]),
        ]
        for r in records(table)
    ]
    return (
        paragraph("Communication is all downloads, the chosen pLLM's included; computation and energy are of choosing.")
        + html_table(headings, rows)
        + paragraph(f"Published: {SOURCE}")
        + paragraph(
            "Billed: the cost model on this sweep's users, the median user and the mean with its 95 % interval; no "
            "constant is fitted to the published values. The paper says neither how fast its link was nor how long its "
            "texts were; 122 Mbit/s is what its 2.7 min for one LLM of 2.47 GB mean, so communication over such a link "
            "only shows how many LLMs are downloaded."
        )
    )


def _attacked(sweep: Sweep, chart: str) -> str:
    table = lost(sweep)
    if table.empty:
        return ""
    keys = list(table.columns[: table.columns.get_loc("strategy")])
    rows: list[list[Cell | str]] = []
    for r in records(table):
        cells = [*(_value(r[key]) for key in keys), r["strategy"], Cell(f"{r['users']}", key=float(r["users"]))]
        for metric in LOST:
            mean, low, high = (100 * r[f"{metric}{part}"] for part in ("", "_low", "_high"))
            cells.append(Cell(number(mean), interval(low, high), mean))
        rows.append([*cells, *(Cell(number(100 * r[metric]), key=r[metric]) for metric in SUFFERED)])
    headings = [*keys, "strategy", "users", "compute lost", "time lost", "targets lost"]
    return (
        chart
        + html_table([*headings, "started from an attacker's, %", "backdoored, %"], rows)
        + paragraph(
            "Honest users only, each compared with itself in the run with the same settings that nobody attacks; from "
            "scratch nothing can be lost. Lost "
            "are percentage points: of compute and time saved, and of users who reach the target; below 0 something "
            f"was gained. The small print is the 95 % interval; rule {RESTART!r}. Of what the cloud "
            "made of several pLLMs, as averages are, it is not said whether an attacker's is in it."
        )
    )


def _mixed(sweep: Sweep, chart: str) -> str:
    table = beside_mixed(sweep)
    if table.empty:
        return ""
    rows: list[list[Cell | str]] = [
        [
            Cell(f"{r['styles']}", key=float(r["styles"])),
            r["strategy"],
            Cell(number(r["steps"]), interval(r["steps_low"], r["steps_high"]), r["steps"]),
            Cell(number(r["more"]), interval(r["more_low"], r["more_high"]), r["more"]),
            Cell(number(r["share"]), key=r["share"]),
            Cell(number(r["published"]), key=r["published"]),
        ]
        for r in records(table)
    ]
    headings = ["styles a user", "strategy", "steps", f"more than {MERGED}", "of scratch, %"]
    return (
        chart
        + html_table([*headings, "of scratch, published, %"], rows)
        + paragraph(
            f"Measured steps, means over users with 95 % intervals, rule {RESTART!r}: {MEANING}; differences to "
            f"{MERGED} are taken user by user. "
            f"Published: {MIXED_SOURCE}"
        )
    )


def _table(sweep: Sweep) -> str:
    headings = {metric: heading.replace("\n", " ") for metric, heading, _ in COLUMNS}
    factors = {metric: factor for metric, _, factor in COLUMNS}
    extra = {"selection_s": "choosing, s", "selection_j": "choosing, J", "download_s": "download, s"}
    shown = [metric for metric in SHOWN if metric in headings | extra and sweep.has(metric)]
    keys, last = ([*sweep.keys, "replicates"], []) if "replicates" in sweep.rows else (sweep.keys, ["folder"])
    rows = []
    for r in records(sweep.rows):
        cells: list[Cell | str] = [_value(r[key]) for key in keys]
        cells += [r["strategy"], Cell(f"{r['users']}", key=float(r["users"]))]
        for metric in shown:
            mean, low, high = (factors.get(metric, 1.0) * r[m] for m in (metric, f"{metric}_low", f"{metric}_high"))
            cells.append(Cell(number(mean), interval(low, high), mean) if not pd.isna(mean) else Cell(DASH))
        rows.append([*cells, *(r[key] for key in last)])
    heads = [*keys, "strategy", "users", *((headings | extra)[m] for m in shown), *last]
    known = METRICS | COSTS
    meanings = html_table(["metric", "unit", "meaning"], [[m, known[m].unit, known[m].meaning] for m in SHOWN])
    return (
        paragraph(
            f"Means over users; the small print is the 95 % interval. Rule {RESTART!r}: {MEANING}. A click on a "
            "heading sorts."
        )
        + html_table(heads, rows)
        + folded("Every metric of runs.csv", meanings)
    )


def _value(value: object) -> Cell | str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Cell(f"{value:g}", key=float(value))
    return str(value)


def _figure(drawn: Drawn) -> str:
    figure = drawn.figure()
    return "" if figure is None else picture(figure, drawn.caption)
