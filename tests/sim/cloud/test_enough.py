"""Too few texts: the message says how many there are and why, and the overrides that it names work."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from sim.cloud.preparation import open_texts
from sim.common.errors import UserError
from sim.corpus.base import bucket
from sim.experiment.config import Config


def texts(folder: Path, **rows: int) -> str:
    """A file with so many rows of each style."""
    path = folder / "c.jsonl"
    lines = [{"prompt": f"p {i}", "answer": f"{s} {i}", "style": s} for s, count in rows.items() for i in range(count)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(path)


def overrides(path: str, *more: str) -> list[str]:
    return ["corpus.source=jsonl", f"corpus.path={path}", "corpus.default=plain", *more]


def refused(*given: str) -> str:
    with pytest.raises(UserError) as caught:
        open_texts(Config.load(None, given))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("more", "keys"),
    [
        (["pool.size=0"], ["population.texts"]),
        (["pool.size=0", "population.held_out=500"], ["population.texts", "population.held_out"]),
        (["population.texts=9", "pool.texts=400"], ["pool.texts"]),
        ([], ["population.texts", "pool.texts"]),
        (["population.styles_per_user=2", "population.texts=999"], ["population.texts", "pool.texts"]),
        (["population.texts=9", "pool.texts=400", "pool.similarity=0.1"], ["pool.texts"]),
        (["pool.size=0", "population.texts=60", "ladder.amounts=0.01,1"], ["population.texts", "ladder.users"]),
    ],
)
def test_the_largest_settings_that_are_named_work_and_larger_ones_do_not(
    tmp_path: Path, more: list[str], keys: list[str]
) -> None:
    given = overrides(texts(tmp_path, plain=100, formal=90, rude=80), *more)
    said = refused(*given)
    assert "of its " in said
    named = dict(found.split("=") for found in re.findall(r"[a-z]+\.[a-z_]+=\d+", said))
    assert sorted(named) == sorted(keys)
    open_texts(Config.load(None, [*given, *(f"{key}={value}" for key, value in named.items())]))
    for key in keys:
        larger = named | {key: int(named[key]) + 1}
        if key != "ladder.users":
            refused(*given, *(f"{k}={value}" for k, value in larger.items()))


def test_a_style_without_texts_is_to_be_left_out(tmp_path: Path) -> None:
    path = texts(tmp_path, plain=100, formal=90, rude=1)
    few = ["population.texts=4", "population.held_out=2", "pool.texts=8", "ladder.users=0"]
    said = refused(*overrides(path, *few))
    assert re.search(r"No \S+ works for style 'rude'; leave it out \(corpus.styles\)", said)
    open_texts(Config.load(None, overrides(path, *few, "corpus.styles=formal")))


def test_pocket_llms_need_default_texts_to_learn_from(tmp_path: Path) -> None:
    path = Path(texts(tmp_path, formal=40))
    user = next(f"p {i}" for i in range(99) if not bucket(f"p {i}", 2))
    path.write_text(path.read_text() + json.dumps({"prompt": user, "answer": "a", "style": "plain"}) + "\n")
    few = ["pool.size=0", "population.texts=1", "population.held_out=1", "ladder.users=0"]
    assert "1 pool texts of style 'plain' wanted" in refused(*overrides(str(path), *few))
    open_texts(Config.load(None, overrides(str(path), *few, "llm.model=a/b", "llm.summarizer=a/b")))
