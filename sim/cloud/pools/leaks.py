"""What contributed adapters tell of the texts behind them: measured by the simulator, and on nobody's bill.

Everything that a guess needs the provider has: the adapters that users gave, one of which it asks about a text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sim.cloud.cohorts import job_count, jobs
from sim.cloud.pools.living import contributed
from sim.cloud.provider import Provider
from sim.common.streams import stream
from sim.llm.training.progress import set_aside
from sim.pool.contributed import kept
from sim.population.users import User, attacks, draw_user
from sim.privacy.losses import text_losses
from sim.records.journal import Journal, Note
from sim.records.tables import Row, Rows
from strategies.base import Text

REFERENCES = 8
"""Adapters of others, at most, that a text's loss is compared with: those of the contributors after its user."""


@dataclass(frozen=True, eq=False)
class Leaks:
    """Asks the adapters that the users of a wave gave, when the last of its jobs is done."""

    provider: Provider
    journal: Journal

    @cached_property
    def _ends(self) -> dict[int, int]:
        """Waves by the index of their last job."""
        config = self.provider.config
        return {job_count(config, wave + 1) - 1: wave for wave in range(config.waves.count)}

    def rows(self, index: int, note: Note) -> Rows:
        """What is recorded with a job, after its own rows: of the last one of a wave, what the wave's adapters tell.

        Args:
            note: what the journal will say of the job. It has all before.
        """
        config = self.provider.config
        if not config.privacy.attack or (wave := self._ends.get(index)) is None:
            return {}
        done, first = list(jobs(config, [wave])), job_count(config, wave)
        noted = list(zip(done, [*self.journal.notes(first, len(done) - 1), note], strict=True))
        found: list[Row] = []
        for strategy in dict.fromkeys(job.strategy for job in done):
            given = contributed(said for job, said in noted if job.strategy == strategy)
            honest = {user: name for user, name in given.items() if not attacks(config, user)}
            found += ({"strategy": strategy, "wave": wave, **row} for row in self._asked(honest))
        return {"membership": found}

    def _asked(self, names: Mapping[int, str]) -> Iterator[Row]:
        """Rows of a strategy's contributors, by whose user ids their adapters have these names."""
        resident, training = self.provider.resident, self.provider.config.training
        lm, lanes, users = resident.lm, resident.lanes, sorted(names)
        adapters = {user: lanes.layout.load(kept(names[user])) for user in users}
        styles = self.provider.preparation.user_styles
        for at, user in enumerate(users):
            members, others = self._texts(draw_user(self.provider.config, resident.corpus, styles, user))
            texts = lm.encode([*members, *others], training.max_tokens)
            after = [*users[at + 1 :], *users[:at]][:REFERENCES]
            own, *theirs = (text_losses(lm, lanes, adapters[u], texts) for u in (user, *after))
            reference = np.mean(theirs, axis=0) if theirs else np.full(len(texts), np.nan)
            for i, (loss, mean) in enumerate(zip(own.tolist(), reference.tolist(), strict=True)):
                what: Row = {"user_id": user, "text": i % len(members), "member": i < len(members)}
                yield {**what, "loss": loss, "reference": mean}

    def _texts(self, user: User) -> tuple[list[Text], list[Text]]:
        """Texts that the user's phone trained on, and as many that it could have: of the user's style and topics.

        Not those that losses are measured on, whose topics nobody writes about: texts would be told apart by topic.
        """
        config, corpus, style = self.provider.config, self.provider.resident.corpus, user.styles[0]
        own = {text.prompt for text in user.texts}
        members = list(set_aside(user.texts)[0])
        count = min(len(user.texts) + len(members), corpus.available(style, "user"))
        drawn = corpus.draw(style, "user", count, stream(config.seed, user.id, "not members"))
        others = list({t.prompt: t for t in drawn if t.prompt not in own}.values())[: len(members)]
        return members[: len(others)], others
