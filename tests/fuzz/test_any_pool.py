"""Any pool.json and any card: a pool whose pLLMs lie in it, or one line that names the file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sim.common.errors import UserError
from sim.corpus.persona import PersonaCorpus
from sim.llm.adapters.base import Site
from sim.llm.adapters.lora import LoraLayout
from sim.pool.pool import CARD, INDEX, Pool
from tests.odd import TEXTS, mutated, values

pytestmark = pytest.mark.fuzz
CORPUS = PersonaCorpus()
NAMES = ["expert-concise-poetic", "expert-concise-neutral"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pool of two pLLMs that carries no digest, as one made by hand."""
    made, layout = tmp_path_factory.mktemp("pools") / "mine", LoraLayout((Site("one", 8, 8),), rank=2, alpha=4.0)
    for name in NAMES:
        layout.save(made / name, torch.zeros(layout.size), "base")
        (made / name / CARD).write_bytes(dumped(sound_card(name)))
    return made


def opened(folder: Path, index: bytes, card: bytes) -> bool:
    """Whether it opens."""
    (folder / INDEX).write_bytes(index)
    (folder / NAMES[0] / CARD).write_bytes(card)
    said = str(folder)
    try:
        pool = Pool(folder, CORPUS)
    except UserError as error:
        said = str(error)
        pool = None
    assert str(folder) in said
    if pool is None:
        return False
    assert {(folder / name).resolve().parent for name in pool.ids} <= {folder.resolve()}
    assert [card.id for card in pool.cards.values()] == list(pool.ids)
    assert all(0 <= card.similarity <= 1 and card.style in CORPUS.styles for card in pool.cards.values())
    return True


def sound_card(name: str = NAMES[0]) -> dict[str, object]:
    known = {"similarity": 0.8, "texts": 400, "steps": 375, "trained": 400, "validation_loss": 1.4, "loss": 1.5}
    return {"id": name, "style": name, **known}


def dumped(tree: object) -> bytes:
    return json.dumps(tree, default=str).encode()


def test_a_sound_one_opens_and_a_card_of_0_1_0_is_refused(folder: Path) -> None:
    """That said neither how long was trained nor what chose the step."""
    assert opened(folder, dumped({"pllms": NAMES}), dumped(sound_card()))
    old = {key: value for key, value in sound_card().items() if key not in ("trained", "validation_loss")}
    assert not opened(folder, dumped({"pllms": NAMES}), dumped(old))


@given(st.binary(max_size=60) | values().map(dumped) | mutated({"pllms": NAMES}).map(dumped))
def test_any_index(folder: Path, index: bytes) -> None:
    opened(folder, index, dumped(sound_card()))


@given(
    st.lists(st.sampled_from([*TEXTS, *NAMES, NAMES[0].upper(), f"{NAMES[0]}/", f"./{NAMES[0]}", f"x/../{NAMES[0]}"]))
)
def test_any_ids(folder: Path, ids: list[str]) -> None:
    opened(folder, dumped({"pllms": ids}), dumped(sound_card()))


@given(st.binary(max_size=60) | values().map(dumped) | mutated(sound_card()).map(dumped))
def test_any_card(folder: Path, card: bytes) -> None:
    opened(folder, dumped({"pllms": NAMES}), card)
