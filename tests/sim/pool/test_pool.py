"""Pools are lists of pLLMs that are made once, each the same whatever was built before it, and by whom."""

from __future__ import annotations

import datetime
import json
import math
import multiprocessing
import shutil
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
from typer.testing import CliRunner

from sim.cli import app
from sim.cloud.check import prepare
from sim.cloud.pools.building import hand_on, make_pool
from sim.cloud.pools.offers import make_offers, pool_digest
from sim.cloud.provider import Provider
from sim.common.cache import SEAL, folder_digest
from sim.common.errors import RunFailed, UserError
from sim.corpus.persona import PersonaCorpus
from sim.corpus.rows import RowCorpus
from sim.experiment.config import Config
from sim.experiment.strategies import make_strategy
from sim.llm.adapters.files import CONFIG, WEIGHTS
from sim.pocket import DATA, pocket_digest
from sim.pool.offers import offer_folder
from sim.pool.plan import GROUP, SHIPPED, Group, plan_pool
from sim.pool.pool import Card, Pool, own_texts
from sim.records.folder import make_folder
from sim.transport.nodes import Arrival
from strategies.base import Strategy
from tests.runs import Inline, Silent, provider_of, serve, small_config

QUICKSTART = Path(__file__).resolve().parents[3] / "configs" / "quickstart.toml"
STYLES = [
    "expert-concise-poetic",
    "elementary-concise-sassy",
    "expert-informative-neutral",
    "elementary-concise-poetic",
]
STYLES += ["expert-concise-neutral", "expert-concise-sassy"]


class Counting(Inline):
    """Nodes that keep the orders they got."""

    def __init__(self) -> None:
        super().__init__()
        self.groups: list[Sequence[str]] = []

    def send(self, node: int, order: dict, ttl_s: float) -> str:  # type: ignore[type-arg]
        self.groups.append(list(order["group"]["styles"]))
        return super().send(node, order, ttl_s)


class Elsewhere(Inline):
    """A node with a cache of its own, as on another machine."""

    def __init__(self, cache: Path) -> None:
        super().__init__()
        self.cache = cache

    def receive(self, tickets: Sequence[str]) -> Iterable[Arrival]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("HEADSTART_CACHE", str(self.cache))
            return list(super().receive(tickets))


def provider(config: Config) -> Provider:
    return Provider(prepare(config))


