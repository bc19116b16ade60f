"""A request is one class: how it is answered, booked and priced."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from devices import Cost, Device, Llm
from devices.basics import Numbers
from sim.common.cache import SEAL
from sim.common.errors import UserError
from sim.experiment.config import Config
from sim.ledger.bill import check_phases
from sim.ledger.meter import Meter
from sim.ledger.terms import Terms
from sim.ledger.work import Figures
from sim.messages import Job
from sim.pool.pool import CARD
from sim.serving.account import Account
from sim.serving.answer import answer
from sim.serving.desk import Desk
from sim.serving.requests import Asked, Handler, handlers, register
from sim.serving.requests.reading import shared_tokens
from sim.worker.cohort import simulate
from strategies.base import Download, Embed, Generate, NextWords, Request, Start, Strategy, Text, Train
from tests.runs import provider_of, small_config, task_of, workplace_of


@register
class LongestHandler(Handler["LongestHandler.Longest"]):
    """A request that nobody has thought of: the length of the longest text, read once by the base LLM."""

    @dataclass(frozen=True)
    class Longest(Request[int]):
        texts: Sequence[str]

    request = Longest

    def answer(self, desk: Desk, asked: Sequence[Asked[Longest]]) -> list[int]:
        for one in asked:
            one.account.work.add(self.kind, "base", requests=1, tokens=sum(map(len, one.request.texts)))
        return [max(map(len, one.request.texts)) for one in asked]

    def cost(self, terms: Terms, device: Device, llm: str, n: Figures) -> list[Cost]:
        return [device.prefill(terms.llms[llm], n["tokens"], precision=terms.billing.precision)]

    def flops(self, terms: Terms, name: str, llm: Llm, n: Figures) -> list[Numbers]:
        return [2.0 * llm.parameters * n["tokens"]]


class AsksTheNewThing(Strategy):
    replies: tuple[object, ...] = ()

    def choose(self, phone, offer):  # type: ignore[no-untyped-def]
        reply = yield LongestHandler.Longest([t.prompt for t in phone.texts])
        type(self).replies += (reply,)
        return Start()


def test_a_new_kind_of_request_is_one_class(tiny_llm: Path, tmp_path: Path) -> None:
    """Answered, booked and billed, without a line elsewhere."""
    config = small_config(tiny_llm, tmp_path)
    provider, pool = provider_of(config)
    work, job = workplace_of(config), Job(0, f"{__name__}:AsksTheNewThing", (0, 1), targets=(0.0, 0.0))
    outcomes = simulate(work, task_of(provider, pool, work, job, tmp_path / "offer"))
    assert len(AsksTheNewThing.replies) == 2
    assert all(isinstance(reply, int) and reply > 3 for reply in AsksTheNewThing.replies)
    tokens = [o.work["Longest"]["base"]["tokens"] for o in outcomes]
    llms = {"base": provider.resident.architecture, "summarizer": None}
    meter = Meter(config, llms, handlers(), 30.0)
    rows = meter.rows(job, outcomes, {0: 1.0, 1: 1.0}, 1.0)["users"]
    deployed, ran = meter.terms.llms["base"], provider.resident.architecture
    assert ran is not None
    for row, count in zip(rows, tokens, strict=True):
        assert row["selection_flops"] == pytest.approx(2 * deployed.parameters * count, rel=0.3)
        assert row["model_selection_flops"] == 2.0 * ran.parameters * count


def test_a_name_that_is_taken_is_refused() -> None:
    class Other(Handler[Download]):
        request = Download

        def answer(self, desk: Desk, asked: Sequence[Asked[Download]]) -> list[None]:
            return [None for _ in asked]

    with pytest.raises(ValueError, match="requests called 'Download' are handled by DownloadHandler already"):
        register(Other)


def test_a_phase_without_columns_is_refused() -> None:
    class Tidy(Handler[Download]):
        request = Download
        phase = "tidying"

        def answer(self, desk: Desk, asked: Sequence[Asked[Download]]) -> list[None]:
            return [None for _ in asked]

    with pytest.raises(ValueError, match=r"billed as 'tidying', but users\.csv has no column 'tidying_j'"):
        check_phases({"Tidy": Tidy()})


@pytest.mark.parametrize(
    ("prompts", "shared"),
    [
        ([[1, 2, 7, 9], [1, 2, 8, 5, 9]], 2 * 3),
        ([[1, 2, 3], [4, 5, 6]], 0),
        ([[1, 2], [1, 2], [1, 2]], 3 * 2),
        ([[1, 1], [1, 1, 1]], 2 * 2),
        ([[1, 2, 3]], 0),
        ([], 0),
    ],
)
def test_instruction_is_what_prompts_share_at_their_ends(prompts: list[list[int]], shared: int) -> None:
    assert shared_tokens([np.array(p) for p in prompts]) == shared


def test_next_words_are_booked_as_what_was_read_for_them(
    tiny_llm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pass over the prompt, and one more for every token that completes a word."""
    provider, pool = provider_of(small_config(tiny_llm, tmp_path, f"llm.summarizer={tiny_llm}", "pool.size=0"))
    desk, summarizer = Desk(provider.resident, pool), provider.resident.summarizer
    read: list[int] = []
    hidden = summarizer.hidden
    monkeypatch.setattr(summarizer, "hidden", lambda ids, *a: read.append(ids.numel()) or hidden(ids, *a))
    account = Account()
    (words,) = answer(desk, [Asked(NextWords(["one prompt, so that nothing is padded"], 3), account)])
    assert words
    assert len(read) > 1
    counted = account.work.counts()["NextWords"]["summarizer"]
    assert (counted["sequences"], counted["tokens"]) == (len(read), sum(read))
    pair, alone, prompts = Account(), Account(), ["same one", "same two"]
    answer(desk, [Asked(NextWords(prompts, 3), pair), Asked(Embed(prompts), alone)])
    again, once = pair.work.counts()["NextWords"]["summarizer"], alone.work.counts()["Embed"]["summarizer"]
    assert again["fixed"] / again["sequences"] == once["fixed"] / once["sequences"] > 0


