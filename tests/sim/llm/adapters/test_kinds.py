"""The door for kinds of adapters: their names, their hashes, their folders; and a kind from outside."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from devices import Lora as Billed
from sim.cloud.check import prepare
from sim.cloud.provider import Provider
from sim.common.errors import UserError
from sim.experiment.config import Config
from sim.experiment.sections import Training
from sim.llm.adapters import ADAPTERS, kind_of
from sim.llm.adapters.base import AdapterKind, Layout, Site, sites_of
from sim.llm.adapters.files import CONFIG, WEIGHTS, check_folder
from sim.llm.adapters.ia3 import Ia3
from sim.llm.adapters.lora import Lora, LoraLayout
from sim.serving.desk import Desk
from strategies.base import Offer, Phone, Start, Strategy
from tests.runs import provider_of, run, tiny_config

LAYOUT = LoraLayout((Site("one", 24, 40), Site("two", 40, 24)), rank=4, alpha=8.0)


# ---------------------------------------------------------------- names and settings


def test_a_config_names_its_kind_of_adapter() -> None:
    assert kind_of(Training()) == Lora(8, 16.0)
    training = Training(adapter="ia3", rank=3, targets=["k_proj", "v_proj", "down_proj"])
    assert kind_of(training) == Ia3(("k_proj", "v_proj", "down_proj"))
    assert all(ADAPTERS.load(name).name == name for name in ADAPTERS.known())


def test_records_and_pools_of_different_kinds_are_kept_apart() -> None:
    """LoRA's settings are those alone that pools were named by before there was a choice."""
    training = Training(rank=4, targets=["q_proj"])
    assert kind_of(training).settings() == training.model_dump(include={"rank", "alpha", "targets"})
    unnamed, lora, ia3 = Config(), Config(training=Training(adapter="lora")), Config(training=Training(adapter="ia3"))
    assert unnamed.digest() == lora.digest() != ia3.digest()
    folders = [Provider(prepare(config)).pool_plan.folder for config in (unnamed, lora, ia3)]
    assert folders[0] == folders[1] != folders[2]


def test_settings_of_kinds_differ_and_are_json() -> None:
    every = [kind_of(Training(adapter=name)).settings() for name in ADAPTERS.known()]
    assert len({json.dumps(settings, sort_keys=True) for settings in every}) == len(ADAPTERS.known()) >= 2


def test_the_cost_model_is_told_what_is_trained() -> None:
    assert kind_of(Training()).billed(3).rank == 24
    ia3 = kind_of(Training(adapter="ia3"))
    assert ia3.billed(3) == ia3.billed()


# ---------------------------------------------------------------- folders


def some(layout: Layout = LAYOUT) -> Tensor:
    return torch.randn(layout.size, generator=torch.Generator().manual_seed(0))


def edit(path: Path, **entries: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))


def test_a_folder_says_of_what_kind_it_is(tmp_path: Path) -> None:
    LAYOUT.save(tmp_path, some(), "base")
    assert check_folder(tmp_path)["peft_type"] == "LORA"
    assert torch.equal(LAYOUT.load(tmp_path), some())


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"peft_type": "IA3"}, r"adapter_config.json is that of a IA3 adapter; training.adapter expects LORA\.$"),
        ({"r": 8}, "has rank 8 and alpha 8, but training.rank is 4 and training.alpha 8"),
        ({"r": "many"}, r"adapter_config.json is broken .*r is many; a whole number above 0 is expected"),
        ({"lora_alpha": None}, r"adapter_config.json is broken .*lora_alpha is null; a number above 0 is expected"),
    ],
)
def test_a_folder_of_another_kind_or_size_is_refused(tmp_path: Path, entries: dict[str, Any], said: str) -> None:
    LAYOUT.save(tmp_path, some(), "base")
    edit(tmp_path / CONFIG, **entries)
    with pytest.raises(UserError, match=said) as refused:
        LAYOUT.load(tmp_path)
    assert str(tmp_path) in str(refused.value)


@pytest.mark.parametrize("content", ["[1]", "{", "{}", '"x"'])
def test_a_config_that_names_no_kind_is_broken(tmp_path: Path, content: str) -> None:
    LAYOUT.save(tmp_path, some(), "base")
    (tmp_path / CONFIG).write_text(content)
    with pytest.raises(UserError, match=r"adapter_config\.json is broken"):
        check_folder(tmp_path)


