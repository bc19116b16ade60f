"""The report of a run: what was run, what won, by how much, how sure, at what cost, and five users."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from sim.analysis.everyone import Everyone
from sim.analysis.explain.chart import chart
from sim.analysis.explain.explained import explained
from sim.analysis.explain.explanation import gallery
from sim.analysis.explain.text import page
from sim.analysis.look.crowd import Crowd
from sim.analysis.look.explorer import explorer
from sim.analysis.look.library import MISSING, library
from sim.analysis.look.page import Cell, Section, document, folded, html_table, paragraph, picture, verbatim
from sim.analysis.measures import COSTS, METRICS, TOTALS
from sim.analysis.rules import MEANING, RESTART
from sim.analysis.run.leak import leak
from sim.analysis.run.phones import by_phone
from sim.analysis.run.plots import draw
from sim.analysis.run.verdict import Verdict, setting, verdict
from sim.analysis.run.waves import sentences, waves
from sim.analysis.summary import COLUMNS, DASH, by_key, interval, number, summarise
from sim.analysis.tables import Run, load_run, records
from sim.common.disk import write_whole
from sim.experiment.names import SCRATCH

EXPLAINED_USERS = 5


def report(folder: Path | str) -> Path:
    """Write report.html into a run folder and return its path. Raises UserError when the folder is no run."""
    run = load_run(folder)
    summary = summarise(run)
    path = run.folder / "report.html"
    found = verdict(run, summary)
    headline, *rest = found.sentences
    lead = [headline, " ".join(rest)] if rest else [headline]
    title = f"Headstart: {run.name}"
    html, scripts = explorer([Crowd(run.name, Everyone((run,)), summary)])
    write_whole(path, document(title, lead, _sections(run, summary, found, html), scripts))
    return path


def _sections(run: Run, summary: pd.DataFrame, found: Verdict, explored: str) -> list[Section]:
    """The parts of the report, in reading order. Pictures are left out whose numbers are `explored`."""
    sections = [
        Section("What was run", _setting(run)),
        Section("What won, by how much", _results(run, summary, explored)),
        Section("Wave by wave", _waves(run)),
        Section("What contributed adapters tell of their texts", _leak(run)),
        Section("Whom it helps: by strategy, tier and style", explored),
        Section("How sure", _certainty(run, found)),
        Section("What it cost, on which phones", _costs(run)),
        Section("Learning and data", _learning(run, explored)),
        Section("How good explanations are", explained(summary)),
        Section("Explained users", _users(run, found)),
        Section("The space of explanations", _latent(run)),
        Section("What the numbers mean", _meanings()),
    ]
    return [section for section in sections if section.html]


def _summary(summary: pd.DataFrame) -> str:
    """The main metrics by strategy, each with its interval."""
    found = by_key(summary)
    shown = [column for column in COLUMNS if (summary["metric"] == column[0]).any()]
    rows = []
    for strategy in dict.fromkeys(summary["strategy"]):
        cells: list[Cell | str] = [strategy]
        for metric, _, factor in shown:
            if (strategy, metric) in found:
                row = found[strategy, metric]
                mean, low, high = (float(row[part]) * factor for part in ("mean", "low", "high"))
                cells.append(Cell(number(mean), interval(low, high), mean))
            else:
                cells.append(Cell(DASH))
        rows.append(cells)
    return html_table(["strategy", *(heading.replace("\n", " ") for _, heading, _ in shown)], rows)


def _setting(run: Run) -> str:
    html = "".join(paragraph(sentence) for sentence in setting(run))
    if run.config:
        html += folded("The whole config, as config.toml", verbatim(run.config.to_toml()))
    if not run.cloud.empty:
        rows = [
            [
                r["strategy"],
                r["by"] or "cloud",
                r["work"],
                _count(r["requests"]),
                _count(r["tokens"]),
                _number(1e-12 * r["flops"]),
                _number(1e-6 * (r["bytes_up"] if r["bytes_up"] == r["bytes_up"] else 0)),
            ]
            for r in records(run.cloud)
        ]
        work = html_table(["strategy", "by", "work", "requests", "tokens", "TFLOP", "MB uploaded"], rows)
        html += folded("Work of the cloud and of pLLMs' owners, billed to no phone", work)
    return html


def _results(run: Run, summary: pd.DataFrame, explored: str) -> str:
    caption = "Mean savings against scratch with 95 % intervals. A bar cut at the left has its value beside it."
    demand = (
        "Savings by the loss that is demanded. A line begins where that is no lower than the target at which training "
        "was ended."
    )
    return (
        paragraph(
            f"Means over users; the small print is the 95 % interval. Rule {RESTART!r}: {MEANING}. Compute and time "
            "saved include choosing and downloads; choosing pays where it takes more steps from scratch "
            "(billing.scratch_steps) than it breaks even at. A click on a heading sorts."
        )
        + _summary(summary)
        + ("" if explored else paragraph(MISSING) if not library() else "")
        + ("" if explored else _figure(run, "savings", caption))
        + _figure(run, "demanded_loss", demand)
    )


def _waves(run: Run) -> str:
    table = waves(run)
    if table.empty:
        return ""
    caption = "Time saved against scratch by the users of a wave, with 95 % bands, and by all users so far together."
    said = "".join(paragraph(sentence) for sentence in sentences(table))
    attacked = {"poisoned": "pLLMs of attackers, %", "poisoned_start": "started from one, %"}
    poisoned = attacked if len(run.attackers) else {}
    rows = [
        [
            _count(r["wave"]),
            r["strategy"],
            _number(r["pllms"]),
            _number(100 * r["selection_accuracy"]),
            *(
                Cell(number(100 * r[what]), interval(100 * r[f"{what}_low"], 100 * r[f"{what}_high"]), r[what])
                for what in TOTALS
            ),
            _number(1e-12 * r["cloud_flops"]),
            _number(1e-6 * r["bytes_up"]),
            *(_number(100 * r[column]) for column in poisoned),
        ]
        for r in records(table.astype({"pllms": float}))
    ]
    saved = (f"{what}, %" for what in ("compute saved", "time saved", "energy saved"))
    headings = ["wave", "strategy", "pLLMs", "right pLLM, %", *saved, "cloud, TFLOP", "MB uploaded", *poisoned.values()]
    return said + _figure(run, "waves", caption) + folded("Every wave", html_table(headings, rows))


def _leak(run: Run) -> str:
    table = leak(run)
    rows: list[list[Cell | str]] = [
        [
            r["strategy"],
            "all" if pd.isna(r["wave"]) else _count(r["wave"]),
            r["guess"],
            _count(r["adapters"]),
            _count(r["texts"]),
            Cell(number(r["auc"]), interval(r["auc_low"], r["auc_high"]), r["auc"]),
            Cell(number(100 * r["tpr"]), interval(100 * r["tpr_low"], 100 * r["tpr_high"]), r["tpr"]),
        ]
        for r in records(table)
    ]
    if not rows:
        return ""
    headings = ["strategy", "wave", "guess by", "adapters", "texts", "AUC", "found, %, at 1 % false alarms"]
    return html_table(headings, rows) + paragraph(
        "Can texts that a contributed adapter was fine-tuned on be told from others that its user could have written? "
        "An AUC of 0.5 is a guess, 1 is certainty. By loss alone; by its ratio to the loss under others' adapters; and "
        "blind, by others' adapters alone, which never saw the texts. The small print is the 95 % interval, over users."
    )


def _certainty(run: Run, found: Verdict) -> str:
    text = paragraph(
        "Intervals cover the draw of styles and of users: users of one style start from the same pLLM, so they are "
        "drawn together (percentile bootstrap, 2000 resamples); shares have exact intervals, for as many users as "
        "their styles are worth. Every strategy had the same users, texts and seeds, so differences are taken user by "
        "user; their p-values are corrected for the number of strategies. Not covered are another pool (that takes "
        "replicates: headstart sweep replicates=5) and the error of the cost model, which all share."
    )
    if not found.best:
        return text
    rows = []
    everyone = Everyone((run,))
    for to in dict.fromkeys((found.best, SCRATCH)):
        for r in records(everyone.compare(found.metric, to)):
            mean, low, high = (100 * r[part] for part in ("mean", "low", "high"))
            cells = [Cell(number(mean), interval(low, high), mean), _number(r["p"]), _count(r["users"])]
            rows.append([to, r["strategy"], *cells])
    headings = ["strategy", "saves more than", "by, percentage points", "p after Holm", "users"]
    return (
        text + paragraph(f"Compared by: {COSTS[found.metric].meaning}; rule {RESTART!r}.") + html_table(headings, rows)
    )


def _costs(run: Run) -> str:
    table, minutes = by_phone(run)
    names = [s for s in run.strategies if minutes[s].notna().any()]
    if not names:
        return paragraph("No phone of this run can fine-tune the deployed LLM, so nothing is billed.")
    rows: list[list[Cell | str]] = [
        [str(r["phone"]), _count(r["users"]), _number(100 * r["fits"]), *(_number(mine[s]) for s in names)]
        for r, mine in zip(records(table), records(minutes), strict=True)
    ]
    headings = ["phone", "users", "can fine-tune, %", *(f"{s}, min" for s in names)]
    time = "Where the time on the phone goes, mean over users whose phone fits the LLM."
    spread = (
        "Time from selection to the target: over all users, where who misses it never arrives and a curve ends at the "
        f"share that does; and the median by phone, where a miss is charged by the rule {RESTART!r}."
    )
    every = folded(f"All phones: median minutes to the target, rule {RESTART!r}", html_table(headings, rows))
    return _figure(run, "where_time_goes", time) + _figure(run, "phones", spread) + every


def _learning(run: Run, explored: str) -> str:
    learning = "Mean held-out loss with its 95 % band, on the LLM that was really trained."
    ladder = "Users that reach the target with at most that share of their texts, with 95 % intervals."
    return ("" if explored else _figure(run, "learning_curves", learning)) + _figure(run, "data_ladder", ladder)


def _users(run: Run, found: Verdict) -> str:
    if not found.explained:
        return ""
    parts = [paragraph(f"From who saved most time, selection included (rule {RESTART!r}), to who saved least.")]
    for e in gallery(run, found.explained, EXPLAINED_USERS):
        caption = f"User {e.user_id}: the style in words, and the candidates."
        parts.append(f"<h3>User {e.user_id}</h3>")
        if e.words or e.candidates:
            parts.append(picture(chart(e), caption))
        parts.append(verbatim(page(e)))
    return "".join(parts)


def _latent(run: Run) -> str:
    figure = _figure(
        run, "latent_levels", "L1 distance of the pLLMs' coordinates between levels, as a share of the largest."
    )
    if not figure:
        return ""
    return figure + paragraph(
        "pLLMs that differ in nothing but a level of one axis: the more levels are between them, the further apart "
        "they should lie. On the diagonal are pLLMs of the same level that learnt from other texts. Spearman: rank "
        "correlation of distance and levels apart. Published: Wang et al., MobiSys 2025, elementary school to PhD, on "
        "larger LLMs."
    )


def _meanings() -> str:
    rows = [[m.name, m.unit, m.meaning] for m in (METRICS | COSTS).values()]
    return folded("Every metric of summary.csv", html_table(["metric", "unit", "meaning"], rows))


def _figure(run: Run, name: str, caption: str) -> str:
    figure = draw(name, run)
    return picture(figure, caption) if figure is not None else ""


def _number(value: float) -> Cell:
    return Cell(number(float(value)), key=float(value))


def _count(value: float) -> Cell:
    return Cell(f"{float(value):.0f}", key=float(value))