def test_what_is_expected_is_priced_as_what_was_done_will_be(tiny_llm: Path, tmp_path: Path) -> None:
    """A price is an estimate by the same rules: nearly the bill where all is known, and never under it for answers."""
    config = Config.load(None, ["billing.tokens_per_text=98"])
    terms, phone = Terms.of(config, 49.0), Device.of(["oneplus-12"])
    request = Generate(["a prompt"] * 4, max_new_tokens=16)
    handler = handlers()["Generate"]
    expected = handler.expect(request, terms, lambda text: 10.0)["base"]
    assert dict(expected) == {"sequences": 4, "tokens": 40.0, "written": 64}
    arrays = {name: np.array([number], dtype=float) for name, number in expected.items()}
    done = Figures({**arrays, "written": np.array([30.0])})
    price, bill = (sum(c.seconds[0] for c in handler.cost(terms, phone, "base", n)) for n in (Figures(arrays), done))
    assert price > bill > 0
    train = handlers()["Train"].expect(Train(Start(), [Text("a", "b")], 1.5), terms, lambda text: 10.0)["base"]
    assert (train["steps"], train["batches"]) == (1.5, 2)


def test_a_pool_that_has_changed_is_not_the_one_that_was_opened(tiny_llm: Path, tmp_path: Path) -> None:
    """Opened once as long as its files stay as they are; nothing is built where there is none."""
    provider, pool = provider_of(small_config(tiny_llm, tmp_path))
    resident = provider.resident
    assert resident.open_pool(pool.folder) is pool
    copy = shutil.copytree(pool.folder, tmp_path / "pool", ignore=shutil.ignore_patterns(SEAL))
    first = resident.open_pool(copy)
    card = json.loads((copy / first.ids[0] / CARD).read_text())
    (copy / first.ids[0] / CARD).write_text(json.dumps({**card, "texts": 12345}))
    assert resident.open_pool(copy).cards[first.ids[0]].texts == 12345
    with pytest.raises(UserError, match="is no pool"):
        resident.open_pool(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()
