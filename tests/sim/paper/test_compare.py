"""Published values beside small made-up records: which runs count, what is inside, and what the page says."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from sim.analysis.summary import by_key, summarise
from sim.analysis.tables import load_run
from sim.common.errors import UserError
from sim.experiment.config import Config
from sim.paper.chart import chart
from sim.paper.compare import (
    INSIDE,
    NO_INTERVAL,
    NO_VALUE,
    NOT_IN_RECORDS,
    NOT_MEASURED,
    NOT_RUN,
    OUTSIDE,
    Row,
    compare,
    is_inside,
    stale,
    unexplained,
)
from sim.paper.page import page, plan
from sim.paper.records import Bounds, Records
from sim.published import Paper
from tests.runs import Command
from tests.sim.analysis.conftest import user_row, write_run
from tests.sim.analysis.run.test_latent import levels, made

STRATEGIES = ["scratch", "oracle", "exhaustive"]


def paper_of(**series: Any) -> Paper:
    """A paper of one section with one series, whose records are "demo"."""
    one = {
        "id": "s", "quantity": "steps", "unit": "steps", "records": "demo", "stated": True, "published": {"": 10},
        "ours": [{"strategy": "scratch", "metric": "steps"}],
    } | series  # fmt: skip
    section = {"id": "one", "title": "One", "about": "a table", "by": "pool", "series": [one]}
    commands = {"demo": "headstart sweep configs/demo.toml"} if one["records"] else {}
    return Paper.model_validate({"source": "They", "commands": commands, "section": [section]})


def add(root: Path, name: str, steps: list[float], scratch: float = 20, **config: Any) -> Path:
    """A run of users who need so many steps from scratch, and one of them from the oracle's pLLM."""
    users = []
    for user, needed in enumerate(steps):
        for strategy, cost in zip(STRATEGIES, (needed, 1, 1), strict=True):
            row = user_row(user, strategy, steps_to_target=cost, steps=cost, style=f"style {user}", download_s=scratch)
            users.append(row | ({"download_s": 0.05 * scratch} if strategy == "oracle" else {}))
    return write_run(root / name, Config.of({"name": "demo", "strategies": STRATEGIES} | config), users=users)


def only(rows: list[Row]) -> Row:
    (row,) = rows
    return row


def test_mean_and_interval_are_those_of_the_summary(tmp_path: Path) -> None:
    folder = add(tmp_path, "demo", [8, 9, 10, 11, 14])
    row = only(compare(paper_of(), Records(tmp_path)))
    summary = by_key(summarise(load_run(folder)))["scratch", "steps"]
    assert row.estimate == Bounds(*(summary[part] for part in ("mean", "low", "high")))
    assert row.estimate.mean == 10.4
    assert row.state == INSIDE


def test_all_users_of_replicates_count(tmp_path: Path) -> None:
    add(tmp_path / "demo", "a", [10, 12], seed=0)
    add(tmp_path / "demo", "b", [20, 22, 26], seed=1, pool={"seed": 1})
    row = only(compare(paper_of(), Records(tmp_path)))
    assert row.estimate is not None
    assert row.estimate.mean == pytest.approx(18.0)
    assert row.state == INSIDE  # 10 is: runs are drawn whole
    assert "2 runs of 60 users, 2 pairs of seeds" in plan(paper_of(), Records(tmp_path))[0]


def test_a_run_done_twice_counts_once(tmp_path: Path) -> None:
    add(tmp_path / "demo", "20260101", [100, 100])
    add(tmp_path / "demo", "20260102", [10, 12])
    row = only(compare(paper_of(), Records(tmp_path)))
    assert row.estimate is not None
    assert row.estimate.mean == 11


def test_a_point_is_a_value_of_the_config_and_others_are_left_out(tmp_path: Path) -> None:
    add(tmp_path / "demo", "a", [10, 10, 11], pool={"similarity": 0.3})
    add(tmp_path / "demo", "b", [30, 30, 31], pool={"similarity": 0.9})
    paper = paper_of(key="pool.similarity", published={"0.3": 10, "0.5": 20, "0.9": 30})
    rows = compare(paper, Records(tmp_path))
    assert [row.state for row in rows] == [INSIDE, NOT_RUN, INSIDE]
    only_rich = paper_of(key="pool.similarity", published={"0.3": 10}, where={"pool.texts": "rich"})
    assert only(compare(only_rich, Records(tmp_path))).state == NOT_RUN


