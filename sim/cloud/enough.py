"""Whether a corpus has enough texts for an experiment and, where it has not, the largest settings for which it has."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from sim.common.errors import UserError
from sim.corpus.base import ENDLESS, Corpus, Need
from sim.experiment.config import Config
from sim.pool import plan
from sim.population import users


def check_texts(config: Config, corpus: Corpus, styles: Sequence[str]) -> None:
    """Raise UserError where there are too few texts: how many there are, and overrides with which there are enough.

    Args:
        styles: what users can have.
    """
    if not corpus.built_in and "pocket" in (config.llm.model, config.llm.summarizer):
        corpus.need(corpus.default, "pool", 1)  # the pocket LLMs learn from these texts
        if not corpus.taught:
            raise UserError(
                f"corpus: {corpus.source} has no pool text but in its default style, to make pocket LLMs of."
            )
    short = _short(config, corpus, styles)
    if not short:
        return
    first = next(iter(short.values()))
    try:
        corpus.need(first.style, first.part, first.count)
    except UserError as error:
        raise UserError(f"{error} {' '.join(_advice(config, corpus, styles, short))}") from None


def _short(config: Config, corpus: Corpus, styles: Sequence[str]) -> dict[str, Need]:
    """The first need that the corpus cannot meet, by the key of the config that decides how much is needed."""
    of_users = users.texts_needed(config, styles)
    needs = {
        "population.texts": [need for need in of_users if need.part == "user"],
        "population.held_out": [need for need in of_users if need.part == "test"],
        "pool.texts": plan.texts_needed(config, corpus),
    }
    lacking = {key: [n for n in some if corpus.available(n.style, n.part) < n.count] for key, some in needs.items()}
    return {key: some[0] for key, some in lacking.items() if some}


def _advice(config: Config, corpus: Corpus, styles: Sequence[str], short: Mapping[str, Need]) -> Iterator[str]:
    """The largest values that work, as overrides; where none does, what to leave out."""

    def is_too_large(key: str, value: int) -> bool:
        return key in _short(_with(config, {key: value}), corpus, styles)

    work = {}
    for key, need in short.items():
        values = range(1, _value(config, key) + 1)
        if largest := bisect_left(values, True, key=partial(is_too_large, key)):
            work[key] = largest
        else:
            yield f"No {key} works for style {need.style!r}; leave it out (corpus.styles) or change corpus.held_out."
    if config.ladder.users and _with(config, work).fewest_texts < 1:
        work["ladder.users"] = 0  # a ladder has no rung without a text
    if work:
        yield f"The largest that work: {' '.join(f'{key}={value}' for key, value in work.items())}."


@dataclass(frozen=True)
class Limit:
    """The largest value of a key with which there are enough texts, all other keys as they are.

    `binds` is what there would be too little of with one more, None up to `ENDLESS`. A `largest` of 0: no value works.
    """

    key: str
    value: int
    largest: int
    binds: Need | None


def limits(config: Config, corpus: Corpus, styles: Sequence[str]) -> list[Limit]:
    """The largest settings for which a corpus has enough texts, each by itself.

    Args:
        styles: what users can have.
    """
    return [_limit(key, config, corpus, styles) for key in ("population.texts", "population.held_out", "pool.texts")]


def _limit(key: str, config: Config, corpus: Corpus, styles: Sequence[str]) -> Limit:
    def lacking(value: int) -> dict[str, Need]:
        """What this key is to blame for: another one may be too large whatever this one is."""
        short = _short(_with(config, {key: value}), corpus, styles)
        return {name: need for name, need in short.items() if name == key or name not in always}

    always = _short(_with(config, {key: 1}), corpus, styles)
    largest = bisect_left(range(1, ENDLESS), True, key=lambda value: bool(lacking(value)))
    if largest == ENDLESS - 1:
        return Limit(key, _value(config, key), ENDLESS, None)
    return Limit(key, _value(config, key), largest, next(iter(lacking(largest + 1).values())))


def _value(config: Config, key: str) -> int:
    if key == "pool.texts":
        return config.owner_texts
    section, _, name = key.partition(".")
    return int(getattr(getattr(config, section), name))


def _with(config: Config, settings: Mapping[str, int]) -> Config:
    """The config with other values, unchecked."""
    for key, value in settings.items():
        section, _, name = key.partition(".")
        changed = getattr(config, section).model_copy(update={name: value})
        config = config.model_copy(update={section: changed})
    return config
