"""The corpus in any JSON Lines file."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from sim.common.errors import UserError
from sim.corpus.lines import json_lines
from sim.corpus.rows import Columns, RowCorpus
from sim.experiment.sections import CorpusSection


class JsonlCorpus(RowCorpus):
    """A file with a JSON object a line."""

    needs_path = True

    @classmethod
    def open(cls, section: CorpusSection) -> Self:
        """Read `path`; `prompt`, `answer` and `style` name its columns, a share `held_out` of the prompts is held out.

        Raises: UserError naming file and line for a broken row.
        """
        path, columns = Path(section.path), Columns.of(section)
        if not path.is_file():
            raise UserError(f"corpus.path: no file {section.path!r}.")
        rows = json_lines(path, columns.names, name=columns.style)
        return cls(columns.rows(rows, section.held_out), section.default, str(path), section.styles)
