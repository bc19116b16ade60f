"""The corpus in a folder of XPerT's format."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Self

from sim.common.errors import UserError
from sim.corpus.rows import Row, RowCorpus, in_natural_order, json_lines
from sim.experiment.sections import CorpusSection


class XpertCorpus(RowCorpus):
    """A folder of `N_train.json` and `N_test.json`, JSON Lines with Context, Input, Response; N names the style."""

    needs_path = True

    @classmethod
    def open(cls, section: CorpusSection) -> Self:
        """Read `path`; `default` and `styles` are names of styles.

        Raises: UserError naming file and line for a broken row, or the folder when it holds no such file.
        """
        path = Path(section.path)
        if not path.is_dir():
            raise UserError(f"corpus.path: no folder {section.path!r}.")
        files = sorted(path.glob("*_train.json"), key=lambda file: in_natural_order(file.name))
        if not files:
            raise UserError(f"corpus.path: no N_train.json in {section.path!r}.")
        return cls(_rows(files), section.default, str(path), section.styles)


def _rows(files: Iterable[Path]) -> Iterable[Row]:
    for train in files:
        style = train.name.removesuffix("_train.json")
        test = train.with_name(f"{style}_test.json")
        if not test.is_file():
            raise UserError(f"corpus.path: {test} is missing (each N_train.json needs its N_test.json).")
        for file, held_out in ((train, False), (test, True)):
            for row in json_lines(file, ("Context", "Response"), optional="Input"):
                prompt = "\n".join(p for p in (row["Context"], row["Input"]) if p)
                yield style, prompt, row["Response"], held_out