@pytest.fixture
def make(tiny_llm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Build a pool in a cache: its folder, and the groups that had to be built."""

    def of(cache: str, size: int, *overrides: str) -> tuple[Path, list[Sequence[str]]]:
        monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / cache))
        styles = f"corpus.styles={STYLES}"
        config = small_config(tiny_llm, tmp_path, styles, f"pool.size={size}", *overrides)
        nodes = Counting()
        return make_pool(provider(config), nodes, lambda *_: None, math.inf).folder, nodes.groups

    return of


def changed(pool: Path) -> None:
    """Other weights, by somebody who says so: without the digest of what was there."""
    weights = next(pool.rglob(WEIGHTS))
    weights.write_bytes(weights.read_bytes()[:-4] + bytes(4))
    (pool / SEAL).unlink()


def weights(pool: Path) -> dict[str, bytes]:
    return {path.parent.name: path.read_bytes() for path in sorted(pool.glob(f"*/{WEIGHTS}"))}


def test_pools_of_any_size_share_their_pllms(make) -> None:  # type: ignore[no-untyped-def]
    _, built = make("one", 8)
    assert sorted(built) == sorted([STYLES[:GROUP], STYLES[GROUP:], STYLES[:GROUP]])  # large ones first
    for size in (1, 5, 6):
        folder, built = make("one", size)
        assert (built, len(weights(folder))) == ([], size)
    assert make("one", 11)[1] == [STYLES[GROUP:]]


def test_a_pllm_is_the_same_whatever_was_built_before(make) -> None:  # type: ignore[no-untyped-def]
    large = weights(make("one", 8)[0])
    assert len(set(large.values())) == 8
    small = [weights(make("other", size)[0]) for size in (1, 6)]
    again = weights(make("other", 8)[0])
    assert again == large
    assert all(large[name] == bytes_ for pool in small for name, bytes_ in pool.items())


def test_pllms_follow_all_that_makes_them(make) -> None:  # type: ignore[no-untyped-def]
    plain = weights(make("one", 2)[0])
    for change in (
        "pool.similarity=0.5",
        "pool.seed=1",
        "pool.steps=3",
        "training.rank=4",
        f"corpus.styles={STYLES[:2]}",
    ):
        folder, built = make("one", 2, change)
        assert len(built) == 1, change
        if "styles" not in change:  # other neighbours in the batch may or may not show in 16 bits
            assert all(weights(folder)[name] != plain[name] for name in plain), change
    assert make("one", 2, "pool.ship=model", "seed=3", "training.steps=9")[1] == []


def test_pllms_built_on_another_machine_come_back_by_the_store(
    make,  # type: ignore[no-untyped-def]
    tiny_llm: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = make("one", 5)[0]
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "driver"))
    config = small_config(
        tiny_llm, tmp_path, f"corpus.styles={STYLES}", "pool.size=5", f"engine.store={tmp_path / 'store'}"
    )
    folder = make_pool(provider(config), Elsewhere(tmp_path / "worker"), lambda *_: None, math.inf).folder
    files = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert files == {path.relative_to(here): path.read_bytes() for path in here.rglob("*") if path.is_file()}
    assert folder.parent == tmp_path / "driver" / "pools"
    assert len(list((tmp_path / "worker" / "pllms").iterdir())) == 2


def test_a_pllm_is_its_best_step_on_texts_that_its_owner_set_aside(make) -> None:  # type: ignore[no-untyped-def]
    """Patience is out long before the budget: steps this large soon make the tiny LLM worse."""
    folder, _ = make("one", 2, "pool.steps=120", "pool.evaluate_every=3", "pool.patience=2", "pool.lr=0.5")
    cards = [Card(**json.loads(path.read_text())) for path in folder.glob("*/card.json")]
    assert {card.trained - card.steps for card in cards} == {6}
    assert all(card.steps % 3 == 0 and card.validation_loss is not None for card in cards)
    patient, _ = make("one", 2, "pool.steps=12", "pool.evaluate_every=3", "pool.patience=0", "pool.lr=0.5")
    cards = [Card(**json.loads(path.read_text())) for path in patient.glob("*/card.json")]
    assert all(card.trained == 12 >= card.steps for card in cards)


def test_an_owner_of_a_single_text_sets_none_aside(make) -> None:  # type: ignore[no-untyped-def]
    folder, _ = make("one", 1, "pool.texts=1", "pool.similarity=1")
    card = Card(**json.loads(next(folder.glob("*/card.json")).read_text()))
    assert (card.steps, card.trained, card.validation_loss) == (2, 2, None)


@pytest.mark.parametrize(("regime", "texts"), [("peers", 48), ("rich", 384)])
def test_a_regime_says_how_much_owners_have_written_by_what_users_have(regime: str, texts: int) -> None:
    corpus = PersonaCorpus()
    by_name, by_number = (Config.load(None, [f"pool.texts={value}"]) for value in (regime, texts))
    assert by_name.owner_texts == texts
    assert own_texts(by_name) == round(0.8 * texts)
    assert plan_pool(by_name, corpus, "") == plan_pool(by_number, corpus, "")
    assert Config.load(None, [f"pool.texts={regime}", "population.texts=10"]).owner_texts == texts * 10 / 48


def test_second_pllms_of_a_style_have_texts_of_their_own(make) -> None:  # type: ignore[no-untyped-def]
    folder, _ = make("one", 7)
    names = [path.name for path in folder.iterdir() if path.is_dir()]
    assert sorted(names) == sorted([*STYLES, f"{STYLES[0]}.2"])
    found = weights(folder)
    assert found[STYLES[0]] != found[f"{STYLES[0]}.2"]


def test_pool_is_in_the_order_of_the_styles(make, tiny_llm: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    folder, _ = make("one", 7)
    config = small_config(tiny_llm, tmp_path, f"corpus.styles={STYLES}")
    pool = Pool(folder, prepare(config).corpus)
    assert pool.ids == (*STYLES, f"{STYLES[0]}.2")
    assert [card.style for card in pool.cards.values()] == [*STYLES, STYLES[0]]


def test_progress_counts_pllms(tiny_llm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path))
    said: list[tuple[str, int, int]] = []
    config = small_config(tiny_llm, tmp_path, f"corpus.styles={STYLES}", "pool.size=5")
    make_pool(provider(config), Inline(), lambda *at: said.append(at), math.inf)
    assert said == [("pool", 0, 6), ("pool", 4, 6), ("pool", 6, 6)]


def test_a_group_that_cannot_be_built_is_named(tiny_llm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "new"))
    monkeypatch.setattr("sim.pool.build.Card", lambda *_, **__: 1 / 0)
    config = small_config(tiny_llm, tmp_path, f"corpus.styles={STYLES}", "pool.size=5")
    with pytest.raises(RunFailed, match=f"pLLMs {STYLES[0]} to {STYLES[3]}: ZeroDivisionError"):
        make_pool(provider(config), Inline(), Silent().building, math.inf)
    assert list((tmp_path / "new" / "pllms").iterdir()) == []


def test_a_pllm_that_diverges_is_none(tiny_llm: Path, tmp_path: Path) -> None:
    """Nothing is kept of it: a later run would find a pool that is no better than noise."""
    config = small_config(tiny_llm, tmp_path, "pool.lr=1e30", "pool.seed=77")
    own = provider(config)
    with pytest.raises(UserError, match=r"pLLM '.*' diverged \(its loss is nan\); lower pool\.lr = 1e\+30"):
        make_pool(own, Inline(), lambda *_: None, time.monotonic() + 600)
    assert own.pool_plan.missing() == list(own.pool_plan.groups)


def test_a_pool_of_another_llm_is_said(tiny_llm: Path, tmp_path: Path) -> None:
    """Not refused: the same LLM may go by another name."""
    _, pool = provider_of(small_config(tiny_llm, tmp_path))
    assert pool.remarks(str(tiny_llm)) == pool.remarks(f"/elsewhere/{tiny_llm.name.upper()}/") == ()
    folder = Path(shutil.copytree(pool.folder, tmp_path / "pool", ignore=shutil.ignore_patterns(SEAL)))
    for path in folder.glob(f"*/{CONFIG}"):
        path.write_text(json.dumps({**json.loads(path.read_text()), "base_model_name_or_path": "org/other"}))
    given = small_config(tiny_llm, tmp_path, f"pool.path={folder}", "strategies=scratch", "ladder.users=0")
    serve(given, run := make_folder(given, "run"))
    said = f"pool: 3 of 3 pLLMs say that they were made for 'org/other', not for llm.model = '{tiny_llm}'."
    assert json.loads((run / "manifest.json").read_text())["remarks"] == [said]


def test_pool_build_makes_the_pool_of_a_run(tiny_llm: Path, tmp_path: Path) -> None:
    settings = [f"llm.model={tiny_llm}", "pool.size=3", "pool.texts=6", "pool.steps=1", "engine.backend=inline"]
    for command in ("build", "list"):
        result = CliRunner().invoke(app, ["pool", command, *settings])
        assert result.exit_code == 0, result.output
    built = CliRunner().invoke(app, ["pool", "build", *settings])
    folder = Path(built.output.splitlines()[-1])
    assert folder == provider_of(Config.load(QUICKSTART, settings))[1].folder


def test_a_pool_that_is_handed_on_needs_nothing_made(
    tiny_llm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = small_config(tiny_llm, tmp_path, "strategies=scratch,xpert", f"corpus.styles={STYLES}")
    copy = hand_on(*provider_of(config), tmp_path / "to")
    assert len(list((copy / "offers").iterdir())) == 2
    assert hand_on(*provider_of(config), tmp_path / "to") == copy
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "empty"))
    said: list[str] = []
    given = config.model_copy(update={"pool": config.pool.model_copy(update={"path": str(copy)})})
    make_offers(*provider_of(given), config.strategies, lambda what, *_: said.append(what))
    monkeypatch.setattr("sim.pool.plan.SHIPPED", tmp_path / "to")
    shipped = provider(config)
    assert shipped.pool_plan.missing() == []
    pool = shipped.resident.open_pool(shipped.pool_plan.assemble())
    assert pool.folder == copy
    make_offers(shipped, pool, config.strategies, lambda what, *_: said.append(what))
    assert said == []
    assert not (tmp_path / "empty").exists()


def test_a_pool_is_not_handed_on_into_another_of_its_name(tiny_llm: Path, tmp_path: Path) -> None:
    """Its offers would stay there, and pass for this pool's."""
    made = provider_of(small_config(tiny_llm, tmp_path, "pool.size=1"))[1].folder
    pools = [shutil.copytree(made, tmp_path / place / "pool") for place in ("a", "b")]
    changed(pools[1])
    one, other = (
        provider_of(small_config(tiny_llm, tmp_path, "strategies=scratch", f"pool.path={pool}")) for pool in pools
    )
    assert hand_on(*one, tmp_path / "to") == hand_on(*one, tmp_path / "to")
    with pytest.raises(UserError, match=r"^--to: .*pool' holds another pool"):
        hand_on(*other, tmp_path / "to")


def test_pool_and_cohorts_have_one_deadline(tiny_llm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every order says how long it may wait: what is left of the run's time, not of a time of its own."""

    class Slow(Inline):
        left: ClassVar[list[float]] = []

        def send(self, node: int, order: dict, ttl_s: float) -> str:  # type: ignore[type-arg]
            self.left.append(ttl_s)
            if "group" in order:
                gone[0] += 500
            return super().send(node, order, ttl_s)

    gone, clock = [0.0], time.monotonic
    monkeypatch.setattr(
        "sim.transport.dispatch.time", SimpleNamespace(monotonic=lambda: clock() + gone[0], sleep=time.sleep)
    )
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))
    config = small_config(tiny_llm, tmp_path, "engine.deadline_s=1000", "strategies=scratch", "pool.size=3")
    serve(config, make_folder(config, "run"), Slow())
    assert 900 < Slow.left[0] <= 1000
    assert max(Slow.left[1:]) < 500


