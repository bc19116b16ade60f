"""The corpus in a folder of XPerT's format."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Self

from sim.common.errors import UserError
from sim.corpus.lines import fault_of, json_lines
from sim.corpus.names import in_natural_order
from sim.corpus.rows import Row, RowCorpus
from sim.experiment.sections import CorpusSection

TRAIN, TEST = "_train.json", "_test.json"
"""How the names of a style's two files end."""


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
        found = {end: {file.name.removesuffix(end) for file in path.glob(f"*{end}")} for end in (TRAIN, TEST)}
        if not found[TRAIN]:
            raise UserError(f"corpus.path: no N_train.json in {section.path!r}.")
        for has, lacks in ((TRAIN, TEST), (TEST, TRAIN)):
            for style in sorted(found[has] - found[lacks], key=in_natural_order):
                raise UserError(f"corpus.path: {path / (style + lacks)} is missing, and {style + has} is there.")
        styles = sorted(found[TRAIN], key=in_natural_order)
        for style in styles:
            if fault := fault_of(style, is_name=True) or ("no name" if not style.strip() else ""):
                raise UserError(f"corpus.path: {str(path / (style + TRAIN))!r}: what is before {TRAIN} has {fault}.")
        return cls(_rows(path, styles), section.default, str(path), section.styles)


def _rows(folder: Path, styles: Iterable[str]) -> Iterable[Row]:
    for style in styles:
        for end, held_out in ((TRAIN, False), (TEST, True)):
            for row in json_lines(folder / (style + end), ("Context", "Response"), optional="Input"):
                prompt = "\n".join(p for p in (row["Context"], row["Input"]) if p)
                yield style, prompt, row["Response"], held_out
