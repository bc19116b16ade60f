"""Arguments of requests: what no request can mean is refused where it is made."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from strategies import (
    Choice,
    Download,
    Embed,
    Encode,
    Evaluate,
    Generate,
    NextWords,
    Offer,
    OutputRows,
    Request,
    Start,
    States,
    Text,
    Train,
)

TEXTS = (Text("p", "a"),)


@pytest.mark.parametrize(
    ("make", "kind", "said"),
    [
        (lambda: Train(start=Start(), texts=3, steps="many"), TypeError, r"Train: texts = 3: a list of Text"),
        (lambda: Train(Start(), TEXTS, "many"), TypeError, r"Train: steps = 'many': a number above 0"),
        (lambda: Train(Start(), TEXTS, True), TypeError, "Train: steps = True"),
        (lambda: Train(Start(), TEXTS, 0), ValueError, "Train: steps = 0: a number above 0"),
        (lambda: Train(Start(), TEXTS, float("nan")), ValueError, "Train: steps = nan"),
        (lambda: Train(Start(), (), 1), ValueError, r"Train: texts = \(\): at least one text"),
        (lambda: Train({"a": 1.0}, TEXTS, 1), TypeError, r"Train: start = \{'a': 1.0\}: a Start is expected"),
        (lambda: Evaluate("a", TEXTS), TypeError, "Evaluate: start = 'a': a Start is expected"),
        (lambda: Evaluate(Start(), "abc"), TypeError, "Evaluate: texts = 'abc': a list of Text"),
        (lambda: Evaluate(Start(), [*TEXTS, "b"]), TypeError, r"Evaluate: texts\[1\] = 'b': a Text of two strings"),
        (lambda: Evaluate(Start(), [Text("p", None)]), TypeError, r"texts\[0\] = Text\(prompt='p', answer=None\)"),
        (lambda: Start(["a"]), TypeError, r"Start: weights = \['a'\]: weights by pLLM"),
        (lambda: Start({"a": "all"}), TypeError, r"Start: weights = \{'a': 'all'\}: ids of pLLMs and numbers"),
        (lambda: Download(0), TypeError, "Download: pllm = 0: the id of a pLLM"),
        (lambda: Generate("one prompt"), TypeError, "Generate: prompts = 'one prompt': a list of strings"),
        (lambda: Generate([1]), TypeError, r"Generate: prompts\[0\] = 1: a string"),
        (lambda: Generate(["p"], max_new_tokens=2.5), TypeError, "max_new_tokens = 2.5: a whole number"),
        (lambda: Generate(["p"], max_new_tokens=0), ValueError, "max_new_tokens = 0: a whole number, at least 1"),
        (lambda: Generate(["p"], temperature=-1), ValueError, "temperature = -1: a number, 0 or more"),
        (lambda: Generate(["p"], llm="big"), ValueError, "Generate: llm = 'big': 'base' or 'summarizer'"),
        (lambda: Embed("p"), TypeError, "Embed: prompts = 'p'"),
        (lambda: States(["s"], depth=0), ValueError, "States: depth = 0: a share of the layers"),
        (lambda: States(["s"], depth="half"), TypeError, "States: depth = 'half'"),
        (lambda: OutputRows([None]), TypeError, r"OutputRows: words\[0\] = None"),
        (lambda: Encode(b"s"), TypeError, "Encode: strings = b's'"),
        (lambda: NextWords(["p"], "few"), TypeError, "NextWords: count = 'few': a whole number"),
        (lambda: Choice("a"), TypeError, "Choice: start = 'a': a Start is expected"),
        (lambda: Choice(Start(), 0.5), TypeError, "Choice: scores = 0.5: numbers by name"),
        (lambda: Offer("a"), TypeError, "Offer: pllms = 'a': ids of pLLMs are expected, as cloud.pool.ids"),
        (lambda: Offer((), [1]), TypeError, r"Offer: payload = \[1\]: a dictionary"),
    ],
)
def test_wrong_arguments_are_refused_where_they_stand(make: Callable[[], Any], kind: type, said: str) -> None:
    with pytest.raises(kind, match=said) as caught:
        make()
    assert any("lambda" in frame.name for frame in traceback.extract_tb(caught.value.__traceback__))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "request_",
    [
        Train(Start(), list(TEXTS), np.float32(0.5)),
        Train(Start({"a": np.float64(0.5), "b": 1}), TEXTS, torch.tensor(2.0)),
        Evaluate(Start({}), np.array(TEXTS, dtype=object)),
        Evaluate(Start(), ()),
        Generate(np.array(["a", "b"]), max_new_tokens=np.int64(3), temperature=np.float32(0)),
        NextWords(("a",), np.int32(3), "base"),
        States([], depth=np.float64(0.25)),
    ],
    ids=lambda request: type(request).__name__,
)
def test_what_can_be_meant_is_taken(request_: Request[object]) -> None:
    """Numbers and arrays of numpy and torch stand for those of Python."""
    assert isinstance(request_, Request)


def test_a_value_whose_own_text_fails_is_named_all_the_same() -> None:
    class Odd:
        def __repr__(self) -> str:
            raise RuntimeError

    odd: Any = Odd()
    with pytest.raises(TypeError, match="Download: pllm = a Odd: "):
        Download(odd)
