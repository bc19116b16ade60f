"""What a report's reader explores: the numbers that its script counts with, and the page that carries them."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from sim.analysis.everyone import Everyone
from sim.analysis.look.charts import charts
from sim.analysis.look.crowd import COUNTED, MOST_STYLES, SAVED, Crowd
from sim.analysis.look.explorer import MOST_ROWS, explorer
from sim.analysis.look.figures import looks
from sim.analysis.run.groups import savings
from sim.analysis.run.report import report
from sim.analysis.summary import by_key, summarise
from sim.analysis.tables import load_run
from sim.cli import app


@pytest.fixture
def crowd(run_folder: Path) -> Crowd:
    run = load_run(run_folder)
    return Crowd("demo", Everyone((run,)), summarise(run))


def test_sums_over_all_cells_give_the_means_of_the_summary(crowd: Crowd) -> None:
    counted, found = crowd.counted(), by_key(crowd.summary)
    for name in COUNTED:
        total, users = (np.array(counted[part][name]).sum(axis=0) for part in ("sums", "counts"))  # type: ignore[index]
        for place, strategy in enumerate(crowd.everyone.strategies):
            row = found.get((strategy, name))
            assert users[place] == (row["users"] if row else 0), (strategy, name)
            if row:
                assert total[place] / users[place] == pytest.approx(row["mean"], rel=1e-12, abs=1e-15)
                assert counted["intervals"]["all"][name][place] == pytest.approx([row["low"], row["high"]])  # type: ignore[index]


@pytest.mark.parametrize("by", ["tier", "style"])
def test_the_interval_of_a_group_is_the_one_that_is_drawn_elsewhere(crowd: Crowd, by: str) -> None:
    table = savings(crowd.everyone.runs[0], by).set_index([by, "strategy", "metric"])
    names, intervals = (crowd.counted()[part] for part in (f"{by}s", "intervals"))
    assert len(names) == len(intervals[by])  # type: ignore[arg-type, index]
    for name, ends in zip(names, intervals[by], strict=True):  # type: ignore[call-overload, index]
        for metric in SAVED:
            for strategy, pair in zip(crowd.everyone.strategies, ends[metric], strict=True):
                row = table.loc[(name, strategy, metric)] if (name, strategy, metric) in table.index else None
                if row is None or np.isnan(row["low"]):
                    assert pair == [None, None]
                else:
                    assert pair == pytest.approx([row["low"], row["high"]], rel=1e-5, abs=1e-9)


def test_a_distribution_has_every_user_once(crowd: Crowd) -> None:
    for name in SAVED:
        bins = np.array(crowd.counted()["bins"][name]).reshape(-1, 4)  # type: ignore[index]
        for place in range(len(crowd.everyone.strategies)):
            assert bins[bins[:, 1] == place][:, 3].sum() == crowd.metrics[name].iloc[:, place].notna().sum()
        assert bins[:, 2].min() >= -1
        assert bins[:, 2].max() < 40


def test_many_styles_and_many_users_are_cut_down(new_run: Callable[..., Path], row: Callable[..., dict]) -> None:
    users = MOST_STYLES + 20
    rows = [row(u, s, style=f"style {u}") for u in range(users) for s in ("scratch", "xpert")]
    run = load_run(new_run(users=rows))
    crowd = Crowd("many", Everyone((run,)), summarise(run))
    names, codes = crowd.styles
    assert len(names) == MOST_STYLES
    assert names[-1] == f"all other styles ({users - MOST_STYLES + 1})"
    assert (codes == MOST_STYLES - 1).sum() == users - MOST_STYLES + 1
    listed = crowd.listed(30)
    assert listed["every"] == 4
    assert listed["user"] == list(range(0, users, 4))
    assert 2 * len(listed["user"]) <= 30  # type: ignore[arg-type]
    assert crowd.listed(MOST_ROWS)["every"] == 1


def test_the_page_carries_its_data_and_runs_its_own_scripts_alone(run_folder: Path) -> None:
    html = report(run_folder).read_text(encoding="utf-8")
    (text,) = re.findall('<script type="application/json" id="explorer-data">(.*?)</script>', html, re.DOTALL)
    data = json.loads(text)
    assert "<" not in text
    assert data["strategies"] == ["scratch", "random", "oracle", "xpert"]
    assert data["crowds"][0]["users"] == 40
    scripts = re.findall("<script>(.*?)</script>", html, re.DOTALL)
    assert len(scripts) == 3
    digests = " ".join(f"'sha256-{b64encode(sha256(s.encode()).digest()).decode()}'" for s in scripts)
    assert f'script-src {digests}"' in html
    assert "unsafe-eval" not in html.partition("<title>")[0]
    for control in ('name="tier"', 'name="style"', 'class="strategies"', 'class="counted"', 'class="save"'):
        assert control in html
    assert all(f'id="chart-{name}"' in html for name in ("savings", "spread", "tiers", "styles", "curves"))


def test_every_chart_is_one_that_vega_lite_reads() -> None:
    vl_convert = pytest.importorskip("vl_convert")
    for name, chart in charts(looks(["scratch", "oracle", "_$x"])).items():
        assert vl_convert.vegalite_to_vega(chart)["marks"], name


def test_nothing_to_compare_is_nothing_to_explore(new_run: Callable[..., Path], row: Callable[..., dict]) -> None:
    run = load_run(new_run(users=[row(0, "xpert")]))
    assert explorer([Crowd("alone", Everyone((run,)), summarise(run))]) == ("", ())


@pytest.mark.parametrize("kind", ["svg", "pdf"])
def test_static_plots_are_written_as_what_is_asked_for(run_folder: Path, kind: str) -> None:
    done = CliRunner().invoke(app, ["report", str(run_folder), "--format", kind])
    assert done.exit_code == 0
    *plots, page = map(Path, done.stdout.split())
    assert page == run_folder / "report.html"
    assert {path.suffix for path in plots} == {f".{kind}"}
    assert {"savings", "learning_curves", "phones"} < {path.stem for path in plots}
    assert all(path.parent == run_folder / "plots" for path in plots)
