"""Rehearsals find what is wrong with a strategy before anything is built, refuse what surely is, and leave no trace."""

from __future__ import annotations

import random
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from sim.cloud.check import prepare
from sim.common.errors import UserError
from sim.experiment.config import Config
from sim.experiment.strategies import STRATEGIES
from sim.pool.pool import OFFERS
from sim.rehearsal import before
from sim.rehearsal.before import Rehearsal
from sim.rehearsal.rehearse import fault_in, rehearse, sizes_of
from sim.rehearsal.world import World
from strategies.embedder import PACKAGE
from tests.runs import Command, Silent, provider_of, same_tables, small_config, tiny_overrides
from tests.sim.rehearsal import bad

SECONDS = 20.0


class Heard(Silent):
    """A watcher that keeps what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.remarks: list[str] = []

    def remark(self, text: str) -> None:
        self.remarks.append(text)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World(Config()) as world:
        yield world


@pytest.fixture
def sizes():
    return sizes_of(prepare(Config.load(None, ["ladder.users=0"])))


def own(kind: type) -> str:
    return f"{kind.__module__}:{kind.__name__}"


def line(kind: type, text: str) -> str:
    """The place of the first line of a class that has a text in it, as a fault names it."""
    lines = Path(bad.__file__).read_text().splitlines()
    at = next(i for i, said in enumerate(lines) if said.startswith(f"class {kind.__name__}("))
    return f"bad.py:{next(i for i, said in enumerate(lines) if i >= at and text in said) + 1}"


@pytest.mark.parametrize("name", STRATEGIES.known())
def test_nothing_is_wrong_with_what_is_shipped(world: World, sizes, name: str) -> None:
    if name == "embedder" and find_spec(PACKAGE) is None:
        pytest.skip("needs the extra")
    config = world.config.model_copy(update={"options": {"fallback": {"strategy": "hyperband"}}})
    world.config = config
    assert fault_in(name, world, sizes, SECONDS) is None
    seen = rehearse(name, world, sizes.small, SECONDS)
    assert set(seen.choices) == {0, 1}
    assert not seen.stopped


@pytest.mark.parametrize(
    ("kind", "said", "at"),
    [
        (bad.Mistyped, "Train: texts = 3: a list of Text is expected", "yield Train"),
        (bad.Misspelt, "unexpected keyword argument 'step'", "yield Train"),
        (bad.NoSteps, "Train: steps = 0: a number above 0 is expected", "yield Train"),
        (bad.NoRequest, "yielded 'the model', which is no request", "yield"),
        (bad.Inner, "yielded 7, which is no request", "yield 7"),
        (bad.NoStart, "a Start or a Choice is expected", "yield Evaluate"),
        (bad.Arity, "3 were given", "def choose"),
        (bad.Stranger, "'nobody', which is no pLLM", "yield Evaluate"),
        (bad.Peeks, "must declare reads_truth", "phone.nearest"),
        (bad.CloudTrains, "Train is a phone's request", "cloud.ask"),
        (bad.NoOffer, "an Offer is expected", "def offer"),
        (bad.NotPlain, "not_in_offer", ""),
        (bad.TakesReplyForLoss, "unsupported operand", "trained + 1"),
        (bad.Unknown, "no attribute 'plms'", "offer.plms"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_surely_wrong_is_named_with_its_line(world: World, sizes, kind: type, said: str, at: str) -> None:
    fault = fault_in(own(kind), world, sizes, SECONDS)
    assert fault is not None
    assert fault.sure
    assert said in fault.said
    assert "\n" not in str(fault)
    if at:
        assert fault.where.endswith(line(kind, at)), fault


def test_a_strategy_without_choose_is_wrong(world: World, sizes) -> None:
    fault = fault_in(own(bad.Unfinished), world, sizes, SECONDS)
    assert fault is not None
    assert "NotImplementedError" in fault.said


def test_too_few_pllms_or_texts_are_nobodys_fault(world: World, sizes) -> None:
    assert rehearse(own(bad.ManyWanted), world, sizes.small, SECONDS).fault is not None
    assert fault_in(own(bad.ManyWanted), world, sizes, SECONDS) is None


@pytest.mark.parametrize("kind", [bad.WantsJson, bad.NoWord, bad.Exits])
def test_what_may_come_of_a_small_llm_is_not_sure(world: World, sizes, kind: type) -> None:
    fault = fault_in(own(kind), world, sizes, SECONDS)
    assert fault is not None
    assert not fault.sure


def test_time_is_limited(world: World, sizes) -> None:
    seen = rehearse("exhaustive", world, sizes.small, 0.0)
    assert seen.stopped
    assert seen.fault is None
    assert not seen.choices


# ---------------------------------------------------------------- before a run


def rehearsed(*overrides: str) -> list[str]:
    heard = Heard()
    Rehearsal().of(prepare(Config.load(None, ["ladder.users=0", *overrides])), heard)
    return heard.remarks


def test_a_run_is_told_of_what_is_not_sure_and_goes_on() -> None:
    (remark,) = rehearsed(f"strategies=scratch,{own(bad.NoWord)}")
    assert "NoWord': ValueError" in remark
    assert "may be in the run" in remark


def test_who_goes_on_without_users_who_fail_is_told_only() -> None:
    (remark,) = rehearsed(f"strategies={own(bad.Mistyped)}", "engine.keep_going=true")
    assert "Train: texts = 3" in remark


def test_the_generators_are_put_back_and_the_instance_is_a_new_one() -> None:
    def states():
        return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002

    earlier = states()
    bad.Counts.made.clear()
    assert rehearsed(f"strategies={own(bad.Counts)}") == []
    assert states() == earlier
    assert bad.Counts.made == [0, 2]  # the check made one, the rehearsal another, whose two phones called it


def test_what_may_go_wrong_is_said_once() -> None:
    heard, rehearsal = Heard(), Rehearsal()
    for lr in ("1e-3", "2e-3"):
        config = Config.load(None, [f"strategies={own(bad.NoWord)}", "ladder.users=0", f"training.lr={lr}"])
        rehearsal.of(prepare(config), heard)
    assert len(heard.remarks) == 1


def test_what_was_fine_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []
    monkeypatch.setattr(before, "fault_in", lambda name, *_: tried.append(name))
    rehearsal = Rehearsal()
    for lr in ("1e-3", "2e-3"):
        rehearsal.of(prepare(Config.load(None, ["strategies=scratch,random", f"training.lr={lr}"])), Heard())
    assert tried == ["scratch", "random"]
    changed = Config.load(None, ["strategies=scratch", "options.scratch={}", "training.cost_only=true"])
    rehearsal.of(prepare(changed), Heard())
    assert tried == ["scratch", "random", "scratch"]


def test_what_trains_where_nobody_does_is_refused_by_the_config_alone() -> None:
    for name, options in (("hyperband", []), ("careful", ['options.careful={use="fallback", strategy="hyperband"}'])):
        config = Config.load(None, [f"strategies=scratch,{name}", "training.cost_only=true", *options])
        with pytest.raises(UserError, match=f"strategies: '{name}' trains before it chooses; with training.cost_only"):
            prepare(config)
    with pytest.raises(UserError, match="TakesReplyForLoss' trains before it chooses"):
        rehearsed(f"strategies={own(bad.TakesReplyForLoss)}", "training.cost_only=true")


def test_a_pool_whose_owners_are_not_known_has_nothing_published(tiny_llm: Path, tmp_path: Path) -> None:
    _, pool = provider_of(small_config(tiny_llm, tmp_path))
    with pytest.raises(UserError, match="needs what owners of pLLMs publish"):
        rehearsed("strategies=xpert_cards", f"pool.path={pool.folder}", "options.xpert_cards.named=1")
    (pool.folder / OFFERS).mkdir()
    assert rehearsed("strategies=xpert_cards", f"pool.path={pool.folder}", "options.xpert_cards.named=1") == []


def test_a_bad_strategy_ends_a_plan_a_run_and_a_sweep_before_anything_is_built(
    tiny_llm: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))
    tiny = [*tiny_overrides(tiny_llm, tmp_path / "out"), f'strategies=["scratch","{own(bad.Mistyped)}"]']
    ways = (["plan", *tiny], ["run", "--dry-run", *tiny], ["run", *tiny], ["sweep", *tiny, "seed=9001,9002"])
    for arguments in ways:
        status, _, err = command(*arguments)
        assert status == 2
        assert err.count("\n") == 1
        assert "Train: texts = 3: a list of Text is expected, as phone.texts" in err
        assert line(bad.Mistyped, "yield Train") in err
    assert not list((tmp_path / "out").rglob("*.csv"))
    assert not (tmp_path / "cache" / "pools").exists()


def test_records_are_those_of_a_run_without_a_rehearsal(
    tiny_llm: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = [f'strategies=["scratch","xpert","{own(bad.Counts)}"]', "population.users=2", "ladder.users=0"]
    summarizer = ["llm.summarizer=pocket", "options.xpert={probes=2, candidates=2, word_probes=2, answer_tokens=4}"]
    folders = []
    for name in ("with", "without"):
        monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / name / "cache"))
        tiny = tiny_overrides(tiny_llm, tmp_path / name)
        random.seed(9001)  # which Counts draws from
        np.random.seed(9001)  # noqa: NPY002
        status, out, _ = command("run", "--no-plots", *tiny, *arguments, *summarizer)
        assert status == 0
        folders.append(Path(out.splitlines()[-1]))
        monkeypatch.setattr(Rehearsal, "of", lambda *_: None)
    same_tables(*folders)
