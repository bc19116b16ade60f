"""What a strategy may ask for. Each request says what its reply is; how it is answered and priced is not known here.

A request names pLLMs by their ids in a `Start`, and LLMs by "base" (the one that is personalised) or "summarizer" (the
one that judges styles). What no request can mean is refused where it is made, at the strategy's own line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil, inf
from typing import Generic, Literal, TypeVar, get_args

import numpy as np
import numpy.typing as npt

from strategies.arguments import check_count, check_strings, is_number, is_sequence, wrong

Which = Literal["base", "summarizer"]
"""Which LLM a request is for: the one being personalised, or the one that judges styles."""

Reply = TypeVar("Reply", covariant=True)


class Request(Generic[Reply]):
    """Something that a phone yields, or that the cloud is asked. The type parameter is that of the reply.

    Raises TypeError for an argument of another kind than is expected, and ValueError for one out of range.
    """


@dataclass(frozen=True)
class Text:
    """One thing a user wrote or wants written: a prompt and its answer in the user's style."""

    prompt: str
    answer: str


@dataclass(frozen=True)
class Start:
    """Where fine-tuning begins: weights over pLLMs; empty means from scratch.

    Several weights mean XPerT's merge, theta_base + sum_i a_i (theta_i - theta_base), done exactly.
    """

    weights: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.weights, Mapping):
            raise wrong(self, "weights", self.weights, "weights by pLLM are expected, as {pllm: 1.0}")
        for pllm, weight in self.weights.items():
            if not isinstance(pllm, str) or not is_number(weight):
                raise wrong(self, "weights", self.weights, "ids of pLLMs and numbers are expected, as {pllm: 1.0}")

    def __hash__(self) -> int:
        return hash(tuple(sorted(self.weights.items())))

    @property
    def best(self) -> str:
        """The pLLM with the largest weight, or "" from scratch."""
        return max(self.weights, key=self.weights.__getitem__) if self.weights else ""


@dataclass(frozen=True)
class Download(Request[None]):
    """Fetch a pLLM to the phone (as the pool ships it: adapter or whole model). Reply: None.

    It stays there: the second time is free. A pLLM that a phone uses without having fetched it is billed all the same.
    """

    pllm: str

    def __post_init__(self) -> None:
        if not isinstance(self.pllm, str):
            raise wrong(self, "pllm", self.pllm, "the id of a pLLM is expected")


@dataclass(frozen=True)
class Evaluate(Request[float]):
    """Mean loss per answer token (nats) of base + start on texts. Reply: float."""

    start: Start
    texts: Sequence[Text]

    def __post_init__(self) -> None:
        _check_start(self, self.start)
        _check_texts(self, self.texts)


@dataclass(frozen=True)
class Trained:
    """The reply to Train: what the phone now has, and its mean loss per answer token on the texts it was trained on.

    `start` is good for further requests and as the final start; it never has to be downloaded. The loss is one more
    pass over the texts after the last step, and billed as such.
    """

    start: Start
    loss: float


@dataclass(frozen=True)
class Train(Request[Trained]):
    """Fine-tune from a start on texts for some steps, as the run fine-tunes, and keep the result. Reply: Trained.

    A part of a step is a step at that part of the learning rate, and billed as that part: a step of the LLM that is
    really trained stands for many of the deployed one, which a phone could try one by one. Phones only. The optimiser's
    moments are not kept: training on is a new Train from what came back.
    """

    start: Start
    texts: Sequence[Text]
    steps: float

    def __post_init__(self) -> None:
        _check_start(self, self.start)
        _check_texts(self, self.texts)
        if not len(self.texts):
            raise wrong(self, "texts", self.texts, "at least one text is expected", ValueError)
        if not is_number(self.steps):
            raise wrong(self, "steps", self.steps, "a number above 0 is expected")
        if not 0 < self.steps < inf:
            raise wrong(self, "steps", self.steps, "a number above 0 is expected", ValueError)


@dataclass(frozen=True)
class Generate(Request[list[str]]):
    """Answers to prompts by base + start, or by the summarizer. Reply: list[str].

    Greedy; a `temperature` above 0 samples, the same answers for the same request.
    """

    prompts: Sequence[str]
    start: Start = Start()
    llm: Which = "base"
    max_new_tokens: int = 64
    temperature: float = 0.0

    def __post_init__(self) -> None:
        check_strings(self, "prompts", self.prompts)
        _check_start(self, self.start)
        _check_llm(self, self.llm)
        check_count(self, "max_new_tokens", self.max_new_tokens)
        if not is_number(self.temperature):
            raise wrong(self, "temperature", self.temperature, "a number, 0 or more, is expected")
        if not 0 <= self.temperature < inf:
            raise wrong(self, "temperature", self.temperature, "a number, 0 or more, is expected", ValueError)


