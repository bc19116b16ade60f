"""Streams of many users give what they say or nothing: numpy's own methods would draw the same for any users."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from sim.common.streams import Streams

WRITTEN = {"random", "standard_normal", "integers", "choice"}
METHODS = [name for name in dir(np.random.Generator) if not name.startswith("_")]


@pytest.mark.parametrize("name", sorted(set(METHODS) - WRITTEN))
def test_a_method_that_is_not_written_is_refused_by_its_name(name: str) -> None:
    with pytest.raises(AttributeError, match=f"Streams has no {name}: "):
        getattr(Streams(0, [1, 2, 3], "what"), name)


def test_written_methods_differ_between_users() -> None:
    for draw in (
        lambda rng: rng.random(2),
        lambda rng: rng.standard_normal(2),
        lambda rng: rng.integers(2**40, size=2),
        lambda rng: rng.choice(2**30, size=2),
    ):
        one, other = (draw(Streams(0, users, "what")) for users in ([1, 2], [3, 4]))
        assert len({*one.tolist(), *other.tolist()}) == 4


@pytest.mark.parametrize("draw", [
    lambda rng: rng.random(2, dtype=np.float32),
    lambda rng: rng.integers(0, 4, size=2, endpoint=True),
    lambda rng: rng.choice(4, size=2, replace=False),
])  # fmt: skip
def test_settings_that_would_be_passed_over_are_refused(draw) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(TypeError, match="unexpected keyword"):
        draw(Streams(0, [1, 2], "what"))


@pytest.mark.parametrize("copied", [pickle.dumps, copy.copy, copy.deepcopy])
def test_copies_which_would_be_one_generator_are_refused(copied) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(TypeError, match="neither copied nor pickled"):
        copied(Streams(0, [1, 2], "what"))
