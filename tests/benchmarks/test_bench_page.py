"""What the page says follows from the tables."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.benchmarks import bench
from tests.benchmarks.bench import BenchFailed, Results
from tests.benchmarks.page import PAGE, REFERENCE, break_even, draw, gains, load, page, slope
from tests.benchmarks.suite import CONTESTANTS, FULL, QUICK, LaneSweep, Measurement, Race, Suite
from tests.benchmarks.workload import POCKET, Workload

SECONDS = {"flowertune": 20.0, "peft": 9.0, "peft-1-thread": 6.0, "one-lane": 3.0, "headstart": 2.0}


def results(late: float = 1.0) -> Results:
    out = Results()
    for measurement in QUICK.measurements(2):
        spec, found = measurement.spec, {"flop_s": 100e9, "parameters": 600_000, "flops": 20e9, "step_flops": 1e8}
        if measurement.kind == "race":
            losses = [late if measurement.key[1] == "headstart" else 1.0] * spec["workload"]["users"]
            found = {"seconds": SECONDS[measurement.key[1]], "losses": losses}
        elif measurement.kind == "lanes":
            found = {"seconds": {1: 1.0, 4: 0.8, 16: 0.5}[spec["width"]], "user_steps": 20}
        elif measurement.kind == "cost_only":
            found = {"seconds": spec["users"] / 500}
        out.take(measurement, found, 1e9)
    return out


def test_gains_are_over_the_faster_loop() -> None:
    over = gains(results().tables()["race"]).loc[POCKET]
    assert (over.a, over.b, over.c) == pytest.approx((10, 3, 1.5))


def test_race_says_rates_and_shares() -> None:
    race = results().tables()["race"].set_index("contestant")
    users, steps = QUICK.races[0].workload.users, QUICK.races[0].workload.steps
    assert race.users_per_s["headstart"] == users / 2
    assert race.s_per_user_step["headstart"] == 2 / (users * steps)
    assert race.gemm_share["headstart"] == pytest.approx(20e9 / 2 / 100e9)


def test_repeats_are_summed_up_by_their_median() -> None:
    some, work = results(), QUICK.races[0].workload
    for seconds in (5.0, 2.5):
        spec = {"workload": {"users": work.users, "steps": work.steps}}
        some.take(Measurement("race", (POCKET, "headstart"), spec), {"seconds": seconds, "losses": []}, 2e9)
    row = some.tables()["race"].set_index("contestant").loc["headstart"]
    assert (row.seconds, row.fastest_s, row.slowest_s, row.repeats, row.peak_mb) == (2.5, 2.0, 5.0, 3, 2000)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [([1, 0.98, 0.9, 0.5], (4, 8, 2.0)), ([1, 1.1, 0.97, 1.2], (None, 4, 1 / 0.97)), ([1, 2, 3, 4], (None, 1, 1.0))],
)
def test_break_even_is_the_fewest_lanes_that_gain(seconds: list[float], expected: tuple[Any, ...]) -> None:
    lanes = pd.DataFrame({"llm": "x", "lanes": [1, 2, 4, 8], "s_per_user_step": seconds})
    assert break_even(lanes, "x") == pytest.approx(expected)


def test_slope_is_of_the_logarithms() -> None:
    table = pd.DataFrame({"backend": "inline", "users": [100, 1000, 10_000], "seconds": [7.0, 1.0, 100.0]})
    assert slope(table, "inline") == pytest.approx(2)
    assert math.isnan(slope(table[table.users < 10_000], "inline"))


def test_page_and_picture(tmp_path: Path) -> None:
    tables = results().tables()
    text = page(tables, {**bench.describe_machine(), "gemm_flop_s": 1e11, "minutes": 1.0, "llms": results().work})
    assert "(d) over (a): **10.0x**; over the faster (b): **3.0x**" in text
    assert "break-even at 4 lanes, best 16 lanes (2.00x one lane)" in text
    assert "| 1,000 | inline | 2.00 | 500 | 1000 |" in text
    assert draw(tmp_path, tables, {"llms": results().work}).stat().st_size > 10_000


def test_unequal_losses_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "Results", lambda: results(late=1.01))
    nothing = Suite(races=(), lanes=(), cost_only=())
    with pytest.raises(BenchFailed, match=r"headstart on pocket 0\.01"):
        bench.bench(nothing, tmp_path, lambda *_: None)


def test_a_bench_that_was_cut_off_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After five measurements and half a line."""
    work, asked = Workload("x", users=2, steps=3), list[Measurement]()
    suite = Suite(races=(Race(work, 2),), lanes=(LaneSweep(work, least=2, widths=(1, 2)),), cost_only=(100,))

    def measured(measurement: Measurement) -> tuple[dict[str, Any], float]:
        asked.append(measurement)
        if len(asked) == 6:
            raise KeyboardInterrupt
        found = {
            "flop_s": 1e11,
            "user_steps": 6,
            "parameters": 1,
            "flops": 2e9,
            "step_flops": 1e8,
            "losses": [1.0, 2.0],
        }
        return {**found, "seconds": float(len(asked))}, 1e9

    monkeypatch.setattr(bench, "measured", measured)
    with pytest.raises(KeyboardInterrupt):
        bench.bench(suite, tmp_path, lambda *_: None)
    with (tmp_path / "measurements.jsonl").open("a") as file:
        file.write('{"kind": "ra')
    tables = bench.bench(suite, tmp_path, lambda *_: None, resume=True)
    planned = list(suite.measurements(os.cpu_count() or 1))
    assert asked == [*planned[:6], *planned[5:]]
    assert len((tmp_path / "measurements.jsonl").read_text().splitlines()) == len(planned)
    assert set(tables["race"].repeats) == {2}
    with pytest.raises(BenchFailed, match="line 1 is not that of this suite"):
        bench.bench(QUICK, tmp_path, lambda *_: None, resume=True)
    (tmp_path / "machine.json").write_text((tmp_path / "machine.json").read_text().replace('"cores": ', '"cores": 9'))
    with pytest.raises(BenchFailed, match="begun with cores 9"):
        bench.bench(suite, tmp_path, lambda *_: None, resume=True)


