"""How near an LLM's answers come to the user's own: BLEU and ROUGE, by the libraries that the field uses."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

OVERLAP = ("bleu", "rouge_1", "rouge_l")
"""What is measured, by the names of columns; each from 0 to 1, higher is nearer."""
PACKAGES = ("sacrebleu", "rouge_score")


def missing() -> str:
    """Why answers cannot be scored here, in one line; empty where they can."""
    absent = [name for name in PACKAGES if find_spec(name) is None]
    return f"not installed: {', '.join(absent)}; pip install -e '.[quality]'" if absent else ""


def overlap(answers: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    """Scores of answers beside what the user wrote to the same prompts.

    BLEU is of the whole set (sacrebleu's corpus BLEU with its default tokens and smoothing), ROUGE-1 and ROUGE-L are
    mean F1 over answers (rouge-score, no stemming).

    Args:
        answers, references: as many of each, at least one.
    Returns: a number for each of `OVERLAP`.
    """
    from rouge_score.rouge_scorer import RougeScorer
    from sacrebleu import corpus_bleu

    scorer = RougeScorer(["rouge1", "rougeL"])
    rows = [scorer.score(own, answer) for answer, own in zip(answers, references, strict=True)]
    rouge_1, rouge_l = (sum(row[name].fmeasure for row in rows) / len(rows) for name in ("rouge1", "rougeL"))
    bleu = corpus_bleu(list(answers), [list(references)]).score / 100
    return dict(zip(OVERLAP, map(float, (bleu, rouge_1, rouge_l)), strict=True))
