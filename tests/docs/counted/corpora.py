"""What docs/corpora.md says of the persona corpus and of translators."""

from __future__ import annotations

from collections.abc import Iterator

from sim.corpus import open_corpus, translators
from sim.corpus.persona.corpus import PersonaCorpus
from sim.experiment.config import Config


def said() -> Iterator[str]:
    corpus = open_corpus(Config().corpus)
    assert isinstance(corpus, PersonaCorpus)
    topics = corpus.grammar.topics
    tones = {style.axes["tone"]: bool(style.taught) for style in corpus.styles.values() if "tone" in style.axes}
    taught = sum(tones.values())
    yield f"true facts on {len(topics)} topics, written by grammars in {len(tones)} tones"
    yield f"instruments and {len({topic.kind for topic in topics}) - 4} more kinds"
    yield f"concise or informative x {len(tones)} tones"
    yield f"{taught} tones are *taught*"
    yield f"The other {len(tones) - taught} they have never met"
    usual = [corpus.styles[name].axes["tone"] for name in corpus.usual]
    yield f"**The usual {len(usual)} styles**"
    assert len(set(usual[:14])) == 14 == len(set(usual))
    yield "The first 14 have every tone once"
    yield f"at most {translators.LONGEST} letters long in each"