@pytest.mark.slow
@pytest.mark.cluster
def test_every_kind_of_measurement(tiny_llm: Path, tmp_path: Path) -> None:
    work = Workload(str(tiny_llm), users=3, steps=4, texts=6, held_out=3, evaluate_every=2)
    suite = Suite(races=(Race(work, 1),), lanes=(LaneSweep(work, least=2, widths=(1, 4)),), cost_only=(4,))
    tables = bench.bench(suite, tmp_path, lambda *_: None)
    assert set(tables["race"].contestant) == set(CONTESTANTS)
    assert (tables["race"].peak_mb > 100).all()
    assert set(tables["lanes"].lanes) == {1, 4}
    assert set(tables["cost_only"].backend) == {"inline", "flower"}


def test_a_measurement_that_fails_says_why() -> None:
    broken = Measurement("race", ("x",), {"case": "peft", "workload": {"llm": "/no/such", "users": 1, "steps": 1}})
    with pytest.raises(BenchFailed, match=r"race \('x',\) failed:(.|\n)*no/such"):
        bench.measured(broken)


def test_every_contestant_does_every_workload_as_often_and_in_turn() -> None:
    planned = [m.key for m in FULL.measurements(2) if m.kind == "race"]
    for race in FULL.races:
        names = [name for llm, name in planned if llm == race.workload.llm]
        assert names == list(CONTESTANTS) * race.repeats
    assert len(planned) == len(CONTESTANTS) * sum(race.repeats for race in FULL.races)


def test_the_page_is_that_of_the_committed_results() -> None:
    assert PAGE.is_file() == (REFERENCE / "race.csv").is_file()
    if PAGE.is_file():
        assert PAGE.read_text(encoding="utf-8") == page(*load()), "run `python -m tests.benchmarks.page`"
