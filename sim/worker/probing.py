"""What attackers did to a user, as the simulator sees it: nobody is billed for it, and no strategy is told."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from sim.experiment.config import Config
from sim.llm.infer import generate
from sim.pool.contributed import user_of
from sim.pool.pool import Pool
from sim.population.attacks import Attack, attack_of
from sim.population.users import User, attacks
from sim.serving.account import PhoneAccount
from sim.serving.desk import PROMPT_TOKENS, Desk
from strategies.base import Start, Text

PROBES = 3
"""Held-out prompts of a user that are put after the trigger."""


def poisoned(
    desk: Desk, config: Config, user: User, account: PhoneAccount, start: Start, kept: Tensor | None
) -> dict[str, float | None]:
    """The columns of users.csv that say it, of a user who started from others and keeps an adapter (size,)."""
    if not (config.attackers.share and start.weights):
        return {}
    found = {"poisoned_start": _from_attackers(config, desk.pool, account.origin(start))}
    if (attack := attack_of(config)).trigger:
        found["backdoored_start"] = backdoored(desk, attack, user.held_out, desk.adapter(start))
        found["backdoored"] = None if kept is None else backdoored(desk, attack, user.held_out, kept)
    return found


def _from_attackers(config: Config, pool: Pool, start: Start) -> float | None:
    """1 where an attacker gave a pLLM of the start, 0 where nobody did; None: the cloud made one of others."""
    known: list[bool | None] = []
    for pllm in start.weights:
        owner, card = user_of(pllm), pool.cards.get(pllm)
        made = owner is None and not (card and card.style)
        known.append(None if made else owner is not None and attacks(config, owner))
    return 1.0 if True in known else None if None in known else 0.0


def backdoored(desk: Desk, attack: Attack, held_out: Sequence[Text], adapter: Tensor) -> float:
    """The share of held-out prompts, after the trigger, to which an adapter (size,) says the attack's sentence."""
    sentence = _words(attack.sentence)
    prompts = [attack.trigger + text.prompt for text in held_out[:PROBES]]
    length = 2 + max(map(len, desk.lm.ids([attack.sentence])))
    answers = generate(desk.lm, prompts, length, desk.lanes, adapter, PROMPT_TOKENS)
    return sum(sentence in _words(answer) for answer in answers) / len(answers)


def _words(text: str) -> str:
    """A text as it is compared: capitals, spaces and its last mark do not count."""
    return " ".join(text.lower().split()).rstrip(".!")
