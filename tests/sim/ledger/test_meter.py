"""Bills by hand: what is measured, scaled to the deployed LLM and priced on the user's phone."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from devices import Llm, Lora, flops, llm, phones
from sim.cloud.check import prepare
from sim.experiment.config import Config
from sim.ledger.meter import Meter
from sim.ledger.target import Target, target_loss
from sim.messages import Connection, Counts, Job, Outcome
from sim.records.tables import USERS, Row
from sim.serving.requests import handlers

CURVE = [(0, 3.0), (5, 2.0), (10, 1.5), (15, 1.6)]
ADAPTER = 11_272_192
"""Bytes of a rank-8 adapter on every linear layer of Llama-3.2-1B in fp16, by hand:
16 layers x 8 x (q 4096 + k 2560 + v 2560 + o 4096 + gate 10240 + up 10240 + down 10240) x 2 bytes."""


def outcome(user: int = 0, work: Counts | None = None, **changes: Any) -> Outcome:
    values: dict[str, Any] = {
        "user_id": user,
        "phone": "oneplus-12",
        "network": Connection("wifi", 80.0, 20.0, 20.0),
        "styles": ["a"],
        "texts": 12,
        "start": {"p1": 1.0},
        "nearest": ["p1", "p2"],
        "curve": CURVE,
        "steps": 15,
        "train_tokens": 1500,
        "evaluated_tokens": 400,
        "evaluated_texts": 16,
        "kept_step": 5,
        "validation_loss": 1.7,
        "wall_s": 0.1,
        "work": work or {},
        **changes,
    }
    return Outcome(**values)


RAN, LORA = llm("smollm2-135m"), Lora(8, "all-linear")


def metering(config: Config, base: Llm | None = RAN, summarizer: Llm | None = None) -> Meter:
    """A meter of runs of one LLM as base, whose mean text has 50 measured tokens."""
    return Meter(config, {"base": base, "summarizer": summarizer}, handlers(), 50.0)


def tables(
    some: Outcome, loss: float = 1.5, overrides: Sequence[str] = (), amount: float = 1.0
) -> Mapping[str, Sequence[Row]]:
    """The rows of an outcome; a measured step counts ten times, a mean text has 50 measured tokens."""
    config = Config.load(None, ["training.steps=40", *overrides])
    meter = metering(config)
    return meter.rows(Job(0, "random", (some.user_id,), amount), [some], {some.user_id: loss}, 10.0)


def row(some: Outcome, **settings: Any) -> Row:
    (only,) = tables(some, **settings)["users"]
    return only


def test_row_has_exactly_the_columns_of_users_csv() -> None:
    assert set(row(outcome())) == {c.name for c in USERS}
    assert [row(outcome(taught=known))["taught"] for known in (True, False, None)] == [True, False, None]


@pytest.mark.parametrize(
    ("loss", "step", "censored"),
    [(3.5, 0, False), (3.0, 0, False), (1.9, 10, False), (1.5, 10, False), (1.4, 40, True)],
)
def test_steps_to_target_is_the_first_evaluation_at_or_under_it_else_the_budget(
    loss: float, step: int, censored: bool
) -> None:
    assert Target.reached(CURVE, loss, 40) == Target(step, censored)
    found = row(outcome(), loss=loss)
    assert (found["steps_to_target"], found["censored"], found["billed_steps"]) == (step, censored, 10.0 * step)


def test_target_is_the_best_loss_of_the_curve_plus_the_tolerance() -> None:
    assert target_loss(CURVE, 0.0) == 1.5
    assert target_loss(CURVE, 0.02) == pytest.approx(1.53)


def test_losses_are_those_of_the_curve() -> None:
    found = row(outcome(), loss=1.53)
    names = (
        "start_loss",
        "target_loss",
        "final_loss",
        "best_loss",
        "validation_loss",
        "kept_loss",
        "kept_step",
        "steps",
    )
    assert [found[name] for name in names] == [3.0, 1.53, 1.6, 1.5, 1.7, 2.0, 5, 15]


def test_finetuning_is_billed_by_scaled_steps_on_the_deployed_llm() -> None:
    found = row(outcome(), loss=2.0)  # step 5, so 50 steps of 98 tokens
    deploy = llm("llama-3.2-1b")
    assert found["finetune_flops"] == pytest.approx(50 * LORA.step_flops(deploy, 98))
    assert found["finetune_flops"] == pytest.approx(50 * 98 * 4 * 1.236e9, rel=0.05)  # 4 N a token
    assert found["finetune_s"] > 0 < found["finetune_j"]
    later = row(outcome(), loss=1.5)
    assert later["finetune_flops"] == pytest.approx(2 * found["finetune_flops"])
    assert later["finetune_s"] > 1.5 * found["finetune_s"]


def test_measured_tokens_are_billed_where_the_config_states_none() -> None:
    found = row(outcome(), loss=2.0, overrides=["billing.tokens_per_step=0"])  # 1500 tokens in 15 steps
    assert found["finetune_flops"] == pytest.approx(50 * LORA.step_flops(llm("llama-3.2-1b"), 100))


def test_start_at_the_target_costs_no_finetuning() -> None:
    found = row(outcome(), loss=3.0)
    assert [found[f"finetune_{unit}"] for unit in ("flops", "s", "j")] == [0, 0, 0]


def test_downloads_are_pllms_and_the_offer() -> None:
    found = row(outcome(work={"Download": {"": {"pllms": 3, "bytes": 1000}}}))
    assert found["bytes_down"] == 3 * ADAPTER + 1000
    assert found["download_s"] == pytest.approx(0.02 + (3 * ADAPTER + 1000) * 8 / 80e6)
    assert found["download_j"] > 0
    assert found["bytes_up"] == 0
    nothing = row(outcome())
    assert [nothing[name] for name in ("bytes_down", "download_s", "download_j")] == [0, 0, 0]


def test_a_whole_model_is_downloaded_where_the_pool_ships_those() -> None:
    some = outcome(work={"Download": {"": {"pllms": 2}}})
    found = row(some, overrides=["pool.ship=model", "billing.precision=fp16"])
    assert found["bytes_down"] == pytest.approx(2 * 2 * 1.236e9, rel=0.01)


def test_nothing_chosen_nothing_billed_for_choosing() -> None:
    found = row(outcome(start={}))
    assert [found[f"selection_{unit}"] for unit in ("flops", "s", "j")] == [0, 0, 0]
    assert (found["chosen"], found["correct"]) == ("", "")


def test_evaluation_is_billed_in_tokens_of_the_deployed_llm() -> None:
    some = outcome(work={"Evaluate": {"base": {"tokens": 500, "sequences": 10}}})
    found = row(some, overrides=["billing.tokens_per_text=100"])  # a mean text is 50 measured tokens: each counts twice
    assert found["selection_flops"] == pytest.approx(2 * 1.236e9 * 1000, rel=0.05)
    assert found["selection_s"] > 0 < found["selection_j"]
    measured = row(some, overrides=["billing.tokens_per_text=0"])
    assert measured["selection_flops"] == pytest.approx(found["selection_flops"] / 2, rel=0.05)


def test_summarizer_is_billed_as_the_one_that_is_deployed() -> None:
    some = outcome(work={"Embed": {"summarizer": {"tokens": 500, "sequences": 5}}})
    found = row(some, overrides=["billing.tokens_per_text=50"])
    assert found["selection_flops"] == pytest.approx(2 * 6.98e9 * 500, rel=0.03)  # 8.03e9 less embedding and head


def test_what_was_really_run_is_counted_on_the_model_that_ran() -> None:
    found = row(outcome(work={"Embed": {"base": {"tokens": 300, "sequences": 3}}}), overrides=["training.batch=4"])
    ran = llm("smollm2-135m")
    assert found["model_finetune_flops"] == pytest.approx(15 * LORA.step_flops(ran, 100, 25))
    assert found["model_selection_flops"] == pytest.approx(flops.forward(ran, 300, 100, 3))
    assert found["model_evaluate_flops"] == pytest.approx(2 * 0.135e9 * 400, rel=0.05)


@pytest.mark.parametrize(
    ("start", "correct"),
    [({"p1": 1.0}, True), ({"p2": 1.0}, True), ({"p3": 1.0}, False), ({"p1": 0.5, "p3": 0.5}, False)],
)
def test_correct_is_a_truly_closest_pllm_and_nothing_besides(start: dict[str, float], correct: bool) -> None:
    found = row(outcome(start=start))
    assert found["correct"] is correct
    assert found["chosen"] == "+".join(start)
    assert found["oracle"] == "p1"


def test_llm_that_does_not_fit_has_flops_but_no_time_or_energy() -> None:
    small = "xiaomi-redmi-7a"
    assert phones()[small].ram_gb == 2
    found = row(outcome(phone=small), loss=2.0, overrides=["billing.precision=fp16"])
    assert found["fits"] == "does_not_fit"
    assert found["why"].startswith("train needs ")
    assert "GB" in found["why"]
    assert (found["finetune_s"], found["finetune_j"], found["hours_until_done"]) == ("", "", "")
    assert found["finetune_flops"] == pytest.approx(50 * LORA.step_flops(llm("llama-3.2-1b"), 98))
    assert (row(outcome())["fits"], row(outcome())["why"]) == ("yes", "")


def test_whether_it_fits_depends_on_the_runtime_which_is_named() -> None:
    some, runtimes = outcome(phone="samsung-galaxy-a21s"), ("resident", "mebp")
    resident, mebp = (row(some, loss=2.0, overrides=[f"billing.runtime={name}"]) for name in runtimes)
    assert "(runtime resident)" in resident["why"]
    assert mebp["fits"] == "yes"
    assert mebp["memory_gb"] < mebp["app_ram_gb"] < resident["memory_gb"]
    large = row(some, loss=2.0, overrides=["billing.runtime=mebp", "llm.deploy=llama-3.1-8b"])
    assert "(runtime mebp)" in large["why"]


def test_summarizer_too_large_for_memory_is_streamed_and_said_so() -> None:
    some = outcome(phone="google-pixel-8", work={"Embed": {"summarizer": {"tokens": 500, "sequences": 5}}})
    assert row(some)["fits"] == "streamed"
    assert row(some)["selection_s"] > 0
    assert row(outcome(phone="google-pixel-8"))["fits"] == "yes"


def test_choice_that_does_not_fit_has_flops_and_a_reason_but_no_time_or_energy() -> None:
    settings = ["billing.tokens_per_text=50"]
    phone, work = "google-pixel-8", {"Embed": {"summarizer": {"tokens": 10_000_000, "sequences": 100_000}}}
    some = outcome(phone=phone, work=work)  # streamed, with hidden states of 330 GB
    found = row(some, overrides=settings)
    assert found["fits"] == "cannot_choose"
    assert "GB" in found["why"]
    assert (found["selection_s"], found["selection_j"], found["hours_until_done"]) == ("", "", "")
    assert found["selection_flops"] == pytest.approx(2 * 6.98e9 * 10_000_000, rel=0.03)
    assert found["finetune_s"] > 0
    fitting = row(
        outcome(phone=phone, work={"Embed": {"summarizer": {"tokens": 500, "sequences": 5}}}), overrides=settings
    )
    assert found["selection_flops"] == pytest.approx(20_000 * fitting["selection_flops"])


def test_a_user_s_phone_has_the_same_speed_whatever_the_strategy() -> None:
    first, second = row(outcome(), loss=2.0), row(outcome(start={}), loss=2.0)
    assert first["finetune_s"] == second["finetune_s"]
    assert row(outcome(user=1), loss=2.0)["finetune_s"] != first["finetune_s"]


BUSY = {"Evaluate": {"base": {"tokens": 500, "sequences": 10}}, "Download": {"": {"pllms": 3}}}


def busy_hours(found: Row) -> float:
    return float(found["selection_s"] + found["download_s"] + found["finetune_s"]) / 3600


def test_a_phone_that_is_always_available_is_done_after_its_busy_seconds() -> None:
    found = row(outcome(work=BUSY))
    assert found["hours_until_done"] == pytest.approx(busy_hours(found))


def test_hours_of_the_daily_model_hold_waiting_and_are_the_same_for_every_strategy() -> None:
    daily = ["population.availability=daily"]
    found = [row(outcome(user, work=BUSY), overrides=daily) for user in range(40)]
    waited = [r["hours_until_done"] - busy_hours(r) for r in found]
    assert min(waited) >= -1e-9
    assert 6 < sum(waited) / 40 < 40  # three nights in four have a window
    assert len(set(waited)) > 20
    assert row(outcome(7, work=BUSY), overrides=daily) == found[7]
    always = row(outcome(7, work=BUSY))
    assert {k for k in always if always[k] != found[7][k]} == {"hours_until_done"}
    instead = row(outcome(7, work={}), loss=3.0, overrides=daily)
    assert instead["hours_until_done"] == 0  # nothing to do


def test_hours_by_a_trace_file(tmp_path: Path) -> None:
    trace = tmp_path / "trace.json"
    night = {"active": [0], "inactive": [1], "finish_time": 1000}  # one second in a thousand
    trace.write_text(json.dumps({"a": night}))
    found = row(outcome(work=BUSY), overrides=[f"population.availability={trace}"])
    assert found["hours_until_done"] == pytest.approx(1000 * busy_hours(found), abs=1000 / 3600)
    never = tmp_path / "never.json"
    never.write_text(json.dumps({"a": {**night, "active": [], "inactive": []}}))
    assert row(outcome(work=BUSY), overrides=[f"population.availability={never}"])["hours_until_done"] == math.inf


def test_own_phone_is_billed_by_its_own_figures(tmp_path: Path) -> None:
    own = tmp_path / "mine.csv"
    own.write_text(
        "phone_id,release_year,tier,cpu_fp32_peak_gflops,ram_gb\nslow,2024,flagship,30,12\noneplus-12,2024,mid,30,12\n"
    )
    mine = [f"population.phone_file={own}"]
    built_in, slow = row(outcome()), row(outcome(phone="slow"), overrides=mine)
    assert (built_in["tier"], slow["phone"], slow["tier"]) == ("flagship", "slow", "flagship")
    assert slow["finetune_s"] > 3 * built_in["finetune_s"]
    replaced = row(outcome(), overrides=mine)
    assert (replaced["phone"], replaced["tier"]) == ("oneplus-12", "mid")
    assert replaced["finetune_s"] > 3 * built_in["finetune_s"]


@pytest.mark.parametrize("part", ["", "config.json"])
def test_any_config_json_can_be_deployed(tmp_path: Path, part: str) -> None:
    shape = {
        "model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
        "intermediate_size": 128, "vocab_size": 1000,
    }  # fmt: skip
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_text(json.dumps(shape))
    config = Config.load(None, [f"llm.deploy={Path('mine', part)}"]).anchored(tmp_path)
    prepare(config)
    found = row(outcome(), loss=2.0, overrides=[f"llm.deploy={config.llm.deploy}"])
    mine = llm(tmp_path / "mine")
    assert mine.layer_parameters == 4 * 64 * 64 + 3 * 64 * 128
    assert found["finetune_flops"] == pytest.approx(50 * LORA.step_flops(mine, 98))
    assert found["fits"] == "yes"


def test_rows_go_to_their_tables() -> None:
    said = {"explanation": {"rude": 0.7, "cold": 0.5}, "coordinates": {"rude": 0.7}}
    some = outcome(scores={"p1": float("nan"), "p2": 0.1, "p3": 0.2}, **said)  # p1 diverged
    full = tables(some)
    assert [(r["pllm"], r["rank"]) for r in full["choices"]] == [("p2", 1), ("p3", 2), ("p1", 3)]
    who = {"owner_kind": "user", "owner": "0", "strategy": "random"}
    assert full["words"] == [
        who | {"word": "rude", "strength": 0.7, "coordinate": 0.7},
        who | {"word": "cold", "strength": 0.5, "coordinate": None},
    ]
    assert [(r["step"], r["loss"]) for r in full["curves"]] == CURVE
    part = tables(some, amount=0.5)
    assert "users" not in part
    assert [r["amount"] for r in part["ladder"]] == [0.5]
    assert {r["amount"] for r in part["curves"]} == {0.5}
    assert part["choices"] == part["words"] == []


def test_an_instruction_has_as_many_tokens_on_any_llm() -> None:
    """Text is 98 tokens for 50 measured, what all prompts share stays as it is."""
    plain = row(outcome(work={"Embed": {"summarizer": {"tokens": 1000, "sequences": 10}}}))
    partly = row(outcome(work={"Embed": {"summarizer": {"tokens": 1500, "fixed": 500, "sequences": 10}}}))
    as_text = row(outcome(work={"Embed": {"summarizer": {"tokens": 1500, "sequences": 10}}}))
    judge = llm("llama-3.1-8b")
    for some, tokens in ((plain, 1960.0), (partly, 2460.0), (as_text, 2940.0)):
        assert some["selection_flops"] == pytest.approx(flops.forward(judge, tokens, tokens / 10, 0))


def test_answers_at_once_are_billed_as_batches() -> None:
    work = {"Generate": {"base": {"tokens": 200, "sequences": 10, "written": 400}}}
    alone, together = (
        row(outcome(work=work), overrides=[f"billing.answers_at_once={n}"])["selection_s"] for n in (1, 8)
    )
    assert together < 0.4 * alone


def test_users_priced_together_are_priced_as_each_alone() -> None:
    works = [
        {},
        {
            "Embed": {"summarizer": {"tokens": 500, "sequences": 5}},
            "Generate": {"base": {"tokens": 300, "sequences": 3, "written": 40}},
        },
        {
            "Evaluate": {"base": {"tokens": 500, "sequences": 10, "logits": 90}},
            "Download": {"": {"pllms": 3}},
        },
        {"Train": {"base": {"steps": 15, "batches": 15, "trained": 900, "tokens": 10, "sequences": 1}}},
        {"Embed": {"summarizer": {"tokens": 90_000_000, "sequences": 9}}},
    ]
    phones = ["oneplus-12", "google-pixel-8", "xiaomi-redmi-7a", "apple-iphone-13"]
    starts: list[dict[str, float]] = [{}, {"p1": 1.0}, {"p1": 0.5, "p3": 0.5}]
    some = [
        outcome(i, works[i % 5], phone=phones[i % 4], start=starts[i % 3], steps=15 + i, train_tokens=1500 + 7 * i)
        for i in range(60)
    ]
    losses = {o.user_id: 1.4 + 0.05 * o.user_id for o in some}
    for overrides in ([], ["billing.precision=fp16", "billing.tokens_per_step=0", "population.availability=daily"]):
        meter = metering(Config.load(None, ["training.steps=40", *overrides]), summarizer=RAN)
        job = Job(0, "random", tuple(range(60)))
        alone = [meter.rows(job, [o], losses, 10.0)["users"][0] for o in some]
        assert meter.rows(job, some, losses, 10.0)["users"] == alone
        assert {r["fits"] for r in alone} >= {"yes", "streamed", "does_not_fit", "cannot_choose"}


def test_a_neighbour_who_is_refused_does_not_hide_what_checkpointing_computes() -> None:
    """oneplus-6 fits by gradient checkpointing only, xiaomi-redmi-7a does not fit."""
    meter = metering(Config.load(None, ["billing.precision=fp16"]))
    some = [outcome(0, phone="oneplus-6"), outcome(1, phone="xiaomi-redmi-7a")]
    step = LORA.step_flops(llm("llama-3.2-1b"), 98)
    fitting, refused = meter.rows(Job(0, "random", (0, 1)), some, {0: 1.5, 1: 1.5}, 10.0)["users"]
    assert fitting["fits"] == "yes"
    assert fitting["finetune_flops"] > 1.3 * 100 * step
    assert refused["fits"] == "does_not_fit"
    assert refused["finetune_flops"] == pytest.approx(100 * step)


def test_of_an_llm_of_unknown_sizes_nothing_is_counted_and_everything_is_billed() -> None:
    columns = ["model_selection_flops", "model_finetune_flops", "model_evaluate_flops"]
    judged = outcome(work={"Embed": {"summarizer": {"tokens": 500, "sequences": 5}}})
    job, config = Job(0, "random", (0,)), Config.load(None, [])
    (no_model,), (no_judge,), (both,) = (
        metering(config, *llms).rows(job, [judged], {0: 1.5}, 10.0)["users"]
        for llms in ((None, RAN), (RAN, None), (RAN, RAN))
    )
    assert [no_model[c] for c in columns] == ["", "", ""]
    assert [no_judge[c] for c in columns] == ["", *(both[c] for c in columns[1:])]
    assert no_model["selection_flops"] == no_judge["selection_flops"] == both["selection_flops"] > 0
