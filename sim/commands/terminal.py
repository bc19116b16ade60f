"""The terminal that all commands share: two consoles, the arguments CONFIG and KEY=VALUE, paths and tables."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from sim.experiment.shipped import QUICKSTART

if TYPE_CHECKING:
    import pandas as pd

Format = Literal["png", "svg", "pdf"]
"""Kinds of files that a static plot is written as."""
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="print nothing but the last line; errors go to stderr")]
"""Option of commands that take long."""
PIPE_WIDTH = 160
"""Columns of a table where nobody's terminal says how wide it may be."""

# names and paths are printed as they are: `:x:` is no emoji, `[x]` no colour
console = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH, emoji=False, markup=False)
errors = Console(stderr=True, highlight=False, emoji=False, markup=False, soft_wrap=True)


def split_arguments(arguments: list[str]) -> tuple[Path, list[str]]:
    """A leading argument without '=' is the config file; without one it is the quickstart."""
    if arguments and "=" not in arguments[0]:
        return Path(arguments[0]), arguments[1:]
    return QUICKSTART, arguments


def say_path(path: Path) -> None:
    """Print a path on a line of its own, never wrapped."""
    console.print(str(path), soft_wrap=True, highlight=False, markup=False)


def frame(table: pd.DataFrame, formats: Mapping[str, str] = {}, title: str = "") -> Table:
    """A data frame for the terminal: numbers to the right, by `formats` (default `.3g`), NaN as a blank."""
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    out = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=title or None, title_justify="left")
    for name, dtype in table.dtypes.items():
        number = is_numeric_dtype(dtype) and not is_bool_dtype(dtype)
        out.add_column(str(name), justify="right" if number else "left", overflow="fold", no_wrap=number)
    for row in table.to_dict("records"):
        out.add_row(*(_cell(value, formats.get(str(name), ".3g")) for name, value in row.items()))
    return out


def _cell(value: Any, form: str) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return format(value, form) if isinstance(value, float) else str(value)
