"""bayesian: trials where a surrogate expects the lowest loss."""

from math import ceil

import optuna

from strategies.base import Choice, Choosing, Download, Evaluate, Offer, Phone, Start, Strategy, best

optuna.logging.set_verbosity(optuna.logging.WARNING)


class Bayesian(Strategy):
    """Bayesian optimisation over the pool: a surrogate of the loss proposes which pLLM to try next, the best one wins.

    A baseline of XPerT (Wang et al., MobiSys 2025); here Optuna's tree-structured Parzen estimator (Bergstra et al.,
    NeurIPS 2011) over the pLLMs' ids as categories, since a phone knows nothing else about them. The phone downloads
    each pLLM that is proposed and reads its texts once with it; one proposed again costs nothing.

    Args:
        trials: proposals, as a share of the pool's size.
        texts: own texts that the phone reads at most; 0: all.
    """

    def __init__(self, trials: float = 1.0, texts: int = 0) -> None:
        if trials <= 0:
            raise ValueError(f"trials = {trials}: more than 0 is expected")
        if texts < 0:
            raise ValueError(f"texts = {texts}: 0 (all) or more is expected")
        self.trials, self.texts = trials, texts

    def choose(self, phone: Phone, offer: Offer) -> Choosing:
        if not offer.pllms:
            return Start()
        sampler = optuna.samplers.TPESampler(seed=int(phone.rng("bayesian").integers(2**32)))
        study, losses = optuna.create_study(sampler=sampler), {}
        for _ in range(ceil(self.trials * len(offer.pllms))):
            trial = study.ask()
            pllm = trial.suggest_categorical("pllm", offer.pllms)
            if pllm not in losses:
                yield Download(pllm)
                losses[pllm] = yield Evaluate(Start({pllm: 1.0}), phone.texts[: self.texts or None])
            study.tell(trial, losses[pllm])
        return Choice(Start({best(losses): 1.0}), losses)