def test_runs_that_ask_different_things_are_not_averaged(tmp_path: Path) -> None:
    add(tmp_path / "demo", "a", [10], population={"network": "wifi:122"})
    add(tmp_path / "demo", "b", [30], population={"network": "wifi:median"})
    with pytest.raises(UserError, match=r"differs from .*/a in population\.network"):
        compare(paper_of(), Records(tmp_path))
    paper = paper_of(where={"population.network": "wifi:122"})
    row = only(compare(paper, Records(tmp_path)))
    assert row.estimate is not None
    assert (row.estimate.mean, math.isnan(row.estimate.low)) == (10, True)


def test_an_unfinished_run_does_not_count(tmp_path: Path) -> None:
    folder = add(tmp_path, "demo", [10, 12])
    (folder / "progress.jsonl").write_text("")
    assert only(compare(paper_of(), Records(tmp_path))).state == NOT_RUN


def test_copies_of_damaged_tables_are_no_runs(tmp_path: Path) -> None:
    folder = add(tmp_path, "demo", [10, 12])
    add(folder, "damaged-1", [500])
    assert len(Records(tmp_path).runs("demo")) == 1


def test_what_is_saved_is_compared_in_percent(tmp_path: Path) -> None:
    add(tmp_path, "demo", [10, 10, 10])
    ours = [{"strategy": "oracle", "metric": "steps_saved", "factor": 100, "why": {"": "since"}}]
    row = only(compare(paper_of(published={"": 95}, saved_of=1000, ours=ours), Records(tmp_path)))
    assert (row.published, row.within) == (90.5, 0.05)
    assert row.estimate == Bounds(90, 90, 90)
    assert (row.state, row.why) == (OUTSIDE, "since")
    assert only(compare(paper_of(published={"": 100}, saved_of=1000, ours=ours), Records(tmp_path))).state == INSIDE


def test_saved_against_another_strategy(tmp_path: Path) -> None:
    add(tmp_path, "demo", [10, 10, 10])
    ours = [{"strategy": "oracle", "metric": "download_s", "against": "exhaustive", "factor": 100}]
    row = only(compare(paper_of(ours=ours, published={"": 95}), Records(tmp_path)))
    assert row.estimate == pytest.approx(Bounds(95, 95, 95))
    nobody = [{"strategy": "xpert", "metric": "download_s", "against": "exhaustive"}]
    assert only(compare(paper_of(ours=nobody), Records(tmp_path))).state == NOT_IN_RECORDS


def test_states_without_a_verdict(tmp_path: Path) -> None:
    add(tmp_path, "demo", [10])
    records = Records(tmp_path)
    assert only(compare(paper_of(), records)).state == NO_INTERVAL
    assert only(compare(paper_of(published={}), records)).state == NO_VALUE
    assert only(compare(paper_of(ours=[{"strategy": "xpert", "metric": "steps"}]), records)).state == NOT_IN_RECORDS
    assert only(compare(paper_of(ours=[], missing="no", records=""), records)).state == NOT_MEASURED


@pytest.mark.parametrize(
    ("low", "high", "inside"), [(9.5, 9.9, True), (9.0, 9.4, False), (10.1, 12, True), (10.2, 12, False), (9, 11, True)]
)
def test_the_rule(low: float, high: float, inside: bool) -> None:
    assert is_inside(10, 0.1 if low > 10 else 0.5, Bounds((low + high) / 2, low, high)) is inside


def test_distances_between_levels(tmp_path: Path) -> None:
    pool = {name: [x[0], x[0] + 0.1] for name, x in levels(0.0, 1.0, 3.0, 4.0).items()}
    made(tmp_path / "demo", pool)
    paper = paper_of(published={"1-2": 0.25, "1-4": 1.0, "2-3": 0.7}, ours=[{"levels": "expertise"}])
    rows = compare(paper, Records(tmp_path))
    assert [row.state for row in rows] == [INSIDE, INSIDE, OUTSIDE]
    assert rows[0].estimate is not None
    assert 0.2 < rows[0].estimate.low < rows[0].estimate.high < 0.3
    other = paper_of(published={"1-2": 0.25}, ours=[{"levels": "formality"}])
    assert only(compare(other, Records(tmp_path))).state == NOT_IN_RECORDS


