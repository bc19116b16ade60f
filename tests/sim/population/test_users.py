"""A user follows from seed and id alone; texts, styles, phone and connection are as the config says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from devices import phones
from sim.common.errors import UserError
from sim.common.streams import Streams, stream
from sim.corpus.persona import PersonaCorpus
from sim.corpus.rows import RowCorpus
from sim.experiment.config import Config
from sim.population.users import User, draw_devices, draw_user, draw_users
from strategies.base import Text

STYLES = ["a", "b", "c", "d"]
CORPUS = RowCorpus(
    [(s, f"{p} {i}", f"in {s}", p == "test") for s in ["0", *STYLES] for p in ("train", "test") for i in range(80)],
    "0",
    "the test",
)


def config(*overrides: str) -> Config:
    return Config.load(None, ["population.texts=12", "population.held_out=6", *overrides])


def written(user: User) -> tuple[User, Sequence[Text], Sequence[Text]]:
    return user, user.texts, user.held_out


def test_a_user_is_the_same_in_any_population() -> None:
    few, many = config("population.users=4"), config("population.users=100000", "engine.cohort=1", "engine.workers=7")
    assert written(draw_user(few, CORPUS, STYLES, 3)) == written(draw_user(many, CORPUS, STYLES, 3))


@pytest.mark.parametrize("phones", ["market", "tier:mid", "oneplus-12", "oneplus-12,google-pixel-3,xiaomi-redmi-7a"])
@pytest.mark.parametrize("network", ["market", "5g"])
def test_a_user_is_the_same_drawn_alone_and_together(phones: str, network: str) -> None:
    mixed = config(f"population.phones={phones}", f"population.network={network}")
    for user in draw_users(mixed, CORPUS, STYLES, [2, 40, 7, 300, 41]):
        assert user == draw_user(mixed, CORPUS, STYLES, user.id)


def test_a_user_s_texts_and_phone_do_not_depend_on_strategies_or_training() -> None:
    other = config("strategies=random", "training.steps=3", "pool.size=2", "billing.precision=fp16")
    assert written(draw_user(config(), CORPUS, STYLES, 3)) == written(draw_user(other, CORPUS, STYLES, 3))


def test_users_differ_from_each_other_and_by_seed() -> None:
    users = [draw_user(config(), CORPUS, STYLES, i) for i in range(20)]
    assert len({tuple(u.texts) for u in users}) == 20
    assert {u.styles[0] for u in users} == set(STYLES)
    assert draw_user(config("seed=1"), CORPUS, STYLES, 3).texts != users[3].texts


def test_own_and_held_out_texts_share_no_prompt_and_are_in_the_user_s_style() -> None:
    for i in range(10):
        user = draw_user(config(), CORPUS, STYLES, i)
        assert (len(user.texts), len(user.held_out)) == (12, 6)
        assert {t.prompt.split()[0] for t in user.texts} == {"train"}
        assert {t.prompt.split()[0] for t in user.held_out} == {"test"}
        assert {t.answer for t in [*user.texts, *user.held_out]} == {f"in {user.styles[0]}"}


def test_a_user_is_taught_if_all_own_styles_are() -> None:
    corpus = PersonaCorpus()
    taught, untaught = "expert-concise-poetic", "expert-concise-noir"
    for styles, known in (([taught], True), ([untaught], False), ([taught, untaught], False)):
        mixed = config(f"population.styles_per_user={len(styles)}")
        assert draw_user(mixed, corpus, styles, 0).taught is known
    assert draw_user(config(), CORPUS, STYLES, 0).taught is None


def test_the_first_texts_are_of_every_style() -> None:
    """A step of the ladder takes the first texts."""
    user = draw_user(config("population.styles_per_user=2", "population.texts=40"), CORPUS, STYLES, 0)
    assert len({t.answer for t in user.texts[:10]}) == 2


@pytest.mark.parametrize(("texts", "shares"), [(12, [4, 4, 4]), (13, [4, 4, 5]), (2, [1, 1])])
def test_mixed_styles_are_dealt_evenly(texts: int, shares: list[int]) -> None:
    mixed = config("population.styles_per_user=3", f"population.texts={texts}", "ladder.users=0")
    for i in range(5):
        user = draw_user(mixed, CORPUS, STYLES, i)
        assert len(set(user.styles)) == 3
        assert sorted(Counter(t.answer for t in user.texts).values()) == shares


def test_more_styles_than_there_are_is_refused() -> None:
    with pytest.raises(UserError, match=r"population.styles_per_user = 5: .* only 4 styles"):
        draw_user(config("population.styles_per_user=5"), CORPUS, STYLES, 0)


def drawn_phones(mix: str, count: int = 300) -> list[str]:
    mixed = config(f"population.phones={mix}")
    return [str(phone) for phone in draw_devices(mixed, range(count))[0]]


def test_one_phone_for_all() -> None:
    assert set(drawn_phones("oneplus-12", 20)) == set(drawn_phones("OnePlus 12", 20)) == {"oneplus-12"}


def test_phones_from_a_list_come_about_equally_often() -> None:
    found = Counter(drawn_phones("oneplus-12, google-pixel-3, apple-iphone-13"))
    assert set(found) == {"oneplus-12", "google-pixel-3", "apple-iphone-13"}
    assert min(found.values()) > 70


def test_phones_of_a_tier_are_of_that_tier() -> None:
    found = set(drawn_phones("tier:entry"))
    assert {phones()[p].tier for p in found} == {"entry"}
    assert len(found) > 5


def test_phones_of_the_market_are_of_every_tier() -> None:
    tiers = Counter(phones()[p].tier for p in drawn_phones("market"))
    assert len(tiers) == 4
    assert tiers["entry"] / 300 == pytest.approx(0.30, abs=0.09)


def test_own_phones_are_drawn_by_name_tier_and_list(tmp_path: Path) -> None:
    own = tmp_path / "mine.csv"
    own.write_text("phone_id,brand,model,release_year,tier\nmine,My,Phone 3,2024,entry\n")

    def drawn(mix: str) -> set[str]:
        mixed = config(f"population.phones={mix}", f"population.phone_file={own}")
        return set(draw_devices(mixed, range(100))[0])

    assert drawn("mine") == drawn("My Phone 3") == {"mine"}
    assert drawn("mine,oneplus-12") == {"mine", "oneplus-12"}
    assert "mine" in drawn("tier:entry")
    assert "mine" not in drawn("market")


def test_an_own_phone_elsewhere_changes_nobody_s_phone(tmp_path: Path) -> None:
    own = tmp_path / "mine.csv"
    own.write_text("phone_id,release_year,tier\nmine,2024,entry\n")
    mine = config(f"population.phone_file={own}", "population.availability=daily")
    assert list(draw_devices(mine, range(50))[0]) == drawn_phones("market", 50)


@pytest.mark.parametrize("access", ["wifi", "4g"])
def test_network_of_one_access_type(access: str) -> None:
    fixed = config(f"population.network={access}")
    networks = draw_devices(fixed, range(20))[1]
    assert set(networks.access) == {access}
    assert len(set(networks.down_mbps)) == 20


def test_streams_of_one_key_are_equal_and_of_other_keys_are_not() -> None:
    keys: list[tuple[int | str, ...]] = [(0, "texts"), (1, "texts"), (0, "phone"), ("texts", 1), (1, "phone")]
    first = {key: tuple(stream(5, *key).integers(2**62, size=2)) for key in keys}
    assert len(set(first.values())) == len(keys)
    assert first == {key: tuple(stream(5, *key).integers(2**62, size=2)) for key in reversed(keys)}
    assert tuple(stream(6, *keys[0]).integers(2**62, size=2)) != first[keys[0]]


def test_a_stream_is_the_same_in_every_process() -> None:
    expected = np.random.PCG64(np.random.SeedSequence([5, 3, 0x1E3513BF])).random_raw()
    assert stream(5, 3, "texts").bit_generator.random_raw() == expected  # CRC-32 of "texts", not Python's hash


def test_streams_of_many_users_draw_as_each_alone() -> None:
    users = [5, 0, 17]
    weights = np.array([0.2, 0.5, 0.3])

    def drawn(rng: np.random.Generator, n: int) -> list[np.ndarray]:
        return [
            rng.choice(np.array(list("abc")), size=n, p=weights),
            rng.standard_normal(n),
            rng.random((n, 2)),
            rng.choice(np.array(["x", "y"]), size=n),
            rng.integers(40, size=n),
            rng.standard_normal((n,)),
        ]

    together = drawn(Streams(3, users, "what"), len(users))
    for at, user in enumerate(users):
        alone = drawn(stream(3, user, "what"), 1)
        assert all(np.array_equal(a[at], b[0]) for a, b in zip(together, alone, strict=True))
    with pytest.raises(ValueError, match="3 users cannot draw 2"):
        Streams(3, users, "what").random(2)
