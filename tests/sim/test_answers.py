"""What an inference request is booked as."""

from __future__ import annotations

import numpy as np
import pytest

from sim.answers import shared_tokens


@pytest.mark.parametrize(
    ("prompts", "shared"),
    [
        ([[1, 2, 7, 9], [1, 2, 8, 5, 9]], 2 * 3),
        ([[1, 2, 3], [4, 5, 6]], 0),
        ([[1, 2], [1, 2], [1, 2]], 3 * 2),
        ([[1, 1], [1, 1, 1]], 2 * 2),
        ([[1, 2, 3]], 0),
        ([], 0),
    ],
)
def test_instruction_is_what_prompts_share_at_their_ends(prompts: list[list[int]], shared: int) -> None:
    assert shared_tokens([np.array(p) for p in prompts]) == shared
