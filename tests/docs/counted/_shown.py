"""How pages show figures."""

from __future__ import annotations

from typing import Any

import pandas as pd


def percent(share: Any) -> str:
    return f"{100 * share:.0f} %"


def span(values: pd.Series[float], digits: int, between: str = " to ") -> str:
    return f"{values.min():.{digits}f}{between}{values.max():.{digits}f}"


def listed(values: pd.Series[float], digits: int) -> str:
    return ", ".join(f"{value:.{digits}f}" for value in values)


def spoken(words: list[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}"
