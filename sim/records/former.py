"""Records of earlier versions, read as those of today: runs on people's disks are not written anew."""

from __future__ import annotations

import pandas as pd

from sim.records.tables import CANNOT_CHOOSE, PLLM, USER

_USER = "user "
"""How the owner of an explanation began, where it was a user."""
_CHOOSING = "choosing"
"""What `fits` said of a phone that cannot do what comes before fine-tuning."""


def as_today(table: pd.DataFrame) -> pd.DataFrame:
    """A table as it was read, with the columns into which some of it was parted since.

    Up to 0.2.0 the reason stood behind `fits` in the same cell. An owner was 'user N', which no pLLM is called, or the
    id of a pLLM.
    """
    if "fits" in table and "why" not in table:
        parts = table["fits"].str.partition(": ")
        table = table.assign(fits=parts[0].replace(_CHOOSING, CANNOT_CHOOSE), why=parts[2])
    if "owner" in table and "owner_kind" not in table:
        users = table["owner"].str.startswith(_USER)
        kind = users.map({True: USER, False: PLLM}).astype("str")
        table = table.assign(owner_kind=kind, owner=table["owner"].str.removeprefix(_USER).where(users, table["owner"]))
    return table
