"""Any offer and any folder of the cache: what was written, or one line that names it."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.common.cache import SEAL, damage, folder_digest, seal
from sim.common.errors import UserError
from sim.pool.offers import ARRAYS, OFFER, load_offer, offer_cost
from tests.odd import fill, mutated, values

pytestmark = pytest.mark.fuzz
WRITTEN = {
    "pllms": ["a", "b"],
    "payload": {"answers": {"a": ["x"]}},
    "explanations": {"a": {"kind": 0.5}},
    "coordinates": {"a": {"kind": 1}},
    "cost": {"Generate": {"base": {"requests": 3, "tokens": 2.5}}},
}
names = st.text(st.sampled_from("abX."), min_size=1, max_size=3).filter(lambda name: name.strip("."))
files = st.dictionaries(names, st.binary(max_size=3), min_size=1, max_size=3)


def arrays() -> bytes:
    out = io.BytesIO()
    np.savez(out, vectors=np.arange(6.0).reshape(2, 3))
    return out.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("offers") / "mine"


def read(folder: Path) -> None:
    for reader in (load_offer, offer_cost):
        said = str(folder)
        try:
            reader(folder)
        except UserError as error:
            said = str(error)
        assert str(folder) in said
        assert "\n" not in said


@given(st.binary(max_size=40) | (values() | mutated(WRITTEN)).map(lambda tree: json.dumps(tree).encode()))
def test_any_offer_that_carries_its_digest(folder: Path, offer: bytes) -> None:
    seal(fill(folder, {OFFER: offer, ARRAYS: arrays()}))
    read(folder)


@given(st.integers(0, len(arrays()) - 1), st.binary(max_size=4), st.integers(0, 400))
def test_any_arrays_that_carry_their_digest(folder: Path, at: int, patch: bytes, cut: int) -> None:
    broken = arrays()[:at] + patch + arrays()[at + len(patch) :]
    seal(fill(folder, {OFFER: json.dumps(WRITTEN).encode(), ARRAYS: broken[: len(broken) - cut // 2]}))
    read(folder)


@given(files, files)
def test_any_two_folders_have_one_digest_where_they_hold_the_same(
    folder: Path, one: dict[str, bytes], other: dict[str, bytes]
) -> None:
    digests = [folder_digest(fill(folder, content)) for content in (one, other)]
    assert (digests[0] == digests[1]) == (one == other)


@given(files, files, st.binary(max_size=70))
def test_any_folder_is_whole_where_it_holds_what_it_says(
    folder: Path, sealed: dict[str, bytes], found: dict[str, bytes], said: bytes
) -> None:
    seal(fill(folder, sealed))
    says = (folder / SEAL).read_bytes()
    (fill(folder, found) / SEAL).write_bytes(says)
    assert (damage(folder) == "") == (sealed == found)
    (folder / SEAL).write_bytes(said)
    assert damage(folder)
