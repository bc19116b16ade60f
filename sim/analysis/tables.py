"""The tables of a run, read from the folder that it left behind. Analysis sees nothing else, so anyone can redo it."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sim.common.disk import write_whole
from sim.common.errors import UserError, nearest
from sim.common.names import has_controls
from sim.corpus import CORPORA, Corpus, open_corpus
from sim.experiment.config import Config
from sim.records.cells import read_cells
from sim.records.former import as_today
from sim.records.tables import ADDED, FAILED, FITTING, OF_RUN, TABLES, USER, Column

KEYS = ("user_id", "amount", "texts", "step", "rank")
"""Columns of numbers that are in no row empty."""
OF_USERS = ("users", "ladder", "curves", "choices", "words")
"""Tables whose rows are of users, or may be."""
_DTYPES = {int: "Int64", float: "float64", bool: "boolean", str: "str"}


@dataclass(frozen=True, eq=False)
class Run:
    """A run's tables, with the columns and units of `sim.records.tables`; one that was not written is empty.

    Attackers are left out of all tables of users: `attackers` has the rows of users.csv that are theirs.
    """

    folder: Path
    config: Config | None
    users: pd.DataFrame
    ladder: pd.DataFrame
    curves: pd.DataFrame
    choices: pd.DataFrame
    words: pd.DataFrame
    pool: pd.DataFrame
    cloud: pd.DataFrame
    versions: pd.DataFrame
    attackers: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def name(self) -> str:
        """The name in the config; without a config the name of the folder above."""
        return self.config.name if self.config else self.folder.resolve().parent.name

    @property
    def seed(self) -> int:
        """The seed in the config, which intervals are drawn with; 0 without a config."""
        return self.config.seed if self.config else 0

    @cached_property
    def strategies(self) -> tuple[str, ...]:
        """Strategies with results, in the order of the config; those it does not name last."""
        found = list(dict.fromkeys(self.users["strategy"]))
        planned = self.config.strategies if self.config else []
        return tuple(sorted(found, key=lambda s: planned.index(s) if s in planned else len(planned)))

    @cached_property
    def user_ids(self) -> np.ndarray:
        """All users, ascending, shape (users,)."""
        return np.unique(self.users["user_id"].to_numpy(dtype=np.int64))

    @cached_property
    def _places(self) -> tuple[np.ndarray, np.ndarray]:
        column = {strategy: i for i, strategy in enumerate(self.strategies)}
        rows = np.searchsorted(self.user_ids, self.users["user_id"].to_numpy(dtype=np.int64))
        return rows, self.users["strategy"].map(column).to_numpy(dtype=np.int64)

    def wide(self, values: str | pd.Series) -> pd.DataFrame:
        """One number per user (rows) and strategy (columns); NaN where the run has none.

        Args:
            values: a column of users.csv, or a series along its rows.
        """
        series = self.users[values] if isinstance(values, str) else values
        grid = np.full((len(self.user_ids), len(self.strategies)), np.nan)
        grid[self._places] = series.to_numpy(dtype=float, na_value=np.nan)
        return pd.DataFrame(grid, index=pd.Index(self.user_ids, name="user_id"), columns=list(self.strategies))

    @cached_property
    def fits(self) -> pd.DataFrame:
        """1 where the phone can choose and fine-tune the deployed LLM, 0 where not; NaN: not known."""
        fits = self.users["fits"]
        known = ~fits.isin(["", FAILED])
        return self.wide(fits.isin(FITTING).where(known))

    @cached_property
    def styles(self) -> np.ndarray:
        """The true style of each of `user_ids`, or styles joined by '+', shape (users,)."""
        return self.trait("style")

    def trait(self, column: str) -> np.ndarray:
        """What a column of text says of each of `user_ids` in the first of the user's rows, shape (users,)."""
        return self.users.groupby("user_id")[column].first().reindex(self.user_ids).to_numpy(dtype=str)

    def require(self, strategy: str) -> None:
        """Raise UserError unless the run has results of the strategy."""
        if strategy not in self.strategies:
            raise UserError(f"strategy {strategy!r}: not in this run.{nearest(strategy, self.strategies)}")


def held(curves: pd.DataFrame, last: int) -> pd.DataFrame:
    """Losses of users (rows) by step (columns, up to `last`), held after a user's last evaluation."""
    losses = curves.pivot_table(index="user_id", columns="step", values="loss")
    if last not in losses.columns and not losses.empty:
        losses[last] = np.nan
    return losses.ffill(axis=1)


def is_run(folder: Path) -> bool:
    """Whether a folder holds the records of a run."""
    return (folder / "users.csv").is_file()


