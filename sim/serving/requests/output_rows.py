"""OutputRows: words as an LLM's output layer has them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sim.llm.infer import output_rows
from sim.serving.desk import Desk
from sim.serving.requests.base import Asked, Handler
from strategies.base import OutputRows


class OutputRowsHandler(Handler[OutputRows]):
    """A look-up, which is billed to nobody."""

    request = OutputRows

    def answer(self, desk: Desk, asked: Sequence[Asked[OutputRows]]) -> Sequence[npt.NDArray[np.float32]]:
        return [output_rows(desk.llm(one.request.llm), one.request.words) for one in asked]
