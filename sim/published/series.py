"""The published values as typed rows: series of values by a key of the config, and what of ours stands beside each."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

FILE = Path(__file__).with_name("xpert.toml")
REST = "*"
"""In a table `why`: every point that the table does not name."""

SHARED = ("records", "key", "stated", "reading", "saved_of")
"""Keys that a section hands down to series without them; its `where` is joined with theirs."""

Setting = str | int | float | bool


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Ours(_Part):
    """What of a run stands beside a series: `factor` x a metric of a strategy, or distances between levels of an axis.

    `against` names another strategy: the share of the metric that is saved against it, user by user. `why` says for the
    points that lie outside why they do.
    """

    strategy: str = ""
    metric: str = ""
    rule: str = "restart"
    factor: float = Field(1.0, gt=0)
    against: str = ""
    levels: str = ""
    why: Mapping[str, str] = {}

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if bool(self.levels) == bool(self.strategy and self.metric):
            raise ValueError("either levels, or strategy and metric")
        return self

    def reason(self, point: str) -> str:
        """Why ours differs at a point; empty: not said."""
        return self.why.get(point, self.why.get(REST, ""))


class Series(_Part):
    """Published values of one quantity by point, and which runs are compared with them.

    A point is a value of the config's key `key`, as text; the only point is "" where nothing varies. `stated` are the
    points that the text or a table states; all others are read off a chart, to within `reading` either way. With
    `saved_of` set, what is compared is the share of it that a value saves, in percent. Without a published value in our
    notes `published` is empty. `missing` says why there is nothing of ours.
    """

    id: str
    quantity: str
    unit: str
    records: str = ""
    key: str = ""
    where: Mapping[str, Setting] = {}
    published: Mapping[str, int | float] = {}
    stated: tuple[str, ...] | bool = False
    reading: float = Field(0, ge=0)
    saved_of: float = Field(0, ge=0)
    missing: str = ""
    ours: tuple[Ours, ...] = ()

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if bool(self.missing) == bool(self.ours):
            raise ValueError(f"{self.id}: either ours, or why it is missing")
        if self.ours and not self.records:
            raise ValueError(f"{self.id}: records are not named")
        for point in (point for ours in self.ours for point in ours.why):
            if point not in (REST, *self.points):
                raise ValueError(f"{self.id}: why: {point!r} is no point of it")
        if any(not self.reading and not self.is_stated(point) for point in self.published):
            raise ValueError(f"{self.id}: read off a chart, but not how exactly")
        return self

    @property
    def points(self) -> tuple[str, ...]:
        """All points, in order."""
        return tuple(self.published) or ("",)

    @property
    def compared_in(self) -> str:
        """The unit in which ours stands beside it."""
        return "%" if self.saved_of else self.unit

    def is_stated(self, point: str) -> bool:
        """Whether a value is stated, not read off a chart."""
        return self.stated if isinstance(self.stated, bool) else point in self.stated

    def value(self, point: str) -> float:
        """The published value as it is compared."""
        value = float(self.published[point])
        return 100 * (1 - value / self.saved_of) if self.saved_of else value

    def within(self, point: str) -> float:
        """How far either way the value may be from what was meant: half its last digit, or how a chart is read."""
        _, _, decimals = repr(self.published[point]).partition(".")
        half = 0.5 * 10.0 ** -len(decimals) if self.is_stated(point) else self.reading
        return 100 * half / self.saved_of if self.saved_of else half


class Section(_Part):
    """A published table, chart or passage. `by` names what varies; `about` the setting; `note` what to know of ours.

    In the file a section may also say what all of its series share (`SHARED`).
    """

    id: str
    title: str
    about: str
    by: str = ""
    note: str = ""
    series: tuple[Series, ...]

    @model_validator(mode="before")
    @classmethod
    def _hand_down(cls, tree: Any) -> Any:
        own = {name: value for name, value in tree.items() if name not in (*SHARED, "where")}
        shared = {name: tree[name] for name in SHARED if name in tree}
        where = tree.get("where", {})
        return own | {"series": [shared | one | {"where": where | one.get("where", {})} for one in tree["series"]]}


class Paper(_Part):
    """All of it. `source` is the citation; `commands` makes the records, by their folder's name."""

    source: str
    commands: Mapping[str, str]
    section: tuple[Section, ...]

    @model_validator(mode="after")
    def _names(self) -> Self:
        ids = [series.id for section in self.section for series in section.series]
        if twice := {name for name in ids if ids.count(name) > 1}:
            raise ValueError(f"two series are called {min(twice)!r}")
        used = {series.records for section in self.section for series in section.series if series.records}
        if used != set(self.commands):
            raise ValueError(f"commands: {sorted(used ^ set(self.commands))} are used or named only")
        return self

    def series(self, name: str) -> Series:
        """The series with this id. Raises KeyError."""
        return {series.id: series for section in self.section for series in section.series}[name]

    def of(self, section: str) -> Section:
        """The section with this id. Raises KeyError."""
        return {one.id: one for one in self.section}[section]


@cache
def paper() -> Paper:
    """What XPerT's paper says."""
    return Paper.model_validate(tomllib.loads(FILE.read_text(encoding="utf-8")))
