"""The pocket summarizer: it names the style of a text beside a default one, and writes in a style that is named."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sim.common.errors import UserError
from sim.common.streams import stream
from sim.corpus.base import Corpus
from sim.corpus.stylometry import VOCABULARY, adjectives
from sim.llm.model import LanguageModel, pad
from sim.llm.training.batches import collate, lane_losses
from sim.pocket.babble import Babble
from sim.pocket.fit import fit
from sim.pocket.prompts import compare, write
from sim.pocket.settings import Progress, Recipe
from strategies.base import Text

_SENTENCE, _WORD = re.compile(r"(?<=[.!?]) +"), re.compile(r"\w+")
MOST_WITHOUT = 20
"""Rounds of pairs of which hardly any has words, after which there is nothing to learn from."""
WHOLE = 0.75
"""Share of whole answers among what it learns to write, once it has learnt from sentences."""
LESSONS = 4
"""Lessons of which the plainest is taken at first: as good as always a single axis, where the corpus has such."""


@dataclass(frozen=True)
class _Pair:
    """A default text, a text of some style (on the same prompt where there is one), and words for the second.

    `read` are the two answers as the summarizer reads them.
    """

    plain: Text
    styled: Text
    style: str
    words: list[str]
    read: tuple[str, str]


class _Pairs:
    """Draws pairs. Each answer is read as it is or, as often, as babble of its style: what a small LLM writes is
    nonsense with the right sound, and the summarizer has to hear its style as well."""

    def __init__(self, corpus: Corpus, rng: np.random.Generator) -> None:
        self.corpus, self.rng = corpus, rng
        self.babble: dict[str, Babble] = {}

    def draw(self, lessons: int = 1) -> _Pair:
        """A pair, of the style that has the fewest axes of so many lessons."""
        corpus, rng = self.corpus, self.rng
        style = min((corpus.lesson(rng) for _ in range(lessons)), key=lambda style: len(style.axes))
        styled = corpus.practise(style.id, 1, rng)[0]
        plain = corpus.answer_to(styled.prompt, rng) or corpus.practise(corpus.default, 1, rng)[0]
        words = sorted(style.adjectives) or list(adjectives(plain.answer, styled.answer))
        read = self._read(corpus.default, plain), self._read(style.id, styled)
        return _Pair(plain, styled, style.id, words, read)

    def _read(self, style: str, text: Text) -> str:
        if self.rng.random() < 0.5:
            return text.answer
        if style not in self.babble:
            self.babble[style] = Babble([t.answer for t in self.corpus.practise(style, 200, self.rng)])
        return self.babble[style](self.rng)


def train_summarizer(lm: LanguageModel, corpus: Corpus, recipe: Recipe, progress: Progress) -> None:
    """Two tasks, as an instruction-tuned LLM has them: name the adjective of a pair, write in an adjective's style.

    That what it writes hangs on a word it learns first, from short lessons: one sentence without a prompt, of one axis.
    Among whole answers and crossed styles it hardly found it (docs/log.md).

    Naming one word in a whole pair is little to learn from, so a linear head, dropped afterwards, names the words at
    every position of the second text as well; where the styles have no words of their own, it tells the styles apart.
    """
    rng = stream(recipe.seed, "summarizer")
    own = {w for s in corpus.taught for w in corpus.styles[s].adjectives}
    words, named = sorted(own or VOCABULARY), bool(own)
    labels = words if named else corpus.taught
    probe = torch.nn.Linear(recipe.size.width, len(labels)).to(lm.device)
    names, drawn = _Names(lm, words), _Pairs(corpus, rng)

    def batches(lessons: int) -> Iterator[list[_Pair]]:
        without = 0
        while True:
            pairs = [p for p in (drawn.draw(lessons) for _ in range(8 * recipe.batch)) if p.words]
            without = 0 if len(pairs) >= recipe.batch else without + 1
            if without == MOST_WITHOUT:
                raise UserError(
                    "llm.summarizer: answers in the corpus's styles hardly differ in anything that the built-in "
                    "summarizer has words for; name another LLM, or texts that are longer."
                )
            pairs.sort(key=lambda p: len(p.read[0]) + len(p.read[1]))
            for start in rng.permutation(range(0, len(pairs) - recipe.batch + 1, recipe.batch)):
                yield pairs[start : start + recipe.batch]

    single, mixed = batches(LESSONS), batches(1)

    def said(pairs: list[_Pair]) -> list[str]:
        return [p.words[int(rng.integers(len(p.words)))] for p in pairs]

    def mean_loss(texts: list[Text]) -> Tensor:
        total, count = lane_losses(lm, collate(lm.encode(texts, recipe.max_tokens), 1, lm))
        return (total / count).sum()

    def writing(pairs: list[_Pair], whole: float) -> Tensor:
        return mean_loss([_exercise(p.styled, w, whole, rng) for p, w in zip(pairs, said(pairs), strict=True)])

    def sentences_loss() -> Tensor:
        pairs = [p for _ in range(3) for p in next(single)]
        return writing(pairs, 0) + 0.25 * mean_loss([p.plain for p in pairs[::12]])

    def answers_loss() -> Tensor:
        return writing(next(single) + next(single), WHOLE)

    def loss() -> Tensor:
        pairs = next(mixed)
        told = _shares([p.words if named else [p.style] for p in pairs], labels)
        naming = names.loss(pairs, said(pairs), probe, told, recipe.compare_tokens)
        return naming + writing(next(single), WHOLE)

    stages: list[tuple[Callable[[], Tensor], int, float]] = [
        (sentences_loss, recipe.sentence_steps, recipe.lr),
        (answers_loss, recipe.answer_steps, recipe.lr),
        (loss, recipe.summarizer_steps, recipe.lr / 2),
    ]
    total, at = sum(steps for _, steps, _ in stages), 0
    for of, steps, lr in stages:
        extra = list(probe.parameters()) if of is loss else []
        fit(lm, of, steps, lr, lambda n, at=at: progress("summarizer", at + n, total), extra)  # type: ignore[misc]
        at += steps


def _exercise(text: Text, word: str, whole: float, rng: np.random.Generator) -> Text:
    """What to write when asked for a style in a word: the answer to a prompt, in this share, or one sentence of it.

    In a whole answer the first sentence tells the style of the others, and facts are in the prompt, so hardly anything
    would have to be learned from the word. The sentence has no prompt, and is one that has the fewest of its words.
    """
    if rng.random() < whole:
        return Text(write(word, text.prompt), text.answer)
    asked = set(_WORD.findall(text.prompt.lower()))
    sentences = _SENTENCE.split(text.answer)
    shared = [len(asked & set(_WORD.findall(sentence.lower()))) for sentence in sentences]
    least = [sentence for sentence, count in zip(sentences, shared, strict=True) if count == min(shared)]
    return Text(write(word, "").strip(), least[int(rng.integers(len(least)))])


class _Names:
    """The naming task's loss."""

    def __init__(self, lm: LanguageModel, words: list[str]) -> None:
        self.lm, self.words = lm, words
        tokens = lm.tokenizer([f" {w}" for w in words], add_special_tokens=False)["input_ids"]
        self.tokens = torch.tensor([t[0] for t in tokens], device=lm.device)
        self.end = lm.tokenizer.eos_token_id

    def loss(
        self, pairs: list[_Pair], said: list[str], probe: torch.nn.Linear, labels: Tensor, max_tokens: int
    ) -> Tensor:
        """Cross-entropy of the reply against all fitting words alike, of the end after the word said, and of the probe.

        Args:
            labels: (pairs, outputs of the probe), what it should say, as shares that sum to 1.
        """
        lm = self.lm
        prompts = lm.encode_prompts([compare(*p.read) for p in pairs], max_tokens)
        second = lm.encode_prompts([compare(p.read[0], "") for p in pairs], max_tokens)
        reply = [int(self.tokens[self.words.index(w)]) for w in said]
        rows = [np.append(ids, token) for ids, token in zip(prompts, reply, strict=True)]
        ids = torch.from_numpy(pad(rows, lm.pad_id)).to(lm.device)
        hidden = lm.hidden(ids)
        row = torch.arange(len(rows), device=lm.device)
        last = torch.tensor([len(p) - 1 for p in prompts], device=lm.device)
        wanted = _shares([p.words for p in pairs], self.words).to(lm.device)
        first = F.log_softmax(lm.logits(hidden[row, last]), dim=-1)[:, self.tokens]
        end = F.cross_entropy(lm.logits(hidden[row, last + 1]), torch.full_like(last, self.end))
        at = torch.arange(ids.shape[1], device=lm.device)[None]
        begins = torch.tensor([len(s) - 20 for s in second], device=lm.device)[:, None]
        seen = (at > begins) & (at <= last[:, None])
        everywhere = F.log_softmax(probe(hidden), dim=-1)
        probed = -(everywhere * labels.to(lm.device)[:, None]).sum(-1)[seen].mean()
        return -(first * wanted).sum(-1).mean() + probed + 0.2 * end


def _shares(chosen: Sequence[Sequence[str]], names: Sequence[str]) -> Tensor:
    """(rows, names), each row shared out alike over what was chosen in it."""
    out = torch.zeros(len(chosen), len(names))
    for row, mine in zip(out, chosen, strict=True):
        row[[names.index(name) for name in mine]] = 1 / len(mine)
    return out
