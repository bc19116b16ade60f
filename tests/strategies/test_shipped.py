"""Every shipped strategy, end to end on a tiny run: rows, downloads, determinism, and pools with little in them."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

from sim.analysis.run.report import report
from sim.commands.run import finish
from sim.common.errors import UserError
from sim.common.streams import stream
from sim.experiment.config import Config
from sim.experiment.strategies import make_strategy
from strategies.base import Evaluate, Generate, Offer, Start, Strategy, Text, Train, Trained, lowest
from strategies.popular import Popular
from tests.runs import run, tiny_config

NEEDS_AN_EXTRA, NEED_WAVES = "embedder", {"federated", "clustered"}
KNOWN = {point.name for point in entry_points(group="headstart.strategies")}
ALL = sorted(KNOWN - NEED_WAVES)
ADAPTER = 11_272_192.0  # bytes of a pLLM, by hand in tests/sim/test_meter.py
Tables = dict[str, pd.DataFrame]


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADSTART_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def tables(tiny_llm: Path, tmp_path_factory: pytest.TempPathFactory, cache: None) -> Tables:
    return run(tiny_config(tiny_llm, tmp_path_factory.mktemp("all"), f"strategies={ALL}"))


def of(tables: Tables, strategy: str) -> pd.DataFrame:
    users = tables["users"]
    return users[users.strategy == strategy]


def test_every_strategy_has_a_row_per_user(tables: Tables) -> None:
    assert len(ALL) >= 13
    for name in ALL:
        assert sorted(of(tables, name).user_id) == [0, 1, 2], name


@pytest.mark.parametrize(
    ("strategy", "pllms"),
    [
        *[("scratch", 0), ("random", 1), ("popular", 1), ("oracle", 1), ("fedavg", 1), ("lorahub", 2), ("average", 3)],
        *[("exhaustive", 3), ("zero_shot", 3), ("hyperband", 3), ("retrieval", 1), ("lexical", 1), ("xpert", 1)],
        ("fallback", 1),
    ],
)
def test_phone_downloads_what_the_docstring_says(tables: Tables, strategy: str, pllms: int) -> None:
    offer = of(tables, strategy).bytes_down - pllms * ADAPTER
    assert offer.between(0, 5000).all()
    assert (offer > 0).all() == (strategy in ("retrieval", "lexical", "xpert", "fallback"))


def test_bayesian_and_xpert_merge_download_each_pllm_at_most_once(tables: Tables) -> None:
    tried = tables["choices"].query("strategy == 'bayesian'").groupby("user_id").size()
    assert (of(tables, "bayesian").bytes_down.to_numpy() == tried.to_numpy() * ADAPTER).all()
    merged = of(tables, "xpert_merge")
    count = merged.chosen.str.count(r"\+") + 1
    assert ((merged.bytes_down - count * ADAPTER).between(1, 5000)).all()


def test_only_strategies_that_compute_are_billed_for_it(tables: Tables) -> None:
    free = {"scratch", "random", "popular", "oracle", "fedavg", "average", "lexical"}
    for name in ALL:
        rows = of(tables, name)
        for column in ("selection_flops", "selection_s", "selection_j", "model_selection_flops"):
            assert ((rows[column] == 0) if name in free else (rows[column] > 0)).all(), (name, column)
    assert (of(tables, "zero_shot").selection_flops.to_numpy() < of(tables, "exhaustive").selection_flops).all()


def test_exhaustive_takes_the_lowest_score_and_bayesian_finds_it_among_its_own(tables: Tables) -> None:
    choices = tables["choices"]
    for name in ("exhaustive", "bayesian", "zero_shot", "retrieval", "embedder", "lexical", "xpert", "hyperband"):
        first = choices[(choices.strategy == name) & (choices["rank"] == 1)].set_index("user_id").pllm
        assert (of(tables, name).set_index("user_id").chosen == first).all(), name


def test_hyperband_goes_on_from_what_it_trained(tables: Tables) -> None:
    curves = tables["curves"].query("step == 0").set_index(["user_id", "strategy"]).loss
    for _, row in of(tables, "hyperband").iterrows():
        assert row.chosen in set(tables["pool"].pllm)  # named after what it grew from
        same = tables["users"].query("user_id == @row.user_id and chosen == @row.chosen and strategy != 'hyperband'")
        for other in same.strategy:
            assert curves[row.user_id, "hyperband"] != curves[row.user_id, other]


def test_again_gives_the_same_records_and_cohorts_of_one_the_same_curves(
    tables: Tables, tiny_llm: Path, tmp_path: Path
) -> None:
    again = run(tiny_config(tiny_llm, tmp_path, f"strategies={ALL}"))
    for name, table in tables.items():
        pd.testing.assert_frame_equal(table.drop(columns="wall_s", errors="ignore"),
                                      again[name].drop(columns="wall_s", errors="ignore"))  # fmt: skip
    alone = run(tiny_config(tiny_llm, tmp_path, f"strategies={ALL}", "engine.cohort=1"), "alone")
    keys = ["user_id", "strategy", "step"]
    one, other = (t["curves"].sort_values(keys).reset_index() for t in (tables, alone))
    assert (one[keys] == other[keys]).all(axis=None)
    np.testing.assert_allclose(one.loss, other.loss, atol=1e-4)


class Diverged:
    """A phone, and a pool whose first pLLM has no loss but NaN; the third is the best."""

    texts = (Text("p", "a"),)
    losses: ClassVar = {"bad": float("nan"), "fair": 2.0, "good": 1.0}
    offer = Offer(tuple(losses), {"means": np.array([[np.nan] * 2, [0.0, 1.0], [1.0, 0.0]])})

    def rng(self, purpose: str) -> np.random.Generator:
        return np.random.default_rng(1)

    def reply(self, request: Any) -> Any:
        if isinstance(request, Evaluate):
            return self.losses[request.start.best]
        return Trained(request.start, self.losses[request.start.best]) if isinstance(request, Train) else None

    def choice(self, strategy: Strategy) -> Any:
        choosing: Any = strategy.choose(self, self.offer)  # type: ignore[arg-type]
        reply = None
        try:
            while True:
                reply = self.reply(choosing.send(reply))
        except StopIteration as end:
            return end.value


@pytest.mark.parametrize("strategy", ["exhaustive", "zero_shot", "bayesian", "hyperband"])
def test_a_pllm_that_diverged_is_not_chosen(strategy: str) -> None:
    choice = Diverged().choice(make_strategy(strategy, Config.load(None, ["options.bayesian.trials=4"])))
    assert choice.start == Start({"good": 1.0})
    assert "bad" in choice.scores


def test_a_pllm_that_diverged_is_not_popular() -> None:
    class Cloud:
        pool = SimpleNamespace(ids=("bad", "fair", "good"))
        probes = ("p",)

        def ask(self, request: Any) -> Any:
            return ["a"] if isinstance(request, Generate) else Diverged.losses[request.start.best]

    assert Popular().offer(Cloud()).pllms == ("good",)  # type: ignore[arg-type]


def test_who_has_no_number_comes_last() -> None:
    assert lowest([float("nan"), 2.0, 1.0]) == 2
    assert lowest([float("nan"), float("inf")]) == 0  # neither is better
    assert lowest(np.array([3.0, 1.0, 1.0], dtype=np.float32)) == 1


@pytest.mark.parametrize("size", [0, 1])
def test_pools_with_little_in_them(size: int, tiny_llm: Path, tmp_path: Path) -> None:
    tables = run(tiny_config(tiny_llm, tmp_path, f"strategies={ALL}", f"pool.size={size}"))
    scratch = of(tables, "scratch").reset_index(drop=True)
    for name in ALL:
        rows = of(tables, name).reset_index(drop=True)
        assert len(rows) == 3
        if size == 0:  # every strategy is scratch, and says so
            assert (rows.chosen == "").all()
            assert (rows.bytes_down == 0).all()
            assert (rows.selection_flops == 0).all()
            np.testing.assert_allclose(rows.start_loss, scratch.start_loss, atol=1e-6)
        elif name not in ("scratch", "lorahub", "fedavg", "fallback"):
            assert (rows.chosen == tables["pool"].pllm[0]).all(), name


def test_an_empty_pool_is_said_to_be_empty(tiny_llm: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(tiny_config(tiny_llm, tmp_path, "strategies=scratch,xpert,exhaustive", "pool.size=0"))
    (folder,) = tmp_path.glob("tiny/*")
    finish(folder, plots=True)
    said = " ".join(capsys.readouterr().out.split())
    assert "The pool is empty, so xpert, exhaustive are all scratch." in said
    assert "<p>The pool is empty, so xpert, exhaustive are all scratch.</p>" in report(folder).read_text()


@pytest.mark.parametrize("styles", [2, 3])
def test_users_who_mix_styles(styles: int, tiny_llm: Path, tmp_path: Path) -> None:
    changes = ["pool.size=4", f"population.styles_per_user={styles}"]
    tables = run(tiny_config(tiny_llm, tmp_path, f"strategies={ALL}", *changes))
    users, style = tables["users"], tables["pool"].set_index("pllm")["style"]
    assert len(users) == 3 * len(ALL)
    assert (users["style"].str.count(r"\+") == styles - 1).all()
    for _, row in of(tables, "oracle").iterrows():  # of several styles the truly closest is one of them
        assert style[row.chosen] in row["style"].split("+")


def test_users_of_a_style_that_the_pool_lacks(tiny_llm: Path, tmp_path: Path) -> None:
    changes = ["pool.size=2", 'population.styles=["expert-informative-poetic"]']
    tables = run(tiny_config(tiny_llm, tmp_path, f"strategies={ALL}", *changes))
    assert set(tables["users"]["style"]) == {"expert-informative-poetic"}
    assert set(of(tables, "oracle").chosen) <= set(tables["pool"].pllm)
    assert len(tables["users"]) == 3 * len(ALL)


@pytest.mark.parametrize(
    ("strategy", "setting"),
    [
        *[("exhaustive", "texts=-1"), ("zero_shot", "texts=-1"), ("popular", "probes=0"), ("bayesian", "trials=0")],
        *[("hyperband", "eta=1"), ("hyperband", "steps=0"), ("retrieval", "probes=0"), ("lorahub", "pllms=0")],
        *[("lorahub", "l1=-1"), ("xpert_merge", "most=0"), ("xpert_merge", "gain=2"), ("fedavg", "texts=1")],
        *[("lexical", "prior=0"), ("lexical", "probes=0"), ("lexical", "texts=-1"), ("embedder", "texts=-1")],
    ],
)
def test_a_setting_out_of_range_is_one_line(strategy: str, setting: str) -> None:
    config = Config.load(None, [f"options={{{strategy} = {{{setting}}}}}"])
    with pytest.raises(UserError, match=f"options.{strategy}: "):
        make_strategy(strategy, config)


def example(name: str, folder: Path) -> str:
    """The example of docs/strategies.md whose code has a name, put into a module of that name."""
    page = (Path(__file__).parents[2] / "docs" / "strategies.md").read_text()
    (code,) = [part.split("```")[0] for part in page.split("```python\n")[1:] if name in part.split("```")[0]]
    assert len([line for line in code.splitlines() if line.strip()]) <= 30
    (folder / f"{name.lower()}.py").write_text(code)
    return code


def test_example_in_the_docs_runs(tiny_llm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example("Shortlist", tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    tables = run(tiny_config(tiny_llm, tmp_path, 'strategies=["scratch", "shortlist:Shortlist"]'))
    assert (of(tables, "shortlist:Shortlist").bytes_down - 3 * ADAPTER).between(1, 5000).all()
    empty = run(tiny_config(tiny_llm, tmp_path, 'strategies=["shortlist:Shortlist"]', "pool.size=0"), "empty")
    assert (empty["users"].chosen == "").all()


def test_a_strategy_that_picks_by_budget_stays_within_it(
    tiny_llm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It tries none, some or all of the pool, as the budget allows; prices are near what is billed."""
    example("Frugal", tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    tried = []
    for seconds in (0.001, 8.0, 1e6):
        options = f"options={{frugal = {{use = 'frugal:Frugal', seconds = {seconds}, battery = 1.0, texts = 4}}}}"
        tables = run(tiny_config(tiny_llm, tmp_path, "strategies=frugal", options), f"run-{seconds}")
        rows = tables["users"]
        assert (rows.selection_s + rows.download_s <= 1.5 * seconds + 0.01).all()
        tried.append(0 if "choices" not in tables else len(tables["choices"]))
    assert tried[0] == 0 < tried[1] < tried[2] == 3 * 3


def test_a_request_of_one_s_own_is_one_class(tiny_llm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = example("VocabularyHandler", tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "counts.py").write_text(
        f"{code}\nfrom strategies import Choice, Start, Strategy\n\n\nclass Counts(Strategy):\n"
        "    def choose(self, phone, offer):\n"
        "        count = yield VocabularyHandler.Vocabulary(phone.texts)\n"
        "        return Choice(Start(), {offer.pllms[0]: float(count)})\n"
    )
    tables = run(tiny_config(tiny_llm, tmp_path, "strategies=counts:Counts"))
    assert (tables["choices"].score > 5).all()
    assert (tables["users"].selection_s == 0).all()


def test_docs_name_every_strategy() -> None:
    page = (Path(__file__).parents[2] / "docs" / "strategies.md").read_text()
    assert [name for name in KNOWN if f"| `{name}` |" not in page] == []
    config = Config.load(Path(__file__).parents[2] / "configs" / "strategies.toml")
    kinds = {config.options.get(name, {}).get("use", name) for name in config.strategies}
    assert sorted(kinds | {NEEDS_AN_EXTRA}) == ALL


def test_streams_of_strategies_do_not_meet() -> None:
    draws = [stream(0, 1, "strategy", p).integers(2**32) for p in ("bayesian", "hyperband", "lorahub", "random")]
    assert len(set(draws)) == len(draws)
