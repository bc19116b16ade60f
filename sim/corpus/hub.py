"""The corpus in a Hugging Face dataset."""

from __future__ import annotations

from typing import Self

from sim.common.errors import UserError
from sim.corpus.lines import checked
from sim.corpus.rows import Columns, RowCorpus
from sim.experiment.sections import CorpusSection


class HubCorpus(RowCorpus):
    """A Hugging Face dataset by name, or a folder that `datasets` can load (needs the extra `headstart[hub]`)."""

    needs_path = True

    @classmethod
    def open(cls, section: CorpusSection) -> Self:
        """Load the split `train` of `path`; the other keys are as for a JSON Lines file.

        Raises: UserError where it cannot be loaded, or naming the column or row that is not as it should.
        """
        try:
            from datasets import load_dataset
        except ImportError as error:
            raise UserError("corpus.source: 'hf' needs the extra: pip install 'headstart[hub]'.") from error
        name, columns = section.path, Columns.of(section)
        try:
            rows = load_dataset(name, split="train")
        except Exception as error:
            said = " ".join(str(error).split()) or type(error).__name__
            raise UserError(f"corpus.path: cannot load dataset {name!r}: {said}") from error
        for key, column in vars(columns).items():
            if column not in rows.column_names:
                has = ", ".join(rows.column_names)
                raise UserError(f"corpus.{key}: {name!r} has no column {column!r}; it has {has}.")
        texts = (checked(r, f"{name}, row {i}", columns.names, columns.style) for i, r in enumerate(rows))
        return cls(columns.rows(texts, section.held_out), section.default, name, section.styles)