def pool_of(*styles: str) -> Pool:
    pool = Pool.__new__(Pool)
    pool.cards = {f"p{i}": Card(f"p{i}", style, 0.8, 1, 1, 1, None, 1.0) for i, style in enumerate(styles)}
    return pool


def test_pllms_between_two_styles_are_as_close_as_those_of_the_styles() -> None:
    between = ["expert-concise-unfriendly", "expert-informative-sarcastic"]
    own = ["expert-informative-unfriendly", "expert-concise-sarcastic"]
    other = ["elementary-concise-sarcastic"]
    assert pool_of(*other, *between, *own).nearest(PersonaCorpus(), own) == ["p1", "p2", "p3", "p4"]


def test_styles_of_files_are_the_same_or_not_comparable() -> None:
    rows = [(style, f"{style} {i}", "a", False) for style in "0123" for i in range(9)]
    corpus = RowCorpus(rows, "0", "here")
    pool = pool_of("1", "2", "2")
    assert pool.nearest(corpus, ["2"]) == ["p1", "p2"]
    assert pool.nearest(corpus, ["3"]) == []
    assert pool.nearest(corpus, ["1", "3"]) == ["p0"]


def test_offers_about_a_given_pool_are_those_of_its_content(tiny_llm: Path, tmp_path: Path) -> None:
    """Two folders of one name, of which the second has other weights."""
    made = provider_of(small_config(tiny_llm, tmp_path, "pool.size=1"))[1].folder
    digests = []
    for place in ("a", "b"):
        folder = tmp_path / place / "pool"
        shutil.copytree(made, folder)
        if place == "b":
            changed(folder)
        configs = [small_config(tiny_llm, tmp_path, f"pool.path={folder}", f"pool.seed={seed}") for seed in (1, 0)]
        digests += [pool_digest(*provider_of(config)) for config in configs]
        (folder / "offers" / "x").mkdir(parents=True)
        (folder / "offers" / "x" / "offer.json").write_text("{}")
        again = pool_digest(*provider_of(small_config(tiny_llm, tmp_path, f"pool.path={folder}")))
        assert again == digests[-1]  # what lies beside the pLLMs is not the pool
    assert len(set(digests)) == 4


