"""What is made of a config before anything else, once: its corpus, and the styles of pool and users."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sim.cloud.enough import check_texts
from sim.corpus import Corpus, open_corpus
from sim.experiment.config import Config
from sim.pool.plan import PoolPlan, plan_pool
from sim.pool.pool import styles_in_pool
from sim.population.hours import Hours
from sim.population.users import are_people, attacks, check_mixture, possible_styles


@dataclass(frozen=True, eq=False)
class Preparation:
    """An experiment that was checked (`sim.cloud.check.prepare`), with what the check had to open."""

    config: Config
    corpus: Corpus
    user_styles: tuple[str, ...]

    @property
    def remarks(self) -> tuple[str, ...]:
        """What was dropped or put right in what was read, and what else should be known of it, in sentences."""
        return (*self.corpus.remarks, *self._repeated_people, *Hours(self.config).remarks, *self._attackers)

    @property
    def _repeated_people(self) -> Iterator[str]:
        users, people = self.config.population.users, len(self.user_styles)
        if are_people(self.corpus, self.user_styles) and users > people:
            yield f"population.users = {users:,}, but there are {people:,} people: some are several users."

    @property
    def _attackers(self) -> Iterator[str]:
        """How many users attack."""
        config = self.config
        if config.attackers.share:
            count = sum(attacks(config, user) for user in range(config.population.users))
            said = f"attackers: {count} of {config.population.users} users attack ({config.attackers.kind})"
            yield f"{said}; they are left out of savings and accuracy."

    def pool_plan(self, lm_digest: str) -> PoolPlan:
        """The pool that the config asks for, on a base LLM of that content."""
        return plan_pool(self.config, self.corpus, lm_digest)

    @property
    def groups(self) -> int:
        """Groups of pLLMs that the pool consists of, built or not."""
        return len(self.pool_plan("").groups)


def open_texts(config: Config) -> Preparation:
    """Open a config's corpus. Raises UserError where it has too few texts for users, pool or pocket LLMs."""
    corpus = open_corpus(config.corpus)
    styles = possible_styles(config, corpus)
    if config.pool.path and config.population.styles:
        styles_in_pool(config, corpus)  # a folder that is no pool, else found when LLMs are loaded
    check_mixture(config, styles)
    check_texts(config, corpus, styles)
    return Preparation(config, corpus, tuple(styles))