def load_run(folder: Path | str) -> Run:
    """Read a run folder. Raises UserError when it is none, or when a file in it is broken."""
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder.")
    if not is_run(folder):
        raise UserError(f"{folder}: no run, for it has no users.csv.{_inside(folder)}")
    toml = folder / "config.toml"
    names = ("users", "ladder", "curves", "choices", "words", "pool", "cloud", "versions")
    tables = {name: read_table(folder / f"{name}.csv", TABLES[name]) for name in names}
    config = Config.of_run(toml) if toml.is_file() else None
    if config is not None:  # records of earlier versions do not say it
        tables = {name: _of_run(table, config) for name, table in tables.items()}
    users = tables["users"]
    if users.empty:
        raise UserError(f"{folder / 'users.csv'}: no rows, so no user has finished yet.")
    if (twice := users.duplicated(["user_id", "strategy"])).any():
        row = users[twice].iloc[0]
        raise UserError(f"{folder / 'users.csv'}: two rows for user {row.user_id} and strategy {row.strategy!r}.")
    hostile = users["attacker"].fillna(False).astype(bool)
    if hostile.all():
        raise UserError(
            f"{folder / 'users.csv'}: all {users['user_id'].nunique()} users attack, so there is no result."
        )
    attackers = users[hostile]
    tables |= {name: _without(tables[name], set(attackers["user_id"])) for name in OF_USERS}
    return Run(folder, config, **tables, attackers=attackers)


def _without(table: pd.DataFrame, users: set[int]) -> pd.DataFrame:
    """The rows of a table but those of some users."""
    if not users:
        return table
    if "user_id" in table:
        mine = table["user_id"].isin(users)
    else:
        mine = (table["owner_kind"] == USER) & table["owner"].isin({str(user) for user in users})
    return table[~mine].reset_index(drop=True)


def _of_run(table: pd.DataFrame, config: Config) -> pd.DataFrame:
    """A table, each row of which says which run it is of."""
    missing = table["run"].eq("").all() and table["seed"].isna().all()
    return table.assign(**config.of_rows).astype(_dtypes(OF_RUN)) if missing else table


def write_table(run: Run, name: str, table: pd.DataFrame) -> None:
    """Write a table that is made of a run's records beside them, with the columns that say which run it is of."""
    of_run = run.users[[column.name for column in OF_RUN]].iloc[:1]
    write_whole(run.folder / f"{name}.csv", of_run.merge(table, how="cross").to_csv(index=False))


def _dtypes(columns: Iterable[Column]) -> dict[str, str]:
    return {c.name: _DTYPES[c.type] for c in columns}


def read_table(path: Path, columns: tuple[Column, ...]) -> pd.DataFrame:
    """Read a CSV file with the types of `sim.records.tables`; an absent file is an empty table. Raises UserError."""
    dtypes = _dtypes(columns)
    if not path.is_file():
        return pd.DataFrame({name: pd.Series(dtype=dtype) for name, dtype in dtypes.items()})
    table = as_today(read_cells(path, dtypes))
    absent = {name: dtype for name, dtype in dtypes.items() if name not in table}
    if missing := [name for name in absent if name not in ADDED]:
        raise UserError(f"{path}: column {missing[0]!r} is missing.")
    for name in KEYS:
        if name in dtypes and (blank := table[name].isna()).any():
            raise UserError(f"{path}: column {name!r} is empty in row {int(np.argmax(blank)) + 1}.")
    empty = {name: pd.Series("" if dtype == "str" else None, table.index, dtype) for name, dtype in absent.items()}
    table = table.assign(**empty)
    check_names(path, table[[name for name, dtype in dtypes.items() if dtype == "str"]])
    return table


def check_names(path: Path, table: pd.DataFrame) -> None:
    """Raise UserError where a cell of a table of text has control characters, which a terminal would obey."""
    for column in table:
        for name in table[column].unique():
            if has_controls(name):
                raise UserError(f"{path}: column {str(column)!r} has control characters in {name[:60]!r}.")


def corpus_of(run: Run) -> Corpus | None:
    """The corpus that a run's config names, for what it knows of styles; None: it is not at hand, or knows nothing.

    Files are not read for it, unless their class has levels or a vocabulary.
    """
    if run.config is None:
        return None
    try:
        kind = CORPORA.load(run.config.corpus.source)
        if kind.needs_path and not (kind.levels or kind.vocabulary):
            return None
        return open_corpus(run.config.corpus)
    except UserError:
        return None


def parts_of(joined: str, known: Container[str]) -> tuple[str, ...]:
    """The names of a list joined by '+', which may be part of a name as well: the longest that is known comes first."""
    parts, names = joined.split("+") if joined else [], []
    while parts:
        ends = range(len(parts), 1, -1)
        end = next((end for end in ends if "+".join(parts[:end]) in known), 1)
        names.append("+".join(parts[:end]))
        parts = parts[end:]
    return tuple(names)


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as dictionaries."""
    return [{str(name): cell for name, cell in row.items()} for row in table.to_dict("records")]


def _inside(folder: Path) -> str:
    """Name a run below the folder, for one is easily off by a level."""
    runs = sorted(p.parent for p in [*folder.glob("*/users.csv"), *folder.glob("*/*/users.csv")])
    return f" Did you mean {str(runs[-1])!r}?" if runs else ""
