"""How well members are told from others: by ranks, with intervals over users."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from sim.analysis.run.leak import FALSE_ALARMS, told_apart

USERS, EACH = 30, 32
UNIT = np.repeat(np.arange(USERS), EACH)
MEMBER = np.tile(np.arange(EACH) < EACH // 2, USERS)
RNG = np.random.default_rng(9000)


def test_a_leak_that_tells_all() -> None:
    found = told_apart(MEMBER + 0.4 * RNG.random(len(UNIT)), MEMBER, UNIT, 9000)
    assert found == dict.fromkeys(("auc", "auc_low", "auc_high", "tpr", "tpr_low", "tpr_high"), pytest.approx(1.0))


def test_no_leak_is_a_guess_within_its_interval() -> None:
    """Also where users' texts differ: how easy a user is to read says nothing of membership."""
    easy = RNG.normal(size=USERS)[UNIT]
    for score in (RNG.normal(size=len(UNIT)), easy + 0.1 * RNG.normal(size=len(UNIT))):
        found = told_apart(score, MEMBER, UNIT, 9000)
        assert found["auc_low"] < 0.5 < found["auc_high"]
        assert found["tpr_low"] <= FALSE_ALARMS <= found["tpr_high"]


def test_auc_is_that_of_ranks_and_texts_of_one_score_count_half() -> None:
    score = RNG.normal(size=len(UNIT)) + 0.5 * MEMBER
    for values in (score, score.round(), np.zeros(len(UNIT))):
        pairs = MEMBER.sum() * (~MEMBER).sum()
        expected = mannwhitneyu(values[MEMBER], values[~MEMBER]).statistic / pairs
        found = told_apart(values, MEMBER, UNIT, 9000)
        assert found["auc"] == pytest.approx(expected)
    assert (found["auc_low"], found["auc_high"], found["tpr"]) == (0.5, 0.5, 0.0)  # one bar: all or nobody


def test_found_at_few_false_alarms_is_counted_from_the_top() -> None:
    """300 texts of either kind: three may be taken for members by mistake."""
    member = np.arange(600) < 300
    score = np.where(member, 0.0, -1.0)
    score[:50], score[300:303], score[303] = 3.0, 2.0, 1.0  # 50 on top, then three false alarms, then one too many
    found = told_apart(score, member, np.arange(600), 9000)
    assert found["tpr"] == pytest.approx(50 / 300)


def test_users_are_drawn_with_all_of_their_texts() -> None:
    """Where every user either leaks all or nothing, intervals are as wide as so few users make them."""
    leaks = (np.arange(USERS) % 2 == 0)[UNIT]
    score = np.where(leaks, MEMBER + 0.0, 0.5)
    wide = told_apart(score, MEMBER, UNIT, 9000)
    narrow = told_apart(score, MEMBER, np.arange(len(UNIT)), 9000)
    width, too_narrow = (found["auc_high"] - found["auc_low"] for found in (wide, narrow))
    assert width > 2 * too_narrow
    alone = told_apart(score[:EACH], MEMBER[:EACH], UNIT[:EACH], 9000)
    assert np.isnan(alone["auc_low"])  # of one user nothing is known of the spread
