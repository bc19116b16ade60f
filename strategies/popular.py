"""popular: one pLLM for everybody, the one that serves most."""

import numpy as np

from strategies.base import Cloud, Evaluate, Generate, Offer, Phone, Start, Strategy, Text


class Popular(Strategy):
    """Start from the pLLM that would have served most earlier users best, the same for every phone.

    The most-popular baseline of recommender systems. Earlier users are those whose pLLMs make up the pool. The cloud
    has none of their texts: what their pLLMs answer to its own probe prompts stands for how they write, and each votes
    for the pLLM, other than its own, with the lowest loss on that; among equals the lowest mean loss wins. So nobody
    was asked, and how many users have which style is not known. The phone downloads that one pLLM and computes nothing
    before.

    Args:
        probes: prompts on which the pLLMs are compared.
        answer_tokens: longest answer generated.
    """

    def __init__(self, probes: int = 8, answer_tokens: int = 64) -> None:
        if probes < 1 or answer_tokens < 1:
            raise ValueError(f"probes = {probes}, answer_tokens = {answer_tokens}: 1 or more is expected")
        self.probes, self.answer_tokens = probes, answer_tokens

    def offer(self, cloud: Cloud) -> Offer:
        pllms, prompts = cloud.pool.ids, list(cloud.probes[: self.probes]) if cloud.pool.ids else []
        if len(pllms) < 2:
            return Offer(pllms)
        starts = [Start({pllm: 1.0}) for pllm in pllms]
        loss = np.empty((len(pllms), len(pllms)))  # of a pLLM (row) on what another one's user writes (column)
        for j, writer in enumerate(starts):
            answers = cloud.ask(Generate(prompts, writer, max_new_tokens=self.answer_tokens))
            texts = [Text(p, a) for p, a in zip(prompts, answers, strict=True)]
            loss[:, j] = [cloud.ask(Evaluate(start, texts)) for start in starts]
        loss = np.where(np.isnan(loss), np.inf, loss)  # of a pLLM that diverged
        np.fill_diagonal(loss, 0.0)
        means = loss.sum(axis=1)
        np.fill_diagonal(loss, np.inf)
        votes = np.bincount(loss.argmin(axis=0), minlength=len(pllms))
        return Offer((pllms[int(np.lexsort((means, -votes))[0])],))

    def choose(self, phone: Phone, offer: Offer) -> Start:
        return Start({offer.pllms[0]: 1.0}) if offer.pllms else Start()
