"""Replicates: what is said of all of them together is what their users.csv, one below the other, say."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from docs.make import results, summaries
from sim.analysis.everyone import Everyone
from sim.analysis.summary import SUMMARY_CSV, interval, write_summary
from sim.analysis.sweep.figures import draw_all
from sim.analysis.sweep.plots import pareto
from sim.analysis.sweep.report import report
from sim.analysis.sweep.table import load_sweep, runs_table, short_table, write_settings
from sim.analysis.tables import load_run
from sim.experiment.config import Config
from tests.sim.analysis.conftest import population, write_run

STRATEGIES = ["scratch", "random", "oracle", "xpert"]
SETTINGS = {"peers": (9000, 9001, 9002), "rich": (9010, 9011)}
"""Replicates of two settings, of which the second lacks one."""


def made(folder: Path, settings: dict[str, tuple[int, ...]]) -> Path:
    """A sweep over the regime, with replicates, as it is when its runs are done."""
    runs = []
    for texts, seeds in settings.items():
        for seed in seeds:
            config = Config.of({"strategies": STRATEGIES, "seed": seed, "pool": {"texts": texts, "seed": seed}})
            run = write_run(folder / f"{texts}-{seed}", config, **population(20, STRATEGIES, seed))
            write_summary(load_run(run))
            at = {"pool.texts": texts} if len(settings) > 1 else {}
            runs.append((run, at | {"seed": str(seed), "pool.seed": str(seed)}))
    runs_table(runs).to_csv(folder / "runs.csv", index=False)
    write_settings(load_sweep(folder))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("replicates"), SETTINGS)


def test_every_setting_can_be_explored(folder: Path) -> None:
    html = report(folder).read_text(encoding="utf-8")
    (text,) = re.findall('<script type="application/json" id="explorer-data">(.*?)</script>', html, re.DOTALL)
    crowds = json.loads(text)["crowds"]
    assert [crowd["name"] for crowd in crowds] == [f"pool.texts {texts}" for texts in SETTINGS]
    summary = pd.read_csv(folder / SUMMARY_CSV).set_index(["pool.texts", "strategy", "metric", "rule"])
    for crowd, (texts, seeds) in zip(crowds, SETTINGS.items(), strict=True):
        assert crowd["users"] == 20 * len(seeds)
        row = summary.loc[(texts, "xpert", "compute_saved_total", "restart")]
        total, users = (sum(cell[3] for cell in crowd[part]["compute_saved_total"]) for part in ("sums", "counts"))
        assert users == row["users"]
        assert total / users == pytest.approx(row["mean"])
        assert crowd["intervals"]["all"]["compute_saved_total"][3] == pytest.approx([row["low"], row["high"]])


def test_figures_of_a_sweep_are_written_as_what_is_asked_for(folder: Path, tmp_path: Path) -> None:
    paths = draw_all(load_sweep(folder), tmp_path, "svg")
    assert {path.name for path in paths} == {"by_pool.texts.svg", "by_seed.svg", "cost_against_accuracy.svg"}
    assert all("<svg" in path.read_text(encoding="utf-8") for path in paths)


@pytest.mark.parametrize("texts", SETTINGS)
def test_summary_is_that_of_all_users_one_below_the_other(folder: Path, texts: str) -> None:
    """In pandas alone."""
    summary = pd.read_csv(folder / SUMMARY_CSV)
    summary = summary[summary["pool.texts"] == texts]
    assert set(summary["replicates"]) == {len(SETTINGS[texts])}
    found = summary.set_index(["metric", "rule", "strategy"]).sort_index()
    tables = {seed: pd.read_csv(folder / f"{texts}-{seed}" / "users.csv") for seed in SETTINGS[texts]}
    users = pd.concat(tables, names=["replicate"]).reset_index("replicate")
    wide = users.pivot(index=["replicate", "user_id"], columns="strategy")
    missed, steps, fits = wide["censored"].astype(bool), wide["steps_to_target"], wide["fits"] == "yes"
    right = wide["correct"].astype(float)
    bill = wide["finetune_flops"].where(fits)
    paid = bill.where(~missed, (bill / steps * wide["steps"]).add(bill["scratch"], axis=0)) + wide["selection_flops"]
    saved = 1 - paid.div(bill["scratch"], axis=0)
    for metric, rule, values in (
        ("reached", "any", 1.0 - missed),
        ("steps_to_target", "any", steps.where(~missed)),
        ("start_loss", "any", wide["start_loss"]),
        ("selection_accuracy", "any", right),
        ("compute_saved_total", "restart", saved),
    ):
        values = values.dropna(axis="columns", how="all")
        assert found.loc[(metric, rule), "mean"].to_dict() == pytest.approx(values.mean().to_dict()), metric
        assert found.loc[(metric, rule), "users"].to_dict() == values.count().to_dict(), metric
    medians = found.loc[("compute_saved_total_median", "restart"), "mean"]
    assert medians.to_dict() == pytest.approx(saved.median().to_dict())


def test_every_table_has_a_row_for_each_setting_and_strategy(folder: Path) -> None:
    sweep = load_sweep(folder)
    assert len(sweep.rows) == 5 * len(STRATEGIES)
    at = ["pool.texts", "replicates", "strategy"]
    expected = [[texts, len(seeds), s] for texts, seeds in SETTINGS.items() for s in STRATEGIES]
    assert sweep.pooled.rows[at].to_numpy().tolist() == expected
    shown = short_table(sweep)
    assert shown[at].to_numpy().tolist() == expected
    assert shown["users"].tolist() == [60] * 4 + [40] * 4
    xpert = sweep.pooled.rows.iloc[3]
    assert shown.iloc[3, -2].startswith(f"{100 * xpert['time_saved_total']:.3g} (")
    assert sweep.pooled.setting("pool.texts", sweep.pooled.rows["folder"].iloc[-1]) == "rich"


def test_report_has_replicates_together_and_names_seeds_once(folder: Path) -> None:
    html = report(folder).read_text(encoding="utf-8")
    for title in (
        "All replicates together",
        "Differences between strategies",
        "By pool.texts",
        "By seed",
        "Cost against accuracy",
        "All runs",
    ):
        assert f">{title}</h2>" in html, title
    assert ">By pool.seed</h2>" not in html
    assert "2 settings over pool.texts, each of 2 to 3 replicates and 40 to 60 users (5 runs)" in html
    everyone, rows = (
        Everyone(load_sweep(folder).settings[0].runs),
        html.partition(">Differences between strategies</h2>")[2],
    )
    row = everyone.compare("compute_saved_total", "xpert").set_index("strategy").loc["random"]
    assert f"{100 * row['mean']:.1f}<small>{interval(100 * row['low'], 100 * row['high'])}</small>" in rows


def test_replicates_of_one_setting_alone(tmp_path: Path) -> None:
    sweep = load_sweep(made(tmp_path, {"peers": (9000, 9001)}))
    assert sweep.pooled.keys == ()
    assert pareto(sweep.pooled) is not None
    assert "1 setting of 2 replicates and 40 users (2 runs)" in report(tmp_path).read_text(encoding="utf-8")


def test_interval_is_that_of_replicates_that_differ(folder: Path, tmp_path: Path) -> None:
    """Of three replicates with another saving each, alike for all users, the users of one tell nothing of others."""
    folder = Path(shutil.copytree(folder, tmp_path / "sweep"))
    sweep = load_sweep(folder)
    for name, saved in (("peers-9000", 0.1), ("peers-9001", 0.5), ("peers-9002", 0.9)):
        path = folder / name / "users.csv"
        users = pd.read_csv(path, keep_default_na=False)
        flops = np.where(users["strategy"] == "oracle", 1000 * (1 - saved), 1000.0)
        users.assign(finetune_flops=flops, censored=False).to_csv(path, index=False)
    (row,) = (
        r for r in sweep.pooled.rows.to_dict("records") if (r["pool.texts"], r["strategy"]) == ("peers", "oracle")
    )
    assert row["compute_saved_total"] == pytest.approx(0.5)
    assert (row["compute_saved_total_low"], row["compute_saved_total_high"]) == pytest.approx((0.1, 0.9))


def test_tables_of_pages_take_replicates_together(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (results, summaries):
        monkeypatch.setattr(module, "REFERENCE", folder.parent)
    page = f"<!-- table of results/reference/{folder.name} where pool.texts=rich -->\nold\n<!-- end -->\n"
    lines = results.filled(page).splitlines()
    assert "2 replicates, 40 users in all." in lines
    (xpert,) = (line for line in lines if line.startswith("| `xpert`"))
    summary = pd.read_csv(folder / SUMMARY_CSV).set_index(["pool.texts", "strategy", "metric", "rule"]).sort_index()
    mean = 100 * summary.loc[("rich", "xpert", "time_saved_total", "restart"), "mean"]
    assert f"| {mean:.0f} (" in xpert
    with pytest.raises(ValueError, match="2 settings"):
        results.filled(page.replace(" where pool.texts=rich", ""))
