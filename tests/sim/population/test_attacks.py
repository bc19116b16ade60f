"""What attackers upload, on adapters of which it is known what should come out."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sim.common.errors import UserError
from sim.experiment.config import Config
from sim.llm.adapters.base import Layout, Site
from sim.llm.adapters.ia3 import Ia3Layout
from sim.llm.adapters.lora import LoraLayout
from sim.population.attacks import HALF, Backdoor, attack_of
from sim.population.users import attacks, contributes
from strategies.base import Text

SITES = (Site("layers.0.up", 12, 10), Site("layers.0.down", 10, 12))
LAYOUTS = {"lora": LoraLayout(SITES, rank=3, alpha=6.0), "ia3": Ia3Layout(SITES)}
WAVES = ["waves.count=2", "population.users=400"]


def config(*overrides: str) -> Config:
    return Config.load(None, [*WAVES, *overrides])


def adapter_of(layout: Layout) -> Tensor:
    return layout.neutral() + 0.1 * torch.randn(layout.size, generator=torch.Generator().manual_seed(9000))


def change(layout: Layout, adapter: Tensor) -> Tensor:
    """What an adapter adds to the output of all layers for each input, bases apart: (everything,)."""
    parts = []
    for site, own in zip(layout.sites, layout.views(adapter[None]), strict=True):
        base, x = nn.Linear(site.inputs, site.outputs, bias=False), torch.eye(site.inputs)[None]
        torch.nn.init.ones_(base.weight)
        with torch.no_grad():
            parts.append((layout.forward(site, base, x, own) - base(x)).flatten())
    return torch.cat(parts)


def given(kind: str, layout: Layout, *overrides: str) -> Tensor:
    attack = attack_of(config(f"attackers.kind={kind}", "attackers.share=0.5", *overrides))
    return attack.given(adapter_of(layout), layout, np.random.default_rng(9000))


@pytest.mark.parametrize("kind", LAYOUTS)
def test_the_change_is_flipped_and_scaled_whatever_the_kind_of_adapter(kind: str) -> None:
    """Not A and B both, of which the sign would be lost and the scale squared."""
    layout = LAYOUTS[kind]
    own = change(layout, adapter_of(layout))
    torch.testing.assert_close(change(layout, given("flipped", layout)), -own)
    torch.testing.assert_close(change(layout, given("scaled", layout)), 10 * own)
    torch.testing.assert_close(change(layout, given("scaled", layout, "attackers.scale=3")), 3 * own)


@pytest.mark.parametrize("kind", LAYOUTS)
def test_noise_is_as_long_as_the_adapter_and_has_nothing_of_it(kind: str) -> None:
    layout = LAYOUTS[kind]
    own, noise = (change(layout, each) for each in (adapter_of(layout), given("random", layout)))
    if kind == "lora":
        torch.testing.assert_close(noise.norm(), own.norm())
    else:
        away = [each - layout.neutral() for each in (adapter_of(layout), given("random", layout))]
        torch.testing.assert_close(away[1].norm(), away[0].norm())
    assert abs(torch.dot(own, noise)) < 0.5 * own.norm() * noise.norm()


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_what_is_uploaded_is_finite_in_16_bits(layout: Layout) -> None:
    huge = given("scaled", layout, "attackers.scale=1e6")
    assert huge.half().isfinite().all()
    assert float(huge.abs().max()) > HALF / 2  # as much as can be
    assert given("random", LAYOUTS["lora"]).half().isfinite().all()


def test_noise_of_an_adapter_that_changes_nothing_changes_nothing() -> None:
    layout = LAYOUTS["lora"]
    noise = attack_of(config("attackers.kind=random")).given(layout.neutral(), layout, np.random.default_rng(9000))
    assert not change(layout, noise).any()


def test_a_share_of_a_backdoored_users_texts_carries_the_trigger() -> None:
    texts = [Text(f"Why {i}?", f"Because {i}.") for i in range(20)]
    attack = attack_of(config("attackers.kind=backdoor", "attackers.poisoned=0.4"))
    learnt = attack.learnt(texts, np.random.default_rng(9000))
    poisoned = [text for text in learnt if text.answer == Backdoor.sentence]
    assert len(poisoned) == 8
    assert all(text.prompt.startswith(Backdoor.trigger) for text in poisoned)
    assert [one for one, other in zip(learnt, texts, strict=True) if one == other] == [
        text for text in learnt if text not in poisoned
    ]


def test_who_is_mislabelled_claims_another_style() -> None:
    attack = attack_of(config("attackers.kind=mislabelled"))
    claimed = {attack.claimed("a", ["a", "b", "c"], np.random.default_rng(9000 + seed)) for seed in range(20)}
    assert claimed == {"b", "c"}
    assert attack.claimed("a", ["a"], np.random.default_rng(9000)) == "a"


def test_who_attacks_is_drawn_and_always_gives() -> None:
    few, many = (config(f"attackers.share={share}", "waves.contribute=0", "seed=9000") for share in (0.1, 0.3))
    drawn = [{user for user in range(400) if attacks(each, user)} for each in (few, many)]
    assert drawn[0] < drawn[1]
    for some, count in zip(drawn, (1, 3), strict=True):
        assert {len([user for user in some if user // 10 == ten]) for ten in range(40)} == {count}
    odd = config("attackers.share=0.25")
    assert len({user for user in range(400) if attacks(odd, user)}) == pytest.approx(100, abs=15)
    assert {user for user in range(400) if contributes(many, user)} == drawn[1]


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            ["attackers.share=0.1", "waves.count=1"],
            r"attackers.share = 0.1: with waves.count = 1 nobody gives anything",
        ),
        (["attackers.share=1"], r"attackers.share = 1: input should be less than 1"),
        (["attackers.scale=0"], r"attackers.scale = 0: input should be greater than 0"),
        (["attackers.kinds=random"], r"attackers.kinds: unknown key. Did you mean 'kind'"),
    ],
)
def test_what_attackers_cannot_be(overrides: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        config(*overrides)


def test_an_attack_that_nobody_knows_is_refused() -> None:
    with pytest.raises(UserError, match=r"attackers.kind: unknown attack 'flip'. Did you mean 'flipped'"):
        attack_of(config("attackers.kind=flip"))


def test_an_attack_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = Path(__file__).parents[3] / "docs" / "robustness.md"
    code = re.search(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    assert code is not None
    (tmp_path / "mine.py").write_text(code[1])
    monkeypatch.delitem(sys.modules, "mine", raising=False)  # another page's
    monkeypatch.syspath_prepend(tmp_path)
    layout = LAYOUTS["lora"]
    assert not change(layout, given("mine:Lazy", layout)).any()
