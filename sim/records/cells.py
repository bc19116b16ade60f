"""CSV files, read with the types that their columns should have, and not believed where rows and header differ."""

from __future__ import annotations

import csv
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd

from sim.common.errors import UserError

_WHOLE = (r"\s*[+-]?[0-9]{1,18}(?:\.0*)?\s*", "a whole number of at most 18 digits")
_FLOAT = (r"\s*[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|inf(?:inity)?)\s*", "a number")
_ALLOWED = {"Int64": _WHOLE, "int64": _WHOLE, "float64": _FLOAT, "boolean": ("true|false", "true or false")}
"""What a cell that is not empty looks like, in any case, and in words; asked only when a table could not be read."""
_REFUSED = (OSError, ValueError, TypeError, OverflowError, csv.Error)


def read_cells(path: Path, dtypes: Mapping[str, str]) -> pd.DataFrame:
    """Read a CSV file; an empty cell is "" in a column of text and missing in one of another type.

    Raises UserError where a cell is not of its column's type, a column is there twice, or a row has more cells than the
    header, which pandas would read as one column further, or fewer.

    Args:
        dtypes: pandas' type of each column; those that the file lacks, or has beside these, are let be.
    """
    blank = {name: [""] for name, dtype in dtypes.items() if dtype != "str"}  # a style may well be called "None"
    columns = header(path)
    if twice := [name for name in columns if columns.count(name) > 1]:
        raise UserError(f"{path}: column {twice[0]!r} is there twice.")
    try:
        with warnings.catch_warnings(record=True) as warned:  # of rows longer than the header, if by commas alone
            warnings.simplefilter("ignore")  # of a number that is too large, and refused
            warnings.simplefilter("always", pd.errors.ParserWarning)
            table = pd.read_csv(path, dtype=dict(dtypes), keep_default_na=False, na_values=blank, index_col=False)
        last = table.iloc[:, -1]
        odd = _true_as_one(path, table, dtypes)
        wrong = _wrong(path, odd) if odd or warned or (last.isna() | (last == "")).any() else ""
    except _REFUSED as error:
        wrong = _wrong(path, dtypes) or _said(error)
    if wrong:
        raise UserError(f"{path}: {wrong}.")
    return table


def header(path: Path) -> list[str]:
    """The names of the columns. Raises UserError where there are none."""
    try:
        return next(_rows(path))
    except StopIteration:
        raise UserError(f"{path}: empty, where the names of columns should be.") from None
    except _REFUSED as error:
        raise UserError(f"{path}: {_said(error)}.") from error


def _said(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")


def _rows(path: Path) -> Iterator[list[str]]:
    """The rows that are not blank, the header first."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        for row in csv.reader(file):
            if len(row) > 1 or any(map(str.strip, row)):
                yield row


def _true_as_one(path: Path, table: pd.DataFrame, dtypes: Mapping[str, str]) -> dict[str, str]:
    """The columns of numbers, with their types, that hold True and False alone: pandas reads 1 and 0."""
    numbers = [name for name, dtype in dtypes.items() if dtype in ("float64", "int64") and name in table]
    some = [name for name in numbers if table[name].notna().any() and table[name].dropna().isin([0, 1]).all()]
    if not some:
        return {}
    cells = pd.read_csv(path, usecols=some, dtype="str", keep_default_na=False, index_col=False)
    return {name: dtypes[name] for name in some if cells[name].str.lower().isin(["true", "false"]).any()}


def _wrong(path: Path, dtypes: Mapping[str, str]) -> str:
    """The first row that is not as long as the header, or cell that is not of its type, in words; "": none is."""
    try:
        columns, *rows = _rows(path)
    except _REFUSED:
        return ""
    forms = [(at, name, *_ALLOWED[dtypes[name]]) for at, name in enumerate(columns) if dtypes.get(name, "str") != "str"]
    for number, row in enumerate(rows, start=1):
        if len(row) < len(columns) or any(row[len(columns) :]):
            return f"row {number} has {len(row)} cells, and the header {len(columns)}"
        for at, name, form, what in forms:
            if row[at] and not re.fullmatch(form, row[at], re.IGNORECASE):
                return f"column {name!r}, row {number}: {row[at][:60]!r} is not {what}"
    return ""