@pytest.mark.parametrize("spoil", ["missing", "more", "shape"])
def test_tensors_must_be_those_of_the_layout(tmp_path: Path, spoil: str) -> None:
    """A tensor too many would be left out in silence, one of rank 1 would be copied over all ranks."""
    LAYOUT.save(tmp_path, some(), "base")
    tensors = load_file(tmp_path / WEIGHTS)
    first = min(tensors)
    tensors[f"{first}.2" if spoil == "more" else first] = tensors[first][:1].clone()
    if spoil == "missing":
        del tensors[first]
    save_file(tensors, tmp_path / WEIGHTS)
    with pytest.raises(UserError, match=r"does not fit the model's targets .*one\.lora_A\.weight"):
        LAYOUT.load(tmp_path)


def test_adapters_of_a_kind_with_one_size_have_that_size() -> None:
    layout = Ia3().on(nn.Sequential(nn.Linear(3, 5)))
    assert layout.of(torch.ones(2, 5)) is layout
    with pytest.raises(ValueError, match="6 parameters, where 5"):
        layout.of(torch.ones(6))


# ---------------------------------------------------------------- a kind from outside


@dataclass(frozen=True)
class Shift(AdapterKind):
    """Add a vector to what every linear layer puts out. One class for the kind, one for its layout."""

    name: ClassVar[str] = "shift"

    @classmethod
    def of(cls, training: Training) -> Self:
        return cls()

    def settings(self) -> dict[str, Any]:
        return {"kind": self.name}

    def on(self, model: nn.Module) -> Layout:
        return ShiftLayout(sites_of(model, ("all-linear",)))

    def billed(self, merged: int = 1) -> Any:
        return Billed(rank=1)


class ShiftLayout(Layout):
    peft_type = "SHIFT"

    def shapes(self, site: Site) -> Mapping[str, tuple[int, ...]]:
        return {"shift": (site.outputs,)}

    def forward(self, site: Site, base: nn.Linear, x: Tensor, own: tuple[Tensor, ...]) -> Tensor:
        return base(x) + own[0][:, None]

    def fresh(self, rng: np.random.Generator) -> Tensor:
        return self.neutral()

    def neutral(self) -> Tensor:
        return torch.zeros(self.size)

    def combine(self, flats: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
        return sum((w * flat for w, flat in zip(weights, flats, strict=True)), self.neutral())

    def config(self) -> dict[str, Any]:
        return {}


WHOLE = 'strategies=["scratch","exhaustive","xpert","lorahub","hyperband","fedavg"]'
"""Loading, merging, training on what was merged, and an average that the cloud makes."""


@pytest.mark.parametrize("adapter", ["ia3", f"{__name__}:Shift"])
def test_a_whole_run_with_another_kind(adapter: str, tiny_llm: Path, tmp_path: Path) -> None:
    """A pool is built and a folder of it is of that kind; users learn something."""
    config = tiny_config(tiny_llm, tmp_path, f"training.adapter={adapter}", "training.lr=0.02", "pool.lr=0.02", WHOLE)
    tables = run(config)
    users, pool = tables["users"], tables["pool"]
    provider, opened = provider_of(config)
    assert list(pool.pllm) == list(opened.ids)
    peft_type = provider.resident.lanes.layout.peft_type
    assert check_folder(opened.folder / opened.ids[0])["peft_type"] == peft_type
    assert set(users.strategy) == {"scratch", "exhaustive", "xpert", "lorahub", "hyperband", "fedavg"}
    assert len(users) == 6 * config.population.users
    plain = users[users.strategy == "scratch"].set_index("user_id").start_loss  # that of the base LLM
    simple = users[users.strategy.isin(["scratch", "exhaustive", "xpert"])]  # lorahub's weights may do harm
    assert (simple.best_loss < simple.user_id.map(plain)).all()
    assert set(users.fits) <= {"yes", "streamed"}


def test_a_merged_start_of_ia3_is_the_merge_and_trains(tiny_llm: Path, tmp_path: Path) -> None:
    config = tiny_config(
        tiny_llm,
        tmp_path,
        "training.adapter=ia3",
        "training.stop_at_target=false",
        "pool.lr=0.02",
        f"strategies=scratch,{__name__}:Merging",
    )
    users = run(config)["users"].set_index("strategy").loc[f"{__name__}:Merging"]
    provider, pool = provider_of(config)
    desk = Desk(provider.resident, pool)
    one, two = (desk.named(name) for name in pool.ids[:2])
    start = Start(dict(zip(pool.ids, (0.7, 0.5), strict=False)))
    torch.testing.assert_close(desk.adapter(start), 1 + 0.7 * (one - 1) + 0.5 * (two - 1))
    assert set(users.chosen) == {"+".join(sorted(start.weights))}
    assert (users.best_loss < users.start_loss).all()


class Merging(Strategy):
    """Merge the first two pLLMs."""

    def choose(self, phone: Phone, offer: Offer) -> Start:
        return Start(dict(zip(offer.pllms, (0.7, 0.5), strict=False)))