@dataclass(frozen=True)
class Embed(Request[npt.NDArray[np.float32]]):
    """Hidden state before the output layer where the reply to each prompt would begin.

    Reply: float32 array (prompts, width of the LLM).
    """

    prompts: Sequence[str]
    llm: Which = "summarizer"

    def __post_init__(self) -> None:
        check_strings(self, "prompts", self.prompts)
        _check_llm(self, self.llm)


@dataclass(frozen=True)
class States(Request[npt.NDArray[np.float32]]):
    """Mean hidden state over the tokens of each string, after the first `depth` of an LLM's layers.

    The string is read as it is, without a chat template. Who stops after a quarter of the layers needs no more of the
    LLM, and is billed no more. Reply: float32 array (strings, width of the LLM). Raises ValueError unless
    0 < depth <= 1.
    """

    strings: Sequence[str]
    llm: Which = "summarizer"
    depth: float = 1.0

    def __post_init__(self) -> None:
        check_strings(self, "strings", self.strings)
        _check_llm(self, self.llm)
        share = "a share of the layers is expected, above 0 and at most 1"
        if not is_number(self.depth):
            raise wrong(self, "depth", self.depth, share)
        if not 0 < self.depth <= 1:
            raise wrong(self, "depth", self.depth, share, ValueError)

    def layers(self, of: int) -> int:
        """How many of so many layers are read: at least one."""
        return max(1, ceil(self.depth * of - 1e-9))


@dataclass(frozen=True)
class OutputRows(Request[npt.NDArray[np.float32]]):
    """The row of the output layer for the token that each word begins with, as a reply would. Reply: (words, width).

    Times a hidden state where a reply begins (`Embed`) a row gives the word's logit. Two words may share a row. Looking
    rows up is billed to nobody.

    `whole`: a word that is one token inside of a sentence has that one's row, for as a reply it may begin with a token
    that says little, as "conc" of "concise".
    """

    words: Sequence[str]
    llm: Which = "summarizer"
    whole: bool = False

    def __post_init__(self) -> None:
        check_strings(self, "words", self.words)
        _check_llm(self, self.llm)


@dataclass(frozen=True)
class Encode(Request[npt.NDArray[np.float32]]):
    """Sentence embeddings by a small encoder, all-MiniLM-L6-v2, which has to be on the phone: downloaded once.

    Reply: float32 array (strings, 384), each row of length 1. Needs the extra `embedder`.
    """

    strings: Sequence[str]

    def __post_init__(self) -> None:
        check_strings(self, "strings", self.strings)


@dataclass(frozen=True)
class NextWords(Request[list[tuple[str, float]]]):
    """The words that an LLM would most probably begin its replies with, over all prompts together.

    Reply: list of (word, mean probability), best first, at most `count`.
    """

    prompts: Sequence[str]
    count: int
    llm: Which = "summarizer"

    def __post_init__(self) -> None:
        check_strings(self, "prompts", self.prompts)
        check_count(self, "count", self.count)
        _check_llm(self, self.llm)


# ---------------------------------------------------------------- what arguments may be


def _check_start(request: object, start: object) -> None:
    if not isinstance(start, Start):
        raise wrong(request, "start", start, "a Start is expected, as Start({pllm: 1.0}), or Start() for none")


def _check_texts(request: object, texts: Sequence[Text]) -> None:
    if not is_sequence(texts):
        raise wrong(request, "texts", texts, "a list of Text is expected, as phone.texts")
    for place, text in enumerate(texts):
        if not isinstance(text, Text) or not isinstance(text.prompt, str) or not isinstance(text.answer, str):
            raise wrong(request, f"texts[{place}]", text, "a Text of two strings is expected")


def _check_llm(request: object, llm: object) -> None:
    if not isinstance(llm, str):
        raise wrong(request, "llm", llm, "'base' or 'summarizer' is expected")
    if llm not in get_args(Which):
        raise wrong(request, "llm", llm, "'base' or 'summarizer' is expected", ValueError)
