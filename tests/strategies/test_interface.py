"""What a strategy may be, and what it may not do: through a cohort of a tiny run, all in this process."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim.common.errors import RunFailed, UserError
from sim.experiment.config import Config
from sim.experiment.strategies import make_strategy
from sim.messages import Job, Outcome
from sim.records.tables import TABLES, WALL_CLOCK
from sim.worker.cohort import simulate
from sim.worker.failures import UserFailed
from strategies.base import (
    Choice,
    Choosing,
    Cloud,
    Download,
    Embed,
    Evaluate,
    Generate,
    NextWords,
    Offer,
    Phone,
    Start,
    Strategy,
)
from tests.runs import SHORT, provider_of, serve, task_of, workplace_of

TINY = ["pool.size=2", "population.users=2", "ladder.users=1", "ladder.amounts=[0,0.5,1]"]


class Last(Strategy):
    """A plain function: nothing asked, a start returned."""

    def choose(self, phone: Phone, offer: Offer) -> Start:
        return Start({offer.pllms[-1]: 1.0})


class Asks(Strategy):
    """Yields one request of every kind and keeps the replies."""

    replies: tuple[Any, ...] = ()

    def choose(self, phone: Phone, offer: Offer) -> Choosing:
        prompts, first = [t.prompt for t in phone.texts][:2], offer.pllms[0]
        got = (
            (yield Download(first)),
            (yield Evaluate(Start({first: 1.0}), phone.texts)),
            (yield Generate(prompts, max_new_tokens=5)),
            (yield Embed(prompts)),
            (yield NextWords(prompts, 3)),
        )
        type(self).replies = got
        return Choice(Start({first: 1.0}), {p: float(i) for i, p in enumerate(offer.pllms)}, {"rude": 0.5})


class Uneven(Strategy):
    """Some phones ask more often than others."""

    def choose(self, phone: Phone, offer: Offer) -> Choosing:
        losses = {}
        for pllm in offer.pllms[: 1 + len(phone.texts[0].prompt) % 2]:
            losses[pllm] = yield Evaluate(Start({pllm: 1.0}), phone.texts[:2])
        return Start({min(losses, key=losses.__getitem__): 1.0})


class TriesWithoutDownload(Strategy):
    """Uses every pLLM and fetches none."""

    def choose(self, phone: Phone, offer: Offer) -> Choosing:
        for pllm in offer.pllms:
            yield Evaluate(Start({pllm: 1.0}), phone.texts[:1])
            yield Generate([phone.texts[0].prompt], Start({pllm: 1.0}), max_new_tokens=2)
        return Start()


class Merges(Strategy):
    def choose(self, phone: Phone, offer: Offer) -> Start:
        return Start(dict.fromkeys(offer.pllms, 1 / len(offer.pllms)))


class Payload(Strategy):
    def offer(self, cloud: Cloud) -> Offer:
        return Offer(cloud.pool.ids, {"array": np.zeros(100, dtype=np.float32), "loss": 0.0})

    def choose(self, phone: Phone, offer: Offer) -> Start:
        assert offer.payload["array"].dtype == np.float32
        return Start()


class YieldsNonsense(Strategy):
    def choose(self, phone: Phone, offer: Offer) -> Any:
        yield "give me the model"


class ReturnsNonsense(Strategy):
    def choose(self, phone: Phone, offer: Offer) -> Any:
        return offer.pllms[0]


class Peeks(Strategy):
    def choose(self, phone: Phone, offer: Offer) -> Start:
        return Start({phone.nearest[0]: 1.0})


class SaysThatItPeeks(Peeks):
    reads_truth = True


class UnknownPllm(Strategy):
    def choose(self, phone: Phone, offer: Offer) -> Choosing:
        yield Download("nobody")
        return Start()


class NoStrategy:
    pass


def own(kind: type) -> str:
    return f"{__name__}:{kind.__name__}"


@pytest.fixture
def tiny(tiny_llm: Path) -> Callable[..., Config]:
    """Makes tiny configs."""

    def make(*overrides: str) -> Config:
        return Config.load(None, [*SHORT, f"llm.model={tiny_llm}", f"llm.summarizer={tiny_llm}", *TINY, *overrides])

    return make


@pytest.fixture
def cohort(tiny: Callable[..., Config], tmp_path: Path) -> Callable[[type], list[Outcome]]:
    """Simulates two users under a strategy of this file; the reference has been run."""
    provider, pool = provider_of(tiny())
    work = workplace_of(tiny())

    def run(kind: type) -> list[Outcome]:
        job = Job(0, own(kind), (0, 1), targets=(0.0, 0.0))
        return simulate(work, task_of(provider, pool, work, job, tmp_path / kind.__name__))

    return run


Cohort = Callable[[type], list[Outcome]]


def test_choose_may_be_a_plain_function(cohort: Cohort) -> None:
    outcomes = cohort(Last)
    assert [o.user_id for o in outcomes] == [0, 1]
    assert len({tuple(o.start) for o in outcomes}) == 1
    assert outcomes[0].work == {"Download": {"": {"pllms": 1}}}  # the pLLM that it starts from has to be fetched
    assert [step for step, _ in outcomes[0].curve] == [0, 2, 4]


def test_every_request_is_answered_and_booked(cohort: Cohort) -> None:
    first = cohort(Asks)[0]
    nothing, loss, answers, hidden, words = Asks.replies
    assert nothing is None
    assert 0 < loss < 20
    assert len(answers) == 2
    assert all(isinstance(a, str) for a in answers)
    assert hidden.shape == (2, 32)
    assert hidden.dtype == np.float32
    assert 0 < len(words) <= 3
    work = first.work
    assert sum(n.get("requests", 0) for by_llm in work.values() for n in by_llm.values()) == 5
    assert work["Download"][""]["pllms"] == 1  # downloaded once, though started from as well
    assert work["Evaluate"]["base"]["sequences"] == 6
    assert 0 < work["Evaluate"]["base"]["logits"] < work["Evaluate"]["base"]["tokens"]
    assert work["Generate"]["base"]["sequences"] == work["Embed"]["summarizer"]["sequences"] == 2
    assert work["NextWords"]["summarizer"]["sequences"] > 2  # words are completed by further passes
    assert 0 < work["Generate"]["base"]["written"] <= 10
    assert (first.scores[next(iter(first.start))], first.explanation) == (0.0, {"rude": 0.5})


def test_phones_may_ask_unequally_often(cohort: Cohort) -> None:
    for outcome in cohort(Uneven):
        work = outcome.work["Evaluate"]["base"]
        assert 1 <= work["requests"] <= 2
        assert work["sequences"] == 2 * work["requests"]


def test_a_pllm_cannot_be_used_without_being_downloaded(cohort: Cohort) -> None:
    assert [o.work["Download"][""]["pllms"] for o in cohort(TriesWithoutDownload)] == [2, 2]


def test_a_merged_start_downloads_all_that_it_merges(cohort: Cohort) -> None:
    outcome = cohort(Merges)[0]
    assert list(outcome.start.values()) == [0.5, 0.5]
    assert outcome.work["Download"][""]["pllms"] == 2


def test_what_comes_with_the_offer_is_downloaded_by_every_phone(cohort: Cohort) -> None:
    assert [o.work["Download"][""]["bytes"] for o in cohort(Payload)] == [400 + len('{"loss": 0.0}')] * 2


def test_yielding_no_request_is_a_type_error(cohort: Cohort) -> None:
    with pytest.raises(UserFailed, match=r"TypeError.*give me the model.*no request"):
        cohort(YieldsNonsense)


def test_returning_no_start_is_a_type_error(cohort: Cohort) -> None:
    with pytest.raises(UserFailed, match=r"TypeError.*a Start or a Choice is expected"):
        cohort(ReturnsNonsense)


def test_only_who_declares_it_reads_the_truth(cohort: Cohort) -> None:
    with pytest.raises(UserFailed, match=r"PermissionError.*reads_truth"):
        cohort(Peeks)
    for outcome in cohort(SaysThatItPeeks):
        assert list(outcome.start) == [outcome.nearest[0]]


def test_unknown_pllm_is_named(cohort: Cohort) -> None:
    with pytest.raises(UserFailed, match="'nobody', which is no pLLM"):
        cohort(UnknownPllm)


def test_strategies_by_name_import_path_and_as_variant() -> None:
    from strategies.xpert import Xpert

    config = Config.load(None, ["options.far.use=xpert", 'options.far.metric="l2"', "options.xpert.probes=7"])
    far, plain = make_strategy("far", config), make_strategy("xpert", config)
    assert isinstance(far, Xpert)
    assert isinstance(plain, Xpert)
    assert (far.metric, plain.metric, plain.probes) == ("l2", "cosine", 7)
    assert isinstance(make_strategy(own(Last), config), Last)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("xprt", [], "Did you mean 'xpert'"),
        ("nowhere:Class", [], "cannot import 'nowhere:Class'"),
        (f"{__name__}:Missing", [], "Missing"),
        (own(NoStrategy), [], "no subclass"),
        ("xpert", ["options.xpert.metrik=l2"], "options.xpert: .*metrik"),
        ("xpert", ["options.xpert.metric=l3"], "options.xpert: metric = 'l3'"),
    ],
)
def test_bad_strategy_or_setting_is_named(name: str, options: Sequence[str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        make_strategy(name, Config.load(None, options))


def whole(config: Config, folder: Path) -> dict[str, list[dict[str, str]]]:
    """Run inline; the tables less their wall-clock columns and the run that their rows name."""
    folder.mkdir()
    watcher = serve(config, folder)
    assert watcher.done == watcher.jobs > 0
    tables = {}
    for path in sorted(folder.glob("*.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        tables[path.stem] = [{k: v for k, v in row.items() if k not in (*WALL_CLOCK, "run")} for row in rows]
    return tables


def test_a_whole_run_has_every_user_under_every_strategy_and_is_repeatable(
    tiny: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny("strategies=scratch,random,oracle", "population.users=5", "engine.cohort=2")
    first = whole(config, tmp_path / "first")
    rows = first["users"]
    assert sorted((int(r["user_id"]), r["strategy"]) for r in rows) == sorted(
        (user, strategy) for user in range(5) for strategy in config.strategies
    )
    assert {(r["amount"], r["texts"]) for r in first["ladder"]} == {("0.0", "1"), ("0.5", "3")}
    assert len(first["ladder"]) == 2 * len(config.strategies)
    untrained = [r for r in first["ladder"] if r["amount"] == "0.0"]
    assert all(r["steps"] == "0" and r["start_loss"] == r["final_loss"] == r["kept_loss"] for r in untrained)
    assert {r["user_id"] for r in first["ladder"]} == {"0"}
    assert len(first["pool"]) == 2
    assert all(r["correct"] == "true" for r in rows if r["strategy"] == "oracle")
    for table, found in first.items():
        assert all(set(row) <= {c.name for c in TABLES[table]} for row in found)
    by_user: dict[str, set[str]] = {}
    for row in rows:
        by_user.setdefault(row["user_id"], set()).add(row["phone"] + row["target_loss"] + row["style"])
    assert all(len(same) == 1 for same in by_user.values())  # the comparison is paired

    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "empty cache"))  # pool and offers are made anew
    assert whole(config, tmp_path / "again") == first


def test_results_of_a_user_do_not_depend_on_how_many_there_are(tiny: Callable[..., Config], tmp_path: Path) -> None:
    settings = ("strategies=scratch,random", "ladder.users=0", "billing.reference_users=2", "engine.cohort=2")
    few = whole(tiny("population.users=2", *settings), tmp_path / "few")["users"]
    many = whole(tiny("population.users=4", *settings), tmp_path / "many")["users"]
    assert [r for r in many if int(r["user_id"]) < 2] == few


def test_reference_is_not_recorded_where_it_is_not_compared(tiny: Callable[..., Config], tmp_path: Path) -> None:
    tables = whole(tiny("strategies=random", "ladder.users=0"), tmp_path / "run")
    assert {r["strategy"] for r in tables["users"]} == {r["strategy"] for r in tables["curves"]} == {"random"}


def test_an_llm_of_a_family_that_is_not_known_runs(tiny: Callable[..., Config], tiny_llm: Path, tmp_path: Path) -> None:
    """Only the FLOPs that it really spends stay empty."""
    from transformers import AutoTokenizer, Olmo2Config, Olmo2ForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(tiny_llm)
    tokenizer.save_pretrained(tmp_path / "olmo")
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 2}
    Olmo2ForCausalLM(Olmo2Config(vocab_size=len(tokenizer), pad_token_id=0, eos_token_id=0, **sizes)).save_pretrained(
        tmp_path / "olmo"
    )
    config = tiny(f"llm.model={tmp_path / 'olmo'}", "strategies=scratch,random", "ladder.users=0")
    rows = whole(config, tmp_path / "run")["users"]
    assert {r["model_finetune_flops"] for r in rows} == {""}
    assert all(float(r["finetune_flops"]) > 0 for r in rows if r["steps_to_target"] != "0")
    made = json.loads((tmp_path / "run" / "manifest.json").read_text())["llm"]
    assert made["parameters"] == Olmo2ForCausalLM.from_pretrained(tmp_path / "olmo").num_parameters()


def test_an_empty_pool_still_runs(tiny: Callable[..., Config], tmp_path: Path) -> None:
    rows = whole(tiny("strategies=scratch,random,oracle,xpert", "pool.size=0"), tmp_path / "run")["users"]
    assert {(r["chosen"], r["oracle"], r["correct"]) for r in rows} == {("", "", "")}


def test_a_strategy_that_fails_ends_the_run_and_keeps_what_was_done(
    tiny: Callable[..., Config], tmp_path: Path
) -> None:
    config = tiny(f'strategies=["scratch", "{own(YieldsNonsense)}"]', "ladder.users=0")
    with pytest.raises(RunFailed, match=r"user 0,.*YieldsNonsense.*TypeError"):
        whole(config, tmp_path / "run")
    with (tmp_path / "run" / "users.csv").open() as file:
        assert [r["strategy"] for r in csv.DictReader(file)] == ["scratch", "scratch"]
