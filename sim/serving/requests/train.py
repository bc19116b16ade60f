"""Train: some steps for trial, before a phone chooses. And the private fine-tuning of what a phone gives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import ceil

from devices import Cost, Device, Llm
from devices.basics import Numbers
from sim.ledger import prices
from sim.ledger.terms import Terms
from sim.ledger.work import Figures
from sim.llm.training.finetune import finetune
from sim.llm.training.progress import Lane, set_aside
from sim.serving.account import PhoneAccount
from sim.serving.beginning import beginning
from sim.serving.desk import Desk
from sim.serving.requests.base import Asked, Handler, Tokens
from sim.serving.requests.evaluate import expected, read
from strategies.base import Request, Train, Trained


class TrainHandler(Handler[Train]):
    """Counts `steps` asked for, which may be parts of one, `batches` run for them and their `trained` tokens; and as
    `sequences`, `tokens` and `logits` the pass over the texts that measures the loss afterwards."""

    request = Train

    def answer(self, desk: Desk, asked: Sequence[Asked[Train]]) -> Sequence[Trained]:
        """Requests of as many steps are lanes of one batch.

        The order of the texts depends on the user and on the steps trained before, so a phone's trials are comparable.
        Parts of a step are made up for by the learning rate: 1.5 steps are two at three quarters of it. What the phone
        sets aside for validation is not trained on here either; the loss afterwards is that of all texts.
        """
        replies: dict[int, Trained] = {}
        accounts = [_phone(one) for one in asked]
        for steps in sorted({one.request.steps for one in asked}):
            plan, run, lanes = desk.plan, ceil(steps), []
            for i, (one, account) in enumerate(zip(asked, accounts, strict=True)):
                if one.request.steps == steps:
                    texts, start = desk.encode(one.request.texts), one.request.start
                    rng = account.batches_rng(account.trained(start))
                    lr = desk.training.lr_of(len(account.origin(start).weights)) * steps / run
                    train, _ = set_aside(texts)
                    lanes.append(Lane(i, beginning(desk, account, start), train, rng, lr, held_out=texts))
            plan = replace(plan, steps=run, evaluate_every=run)
            for result in finetune(desk.lm, desk.lanes, lanes, plan):
                request, account = asked[result.key].request, accounts[result.key]
                kept = account.keep(request.start, steps)
                assert result.adapter is not None
                desk.own[kept.best] = result.adapter
                replies[result.key] = Trained(kept, result.curve[-1][1])
                account.work.add(
                    self.kind,
                    "base",
                    requests=1,
                    steps=steps,
                    batches=result.steps,
                    trained=result.train_tokens,
                    **read(desk.encode(request.texts)),
                )
        return [replies[i] for i in range(len(asked))]

    def pllms(self, request: Train) -> Iterable[str]:
        return request.start.weights

    def expect(self, request: Train, terms: Terms, tokens: Tokens) -> Mapping[str, Figures]:
        once, batches = expected(request.texts, tokens), ceil(request.steps)
        trained = batches * terms.batch * float(once.count("tokens")) / max(len(request.texts), 1)
        return {"base": Figures(once, steps=request.steps, batches=batches, trained=trained)}

    def cost(self, terms: Terms, device: Device, llm: str, n: Figures) -> list[Cost]:
        step_tokens = terms.step_tokens(n.count("trained"), n.count("batches"))
        trained = prices.training(terms, device, n.count("steps") * terms.steps, step_tokens)
        return [*prices.evaluating(terms, device, llm, n), trained]

    def flops(self, terms: Terms, name: str, llm: Llm, n: Figures) -> list[Numbers]:
        trained = prices.training_flops(terms, llm, n.count("batches"), n.count("trained"))
        return [*prices.evaluating_flops(llm, n), trained]


class Privatise(Request[None]):
    """The private fine-tuning of an adapter that is given. No strategy asks for it: `privacy.epsilon` decides."""


PRIVATISE = Privatise.__name__


class PrivatiseHandler(Handler[Privatise]):
    """Counts `steps` and their `trained` tokens: steps of ordinary fine-tuning that read as many texts.

    Texts are read one by one, for the gradient of each is clipped, so it takes no more memory. Clipping and noise cost
    nothing: a few operations for each parameter of the adapter.
    """

    request = Privatise
    phase = "private"

    def answer(self, desk: Desk, asked: Sequence[Asked[Privatise]]) -> Sequence[None]:
        raise PermissionError("a phone makes a private adapter when its own is done, and not before")

    def cost(self, terms: Terms, device: Device, llm: str, n: Figures) -> list[Cost]:
        steps = n.count("steps")
        return [prices.training(terms, device, steps * terms.steps, terms.step_tokens(n.count("trained"), steps))]


def _phone(asked: Asked[Train]) -> PhoneAccount:
    if not isinstance(asked.account, PhoneAccount):
        raise PermissionError("Train is a phone's request: the cloud has nobody to fine-tune for")
    return asked.account
