"""A corpus beside a config: what there is of each style, what is there twice or cut, and the most that works."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from sim.cloud.enough import Limit, limits
from sim.common.cache import cache_dir, damage
from sim.corpus import Corpus, open_corpus
from sim.corpus.base import ENDLESS
from sim.experiment.config import Config
from sim.llm.model import Reader
from sim.llm.named import folder_or_name
from sim.pocket import DATA, pocket_digest
from sim.pool.pool import pool_styles
from sim.population.users import check_mixture, possible_styles, texts_needed
from sim.survey.texts import Lengths, Repeated, Texts, repeated

POCKET = "pocket"


@dataclass(frozen=True, eq=False)
class Survey:
    """What was found. `reader` says whose tokens are counted."""

    config: Config
    corpus: Corpus
    user_styles: list[str]
    texts: Texts
    repeated: Repeated
    lengths: Lengths
    reader: str
    limits: list[Limit]

    @property
    def table(self) -> pd.DataFrame:
        """A row for each style, the default (*) first: texts by what they are for, rows dropped, tokens, shares cut."""
        texts, lengths = self.texts, self.lengths.table.groupby("style", sort=False)
        rows = []
        for style in texts.styles:
            pool, user, test = (texts.available[style, part] for part in ("pool", "user", "test"))
            own = lengths.get_group(style) if style in lengths.groups else self.lengths.table[:0]
            rows.append(
                {
                    "style": style + ("*" if style == self.corpus.default else ""),
                    "rows": _count(pool + user + test + texts.dropped[style]),
                    "pool": _count(pool),
                    "users": _count(user),
                    "held out": _count(test),
                    "dropped": texts.dropped[style],
                    "tokens": own["whole"].median(),
                    "95 %": own["whole"].quantile(0.95),
                    "cut": (own["prompt_cut"] | own["answer_cut"]).mean(),
                }
            )
        table = pd.DataFrame(rows)
        return table.drop(columns=["rows", "pool", "users", "held out", "dropped"]) if texts.endless else table

    def sentences(self) -> Iterator[str]:
        """All but the table."""
        yield from self.corpus.remarks
        yield from self._twice()
        yield from self._long()
        yield from self._most()

    def _twice(self) -> Iterator[str]:
        found, texts = self.repeated, self.texts
        if texts.endless:
            yield "Texts have no end: written as they are drawn, on prompts apart for pLLMs, users and held-out texts."
            return
        if texts.sampled:
            yield f"Compared were {found.texts:,} texts, not all."
        yield (
            f"The same answer word for word: {found.within:,} of {found.texts:,} texts repeat one of their own style, "
            f"{found.across:,} are in several styles."
        )
        yield (
            f"Held out are {found.held_out:,} texts; {found.leaked:,} have an answer that users of the style train on, "
            f"{found.leaked_prompts:,} a prompt that is trained on in their style, {found.leaked_across:,} in another."
        )

    def _long(self) -> Iterator[str]:
        table, most = self.lengths.table, self.config.training.max_tokens
        yield (
            f"training.max_tokens = {most}, in tokens of {self.reader}: of {len(table):,} texts "
            f"{table['prompt_cut'].mean():.0%} lose the beginning of a prompt over {most // 2}, and "
            f"{table['answer_cut'].mean():.0%} the end of the answer."
        )

    def _most(self) -> Iterator[str]:
        for limit in self.limits:
            need, fits = limit.binds, limit.value <= limit.largest
            if need is None:
                yield f"{limit.key} = {limit.value}: there is no largest."
                continue
            have = f"style {need.style!r} has {self.corpus.available(need.style, need.part):,} {NAMES[need.part]} texts"
            most = f"the largest that works is {limit.largest:,}" if limit.largest else "no value works"
            yield f"{limit.key} = {limit.value}: {'fits' if fits else 'TOO LARGE'}; {most}, for {have}."
        if not self.texts.endless:
            yield self._apart()

    def _apart(self) -> str:
        """How many users of a style can have texts of their own."""
        population, styles = self.config.population, len(self.user_styles)
        needs = [need for need in texts_needed(self.config, self.user_styles) if need.part == "user"]
        apart, style = min((self.corpus.available(need.style, "user") // need.count, need.style) for need in needs)
        each = population.users * population.styles_per_user / styles
        return (
            f"population.users = {population.users:,}: about {each:,.3g} of each of {styles} styles. Of style "
            f"{style!r} {apart:,} can have no text in common; where there are more, they share some."
        )


def _count(texts: int) -> int | str:
    return "no end" if texts >= ENDLESS else texts


NAMES = {"pool": "pool", "user": "users'", "test": "held-out"}


def survey(config: Config) -> Survey:
    """Read a config's corpus and see what is in it. Raises UserError where it cannot be read."""
    corpus = open_corpus(config.corpus)
    styles = possible_styles(config, corpus)
    check_mixture(config, styles)
    texts = Texts.of(corpus, list(dict.fromkeys([corpus.default, *pool_styles(config.corpus, corpus), *styles])))
    source, name = _tokens(config, corpus)
    lengths = Lengths.of(texts, Reader(source), config.training.max_tokens)
    return Survey(config, corpus, styles, texts, repeated(texts), lengths, name, limits(config, corpus, styles))


def _tokens(config: Config, corpus: Corpus) -> tuple[str, str]:
    """Where the config's LLM has its tokenizer, and what it is called. The pocket LLM is not built for it."""
    if config.llm.model != POCKET:
        return folder_or_name(config.llm.model), config.llm.model
    if corpus.built_in:
        return str(DATA / "base"), "the pocket LLM"
    own = cache_dir() / "pocket" / pocket_digest(corpus)
    if own.is_dir() and not damage(own):
        return str(own / "base"), "the pocket LLM of this corpus"
    return str(DATA / "base"), "the shipped pocket LLM (that of this corpus is made when it is first run)"