def test_ids_are_safe_and_distinct_folder_names() -> None:
    long = ("x" * 300, "x" * 299 + "y", "ü" * 150, "/" * 100)
    styles = ("1", "1.2", "offers", "pool.json", *long, "/r/askreddit", "..", "a b", "expert-concise-poetic", "über")
    first, second = (Group(0, styles, round_, "x", "m").names for round_ in (0, 1))
    assert first[0] == "1"
    assert second[0] == "1.2"
    assert first[-3:] == list(styles[-3:])
    assert max(len(name.encode()) for name in [*first, *second]) < 255
    assert len({*first, *second}) == 2 * len(styles)
    assert {"offers", "pool.json"}.isdisjoint(first)
    assert all(Path("/pool", name).resolve().parent == Path("/pool") for name in [*first, *second])


def test_too_few_texts_for_the_pool_are_said_before_anything_is_built(tiny_llm: Path, tmp_path: Path) -> None:
    path = tmp_path / "texts.jsonl"
    rows = [{"prompt": f"p {i}", "answer": f"a {i}", "style": s} for i in range(60) for s in "01"]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    corpus = ["corpus.source=jsonl", f"corpus.path={path}", "population.texts=4", "population.held_out=2"]
    corpus += [f"llm.summarizer={tiny_llm}"]

    def config(texts: int) -> Config:
        return small_config(tiny_llm, tmp_path, "pool.size=1", *corpus, f"pool.texts={texts}")

    with pytest.raises(UserError, match=r"80 pool texts of style '1' wanted.*pool\.texts"):
        prepare(config(100))
    prepare(config(8))
    assert provider_of(config(8))[1].ids == ("1",)  # though fewer than HELD_OUT texts are held out


