"""Answers are scored as sacrebleu and rouge-score do it, beside what the user wrote."""

from __future__ import annotations

import pytest

from sim.common import overlap as module
from sim.common.overlap import OVERLAP, missing, overlap

OWN = ["the cat sat on the mat", "a dog ran home"]


def test_the_users_own_words_score_one() -> None:
    assert overlap(OWN, OWN) == pytest.approx(dict.fromkeys(OVERLAP, 1.0))


def test_scores_by_hand() -> None:
    found = overlap(["the cat sat on a mat", "blue"], OWN)
    # ROUGE-1: five of six words each way, and none; the longest common sequence is as long.
    assert (found["rouge_1"], found["rouge_l"]) == pytest.approx((5 / 12, 5 / 12))
    # BLEU: precisions 5/7, 3/5, 2/4 (3 of 5 pairs, 2 of 4 triples), 1/3; seven words written where ten were
    precisions = 5 / 7 * 3 / 5 * 2 / 4 * 1 / 3
    assert found["bleu"] == pytest.approx(precisions**0.25 * 2.718281828 ** (1 - 10 / 7), rel=1e-6)


def test_nothing_written_scores_nothing() -> None:
    assert overlap(["", ""], OWN) == pytest.approx(dict.fromkeys(OVERLAP, 0.0))


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert missing() == ""
    monkeypatch.setattr(module, "PACKAGES", ("sacrebleu", "no_such_package"))
    assert missing() == "not installed: no_such_package; pip install -e '.[quality]'"
