"""Any pool.json and any card: a pool whose pLLMs lie in it, or one line that names the file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.common.errors import UserError
from sim.corpus.persona import PersonaCorpus
from sim.pool.plan import SHIPPED
from sim.pool.pool import CARD, INDEX, Pool
from tests.odd import TEXTS, mutated, values

pytestmark = pytest.mark.fuzz
CORPUS = PersonaCorpus()
NAMES = ["expert-concise-poetic", "expert-concise-neutral"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pool of two pLLMs that carries no digest, as one made by hand."""
    made = tmp_path_factory.mktemp("pools") / "mine"
    for name in NAMES:
        shutil.copytree(next(SHIPPED.iterdir()) / name, made / name)
    return made


def opened(folder: Path, index: bytes, card: bytes) -> None:
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
        return
    assert {(folder / name).resolve().parent for name in pool.ids} <= {folder.resolve()}
    assert [card.id for card in pool.cards.values()] == list(pool.ids)
    assert all(0 <= card.similarity <= 1 and card.style in CORPUS.styles for card in pool.cards.values())


def sound_card() -> dict[str, object]:
    return {"id": NAMES[0], "style": NAMES[0], "similarity": 0.8, "texts": 400, "steps": 400, "loss": 1.5}


def dumped(tree: object) -> bytes:
    return json.dumps(tree, default=str).encode()


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
