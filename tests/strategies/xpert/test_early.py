"""xpert_early reads until one pLLM is clearly the nearest, and no further."""

from __future__ import annotations

import numpy as np
import pytest

from strategies import Embed, Generate, Text
from strategies.xpert import Basis
from strategies.xpert.early import XpertEarly

WORDS, TEXTS = 6, 40
BASIS = Basis.of({f"w{i}": row for i, row in enumerate(np.eye(WORDS))}, np.zeros(WORDS))
POOL = np.eye(WORDS)[:4]  # four pLLMs, each all of one word


def read(strategy: XpertEarly, hidden: np.ndarray) -> np.ndarray:
    """Let a phone read texts whose embeddings are given; the coordinates of those that it read."""
    texts = [Text(str(i), "") for i in range(len(hidden))]
    asking = strategy.read(texts, BASIS, POOL)
    reply, at = None, 0
    while True:
        try:
            request = asking.send(reply)
        except StopIteration as end:
            return end.value
        if isinstance(request, Generate):
            assert request.prompts == [t.prompt for t in texts[at : at + len(request.prompts)]]
            reply = [""] * len(request.prompts)
        else:
            assert isinstance(request, Embed)
            reply = hidden[at : at + len(request.prompts)]
            at += len(request.prompts)


def embeddings(lead: float, noise: float = 1.0) -> np.ndarray:
    """Texts that lie `lead` along the third word, in noise."""
    return np.random.default_rng(0).normal(scale=noise, size=(TEXTS, WORDS)) + lead * np.eye(WORDS)[2]


def test_a_clear_lead_is_seen_at_once() -> None:
    assert len(read(XpertEarly(step=4), embeddings(10.0))) == 4


def test_no_lead_is_read_to_the_end() -> None:
    assert len(read(XpertEarly(step=4), embeddings(0.0))) == TEXTS


def test_the_smaller_the_lead_the_more_is_read() -> None:
    counts = [len(read(XpertEarly(step=4), embeddings(lead))) for lead in (4.0, 1.0, 0.3)]
    assert counts == sorted(counts)
    assert counts[0] < counts[1]


def test_what_was_read_is_what_xpert_would_have_read_first() -> None:
    hidden = embeddings(1.0)
    z = read(XpertEarly(step=4), hidden)
    assert 4 < len(z) < TEXTS
    np.testing.assert_allclose(z, hidden[: len(z)], atol=1e-6)


@pytest.mark.parametrize("settings", [{"step": 1}, {"certainty": -1.0}, {"metric": "l2"}])
def test_settings_out_of_range_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="step"):
        XpertEarly(**settings)  # type: ignore[arg-type]
