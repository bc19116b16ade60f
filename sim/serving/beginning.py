"""Where a user's fine-tuning begins."""

from __future__ import annotations

from torch import Tensor

from sim.serving.account import PhoneAccount
from sim.serving.desk import Desk
from strategies.base import Start


def beginning(desk: Desk, account: PhoneAccount, start: Start) -> Tensor:
    """The flat adapter (size,) that training begins with: a start's, or from scratch the user's own fresh one."""
    return desk.adapter(start) if start.weights else desk.lanes.layout.fresh(account.fresh_rng())