def test_one_pllm_a_level_gives_no_interval(tmp_path: Path) -> None:
    made(tmp_path / "demo", levels(0.0, 1.0, 3.0, 4.0))
    paper = paper_of(published={"1-2": 0.25}, ours=[{"levels": "expertise"}])
    assert only(compare(paper, Records(tmp_path))).state == NO_INTERVAL


def test_reasons_that_are_missing_or_no_longer_needed(tmp_path: Path) -> None:
    add(tmp_path, "demo", [10, 10, 11])
    records = Records(tmp_path)
    for published, why, missing, needless in ((50, {}, 1, 0), (50, {"": "since"}, 0, 0), (10, {"": "since"}, 0, 1)):
        ours = [{"strategy": "scratch", "metric": "steps", "why": why}]
        rows = compare(paper_of(published={"": published}, ours=ours), records)
        assert (len(unexplained(rows)), len(stale(rows))) == (missing, needless)


def test_the_page_says_what_was_not_run_and_never_invents(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    paper = paper_of(published={"14": 10, "28": 20}, key="pool.size", reading=1, stated=["28"])
    records = Records(tmp_path)
    text = page(paper, records, compare(paper, records), "mine", "headstart paper mine", "mine.png")
    assert "| steps, steps | 14 | about 10 |  | not run | `headstart sweep configs/demo.toml` |" in text
    assert "| steps, steps | 28 | 20 |  | not run |" in text
    assert "| all |  |  |  | 2 |  |  |" in text


def test_the_page_has_ours_beside_the_published_value(tmp_path: Path) -> None:
    add(tmp_path, "demo", [10, 10, 10])
    ours = [{"strategy": "scratch", "metric": "steps", "why": {"": "ours | theirs"}}]
    paper = paper_of(published={"": 50}, ours=ours)
    records = Records(tmp_path)
    text = page(paper, records, compare(paper, records), "mine", "headstart paper mine", "mine.png")
    assert "| steps, steps |  | 50 | 10.0 (±0) | **outside** | ours \\| theirs |" in text
    assert "| all |  | 1 |  |  |  |  |" in text


def test_the_chart_has_both(tmp_path: Path) -> None:
    add(tmp_path / "demo", "a", [10, 10, 12], pool={"similarity": 0.3})
    series = {"id": "accuracy", "key": "pool.similarity", "published": {"0.3": 9, "0.5": 20}}
    axes = chart(compare(paper_of(**series), Records(tmp_path))).axes[0]
    published, ours = (line.get_ydata() for line in axes.lines[:2])
    assert list(published) == [9, 20]
    assert ours[0] == pytest.approx(32 / 3)
    assert math.isnan(ours[1])


# ---------------------------------------------------------------- the command


def test_command_plan_lists_what_makes_the_records(command: Command, tmp_path: Path) -> None:
    add(tmp_path, "similarity", [10, 12])
    status, out, _ = command("paper", str(tmp_path), "--plan")
    assert status == 0
    assert "headstart sweep configs/sweeps/phones.toml" in out
    assert "1 run of 60 users" in out
    assert not (tmp_path / "paper.md").exists()


def test_command_writes_a_page_of_other_records_only_where_told(command: Command, tmp_path: Path) -> None:
    add(tmp_path / "mixed-styles", "r1", [10, 12], population={"styles_per_user": 1})
    status, _, err = command("paper", str(tmp_path))
    assert status == 2
    assert "--output: a file is expected" in err
    status, out, _ = command("paper", str(tmp_path), "--output", str(tmp_path / "page.md"))
    assert status == 0
    assert out.splitlines()[-1] == str(tmp_path / "page.md")
    text = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert "`mixed_styles` does not have it" in text
    assert text.count("| not run |") > 40
    assert "](page.png)" in text
    assert (tmp_path / "page.png").stat().st_size > 10_000


def test_command_without_records_is_one_line(command: Command, tmp_path: Path) -> None:
    status, _, err = command("paper", str(tmp_path / "nothing"))
    assert (status, err.count("\n")) == (2, 1)
    assert "no such folder" in err


def test_an_unreadable_table_is_one_line(command: Command, tmp_path: Path) -> None:
    folder = add(tmp_path, "similarity", [10], pool={"similarity": 0.3})
    pd.DataFrame({"user_id": [1]}).to_csv(folder / "users.csv")
    status, _, err = command("paper", str(tmp_path), "--output", str(tmp_path / "page.md"))
    assert (status, err.count("\n")) == (2, 1)
    assert "is missing" in err
