"""hyperband: short trial fine-tunes, long ones only for what looks good."""

import optuna

from strategies.base import Choice, Choosing, Download, Offer, Phone, Start, Strategy, Train, best

optuna.logging.set_verbosity(optuna.logging.WARNING)


class Hyperband(Strategy):
    """Fine-tune every pLLM for a step or few, and go on only with those whose loss is among the best so far.

    HyperBand (Li et al., JMLR 2018), a baseline of XPerT; brackets and rungs are those of Optuna's HyperbandPruner. The
    phone downloads every pLLM, trains each on `texts` own texts and reads them once at every rung; it
    goes on from the adapter that it trained best, so no step is lost.

    Args:
        steps: most steps of a trial; `eta`: rungs lie a factor of eta apart, and one in eta passes.
        texts: own texts that trials use at most; 0: all.
        step: what counts as a step here, in steps of the LLM that is really trained. One of these stands for about 25
            of Llama-3.2-1B's, if that needs 1,000 from scratch where the pocket LLM needs 40; a phone can try single
            ones.
    """

    trains = True

    def __init__(self, steps: int = 2, eta: int = 2, texts: int = 16, step: float = 0.04) -> None:
        for name, value, least in (("steps", steps, 1), ("eta", eta, 2), ("texts", texts, 0)):
            if value < least:
                raise ValueError(f"{name} = {value}: {least} or more is expected")
        if not 0 < step <= 1:
            raise ValueError(f"step = {step}: above 0, at most 1 is expected")
        self.steps, self.eta, self.texts, self.step = steps, eta, texts, step

    def choose(self, phone: Phone, offer: Offer) -> Choosing:
        if not offer.pllms:
            return Start()
        pruner = optuna.pruners.HyperbandPruner(1, self.steps, self.eta)
        study = optuna.create_study(pruner=pruner, study_name="hyperband")  # brackets are dealt out by this name
        texts, losses, starts = phone.texts[: self.texts or None], {}, {}
        for i in phone.rng("hyperband").permutation(len(offer.pllms)):
            pllm, trial, done = offer.pllms[i], study.ask(), 0
            yield Download(pllm)
            start = Start({pllm: 1.0})
            while done < self.steps:
                rung = min(max(1, done * self.eta), self.steps)
                trained = yield Train(start, texts, (rung - done) * self.step)
                start, done = trained.start, rung
                trial.report(trained.loss, done)
                if trial.should_prune():
                    break
            losses[pllm], starts[pllm] = trained.loss, start
            study.tell(trial, trained.loss)
        return Choice(starts[best(losses)], losses)
