"""Owners of pLLMs publish what their texts say, at their own expense, and nobody else learns the texts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from sim.cloud.pools.offers import make_offer
from sim.common.errors import UserError
from sim.pool.build import written
from sim.pool.offers import load_offer, offer_cost
from strategies.base import Choice, Cloud, Offer, Owner, Phone, Start, States, Strategy, Text, Train
from tests.reach import reachable
from tests.runs import XPERT, Command, provider_of, run, small_config, tiny_config
from tests.sim.worker.test_views import FORBIDDEN, refused

OWNERS = f"""options={{xpert_cards = {{named = 2}}, words = {{use = "lexical", source = "owners"}},
 means = {{use = "retrieval", source = "owners"}}, xpert = {{{XPERT}}}}}""".replace("\n", "")


class Curious(Strategy):
    """Publishes how many texts there are, and keeps what it was handed."""

    seen: list[Owner] = []  # noqa: RUF012

    def publish(self, owner: Owner) -> Mapping[str, object]:
        self.seen.append(owner)
        assert "nobody to fine-tune for" in str(refused(owner, Train(Start(), owner.texts, 1.0)))
        hidden = owner.ask(States([text.answer for text in owner.texts], "base", 0.5))
        return {"mean": hidden.mean(axis=0), "texts": len(owner.texts)}

    def offer(self, cloud: Cloud) -> Offer:
        return Offer(cloud.pool.ids, {"texts": [int(str(cloud.published[p]["texts"])) for p in cloud.pool.ids]})

    def choose(self, phone: Phone, offer: Offer) -> Choice | Start:
        return Start({offer.pllms[0]: 1.0})


def test_owners_publish_what_their_pllm_was_made_of(tiny_llm: Path, tmp_path: Path) -> None:
    Curious.seen.clear()
    config = small_config(tiny_llm, tmp_path, "pool.similarity=0.5")
    provider, pool = provider_of(config)
    make_offer(tmp_path / "offer", Curious(), provider, pool)
    assert load_offer(tmp_path / "offer").payload["texts"] == [8, 8, 8]
    corpus = provider.resident.corpus
    for owner, name in zip(Curious.seen, pool.ids, strict=True):
        style = pool.card(name).style
        texts, _ = written(style, corpus.key(style), config, corpus)
        assert list(owner.texts) == texts
        found = reachable(owner)
        assert {part for part in found if isinstance(part, Text)} == set(texts)
        assert [part for part in found if isinstance(part, FORBIDDEN)] == []
        error = refused(owner, States(["a"]))
        assert "while it publishes, and not afterwards" in str(error)
        assert [part for part in reachable(error) if isinstance(part, FORBIDDEN)] == []
    cost = offer_cost(tmp_path / "offer")
    work = cost.owners["States"]["base"]
    assert cost.cloud == {}
    assert (work["requests"], work["sequences"]) == (3, 24)
    assert work["deep_tokens"] == work["tokens"] / 2
    width = provider.resident.lm.config.hidden_size
    assert cost.owners_bytes == 3 * (width * 4 + len('{"texts": 8}'))


class Smuggler(Curious):
    """Publishes what has no size."""

    def publish(self, owner: Owner) -> Mapping[str, object]:
        return {"texts": np.array([owner.texts], dtype=object)}


def test_what_has_no_size_is_not_published(tiny_llm: Path, tmp_path: Path) -> None:
    provider, pool = provider_of(small_config(tiny_llm, tmp_path))
    with pytest.raises(TypeError, match="texts is an array of objects"):
        make_offer(tmp_path / "offer", Smuggler(), provider, pool)


def test_their_work_is_in_the_clouds_table_and_on_nobody_s_bill(tiny_llm: Path, tmp_path: Path) -> None:
    config = tiny_config(tiny_llm, tmp_path, 'strategies=["scratch","xpert_cards","words","means","xpert"]', OWNERS)
    tables = run(config)
    cloud, users = tables["cloud"], tables["users"]
    flops = users.pivot(index="user_id", columns="strategy", values="selection_flops")
    by = {name: set(rows["by"]) for name, rows in cloud.groupby("strategy")}
    assert by == {"xpert_cards": {"owners"}, "words": {"owners"}, "means": {"owners"}, "xpert": {"cloud"}}
    published = cloud[cloud["work"] == "publish"].set_index("strategy")
    assert (published["bytes_up"].astype(float) > 0).all()
    assert set(published.index) == {"xpert_cards", "words", "means"}
    assert (flops["xpert_cards"] > 0).all()
    assert (flops["xpert_cards"] < flops["xpert"]).all()
    assert (flops["words"] == 0).all()
    assert set(tables["words"]["strategy"]) == {"xpert_cards", "xpert"}
    assert np.isfinite(tables["choices"]["score"].astype(float)).all()


def test_owners_of_a_given_pool_are_not_known(tiny_llm: Path, tmp_path: Path, command: Command) -> None:
    _, pool = provider_of(tiny_config(tiny_llm, tmp_path))
    words = [f"pool.path={pool.folder}", f"llm.model={tiny_llm}", "population.users=2", f"output={tmp_path}"]
    status, _, err = command("run", 'strategies=["scratch","xpert_cards"]', "engine.backend=inline", *words)
    assert status != 0
    (line,) = [line for line in err.splitlines() if "XpertCards" in line]
    assert "what they wrote is not known of the pool that pool.path names" in line


def test_a_config_with_a_wrong_source_is_one_line(tiny_llm: Path, tmp_path: Path) -> None:
    config = tiny_config(tiny_llm, tmp_path, 'strategies=["a"]', 'options.a={use = "lexical", source = "all"}')
    with pytest.raises(UserError, match="source = 'all'"):
        provider_of(config)