@pytest.mark.parametrize("command", [["run"], ["pool", "build"]])
def test_neighbours_in_a_group_need_texts_too(command: list[str], tiny_llm: Path, tmp_path: Path) -> None:
    """Groups are built whole: also of a pool that has the first of their pLLMs alone."""
    path = tmp_path / "texts.jsonl"
    counts = {"0": 200, "1": 200, "2": 5}
    rows = [{"prompt": f"p {i}", "answer": f"a {i}", "style": s} for s, n in counts.items() for i in range(n)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = [f"llm.model={tiny_llm}", "corpus.source=jsonl", f"corpus.path={path}", "pool.size=1", "pool.texts=40"]
    with pytest.raises(UserError, match=r"32 pool texts of style '2' wanted"):
        CliRunner().invoke(
            app, [*command, *settings, "engine.backend=inline", f"output={tmp_path}"], catch_exceptions=False
        )
    assert not any(tmp_path.glob("*/"))


def test_pllms_whose_ids_are_quoted_are_not_sought_where_they_lay_unquoted(
    tiny_llm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def digests() -> list[str]:
        found = []
        for style in ("1", "v1.5"):
            corpus = RowCorpus(((s, f"p {i}", "a", False) for s in ("0", style) for i in range(9)), "0", "rows")
            found.append(plan_pool(small_config(tiny_llm, tmp_path), corpus, "").groups[0].digest)
        return found

    plain, odd = digests()
    monkeypatch.setattr("sim.pool.plan._quoted", str)
    assert digests()[0] == plain
    assert digests()[1] != odd


def test_the_quickstart_s_pool_and_offers_are_the_shipped_ones(tmp_path: Path) -> None:
    """A hash that comes out otherwise would have every user build them for a quarter of an hour."""
    config, corpus = Config.load(QUICKSTART), PersonaCorpus()
    llm = folder_digest(DATA / "base")
    plan = plan_pool(config, corpus, llm)
    assert plan.folder.parent == SHIPPED
    assert plan.missing() == []
    made_of = {"llm": llm, "summarizer": pocket_digest(corpus)}
    found = {s: offer_folder(plan.folder, tmp_path, make_strategy(s, config), made_of) for s in config.strategies}
    assert {folder.parent for folder in found.values()} == {plan.folder / "offers"}


class Remembers(Strategy):
    """Has been given a setting of some type."""

    not_in_offer = frozenset({"unread"})

    def __init__(self, value: object) -> None:
        self.value = self.unread = value


def test_offers_follow_settings_that_json_has_no_word_for(tmp_path: Path) -> None:
    long = np.zeros(5000)
    other = long.copy()
    other[2500] = 1
    values = [long, other, np.float32(0.5), 0.25, datetime.date(2026, 1, 1), Path("a"), {"b"}]
    assert len({offer_folder(tmp_path, tmp_path, Remembers(v), {}) for v in values}) == len(values)
    with pytest.raises(UserError, match=r"^strategies: Remembers\.value is a Lock.*`not_in_offer`"):
        offer_folder(tmp_path, tmp_path, Remembers(multiprocessing.Lock()), {})
