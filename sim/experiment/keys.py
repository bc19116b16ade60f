"""What an experiment consists of: its keys as one typed tree, and what has to hold of several together.

The sections' keys are in `sim/experiment/sections.py`; the defaults are the quickstart.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from sim.common.names import has_controls
from sim.experiment.names import ORACLE, SCRATCH
from sim.experiment.paths import PathKey
from sim.experiment.reading import short
from sim.experiment.sections import (
    BUILT_IN,
    REGIMES,
    Attackers,
    Billing,
    CorpusSection,
    Engine,
    Ladder,
    LlmSection,
    Names,
    PoolSection,
    Population,
    Privacy,
    Records,
    Section,
    Training,
    Waves,
)

QUICKSTART = "quickstart"


class Keys(Section):
    """The keys of an experiment, checked."""

    name: str = Field(
        QUICKSTART,
        pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$",
        max_length=200,
        description="results land in OUTPUT/NAME/RUN_ID; with a corpus other than the built-in one the default is the "
        "name of its file or folder, or corpus.source",
    )
    seed: int = Field(0, ge=0, lt=2**63, description="decides everything that is random")
    replicates: int = Field(
        1,
        ge=1,
        le=1000,
        description="runs that ask the same with further seeds: `headstart sweep` does each, with `seed` and "
        "`pool.seed` one higher than in the one before, and takes their users together (docs/sweeps.md)",
    )
    strategies: Names = Field([SCRATCH, "random", ORACLE, "xpert"], min_length=1, description="what is compared")
    output: Annotated[str, PathKey(made=True, workers="never")] = Field("results", description="folder of results")
    llm: LlmSection = LlmSection()
    corpus: CorpusSection = CorpusSection()
    pool: PoolSection = PoolSection()
    population: Population = Population()
    waves: Waves = Waves()
    attackers: Attackers = Attackers()
    privacy: Privacy = Privacy()
    training: Training = Training()
    ladder: Ladder = Ladder()
    billing: Billing = Billing()
    engine: Engine = Engine()
    records: Records = Records()
    options: dict[str, dict[str, object]] = Field(
        default_factory=dict, description="a strategy's settings; `use` makes a variant of another strategy"
    )

    @model_validator(mode="before")
    @classmethod
    def _named(cls, tree: Any) -> Any:
        """Results of another corpus are not to land among those of the quickstart."""
        corpus = tree.get("corpus", {}) if isinstance(tree, Mapping) else {}
        if not isinstance(corpus, Mapping) or "name" in tree:
            return tree
        source = str(corpus.get("source", BUILT_IN))
        if source == BUILT_IN:
            return tree
        texts = Path(str(corpus.get("path", ""))).stem or source
        return {**tree, "name": re.sub(r"[^A-Za-z0-9._-]+", "-", texts).strip("-.")[:200] or "corpus"}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.ladder.users and self.fewest_texts < 1:
            raise ValueError(
                f"ladder.amounts: {self._lowest_rung} of population.texts = {self.population.texts} "
                "is no text at all; raise one of them"
            )
        self._check_waves()
        if self.corpus.people and self.population.styles_per_user > 1:
            raise ValueError("corpus.people: a person writes as one; population.styles_per_user must be 1")
        self._check_privacy()
        if self.training.cost_only:
            for key in ("scratch_steps", "tokens_per_step"):
                if not getattr(self.billing, key):
                    raise ValueError(
                        f"billing.{key} = 0: with training.cost_only = true nothing is measured, so it must be stated"
                    )
        for name in self.strategies:
            if not name.strip() or has_controls(name):
                raise ValueError(f"strategies: {short(name)} is no name (empty, or with control characters)")
        if repeated := {s for s in self.strategies if self.strategies.count(s) > 1}:
            raise ValueError(f"strategies: {short(sorted(repeated)[0])} is named twice")
        return self

    def _check_waves(self) -> None:
        """Raise ValueError where users cannot come in waves."""
        count = self.waves.count
        if count > self.population.users:
            raise ValueError(f"waves.count = {count}: there are only population.users = {self.population.users}")
        if count > 1 and self.training.cost_only:
            raise ValueError(f"waves.count = {count}: with training.cost_only = true nobody has anything to contribute")
        if count > 1 and self.population.styles_per_user > 1:
            raise ValueError(
                f"waves.count = {count}: a contributed pLLM has one style; population.styles_per_user must be 1"
            )
        if count == 1 and (share := self.attackers.share):
            raise ValueError(f"attackers.share = {share:g}: with waves.count = 1 nobody gives anything to the pool")

    def _check_privacy(self) -> None:
        """Raise ValueError where there is nothing to be private, or what is asked for is no privacy."""
        privacy, texts = self.privacy, self.population.texts
        for key in ("epsilon", "attack"):
            if (value := getattr(privacy, key)) and self.waves.count == 1:
                raise ValueError(f"privacy.{key} = {value}: with waves.count = 1 nobody uploads anything")
        if privacy.epsilon and privacy.delta >= 1 / texts:
            raise ValueError(
                f"privacy.delta = {privacy.delta:g}: below 1 / population.texts = {1 / texts:g} is expected; who tells "
                "one text of so many is as private"
            )

    def wave(self, number: int) -> range:
        """The users of a wave."""
        users, count = self.population.users, self.waves.count
        return range(number * users // count, (number + 1) * users // count)

    @property
    def fewest_texts(self) -> int:
        """Texts on the lowest rung of the ladder, but for the one without any."""
        return round(self._lowest_rung * self.population.texts)

    @property
    def _lowest_rung(self) -> float:
        return min((amount for amount in self.ladder.amounts if amount), default=1)

    @property
    def owner_texts(self) -> int:
        """How many texts the owner of a pLLM has written."""
        texts = self.pool.texts
        return texts if isinstance(texts, int) else REGIMES[texts] * self.population.texts
