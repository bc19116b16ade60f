"""What a corpus holds beside what a config takes of it, counted by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from sim.cloud.enough import check_texts, limits
from sim.cloud.preparation import open_texts
from sim.common.errors import UserError
from sim.corpus.base import bucket
from sim.experiment.config import Config
from sim.survey.survey import Survey, survey

PARTS = {"pool": 1, "user": 0}


def prompts(part: str, count: int) -> list[str]:
    """Prompts that fall into a part of a file."""
    found: list[str] = []
    number = 0
    while len(found) < count:
        prompt, number = f"prompt {number}", number + 1
        held_out = bucket(f"held out {prompt}", 1000) / 1000 < 0.2
        if held_out if part == "test" else not held_out and bucket(prompt, 2) == PARTS[part]:
            found.append(prompt)
    return found


def rows(style: str, pool: int, user: int, test: int) -> list[dict[str, str]]:
    of = [*prompts("pool", pool), *prompts("user", user), *prompts("test", test)]
    return [{"style": style, "prompt": prompt, "answer": f"{style} on {prompt}"} for prompt in of]


def surveyed(folder: Path, written: Sequence[Mapping[str, str]], *overrides: str) -> Survey:
    file = folder / "texts.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in written))
    settings = ["corpus.source=jsonl", f"corpus.path={file}", "corpus.default=plain", "ladder.users=0", *overrides]
    return survey(Config.load(None, settings))


@pytest.fixture
def written() -> list[dict[str, str]]:
    return [*rows("plain", 9, 2, 3), *rows("rude", 8, 6, 4), *rows("terse", 7, 5, 2)]


FEW = ["population.texts=4", "population.held_out=2"]


def test_rows_by_style_and_part(tmp_path: Path, written: list[dict[str, str]]) -> None:
    found = surveyed(tmp_path, [*written, written[0], written[-1], written[-1]], *FEW)
    table = found.table.set_index("style")
    assert table.index.tolist() == ["plain*", "rude", "terse"]
    counts = table[["rows", "pool", "users", "held out", "dropped"]]
    assert counts.to_numpy().tolist() == [[15, 9, 2, 3, 1], [18, 8, 6, 4, 0], [16, 7, 5, 2, 2]]
    assert any("3 of 49 rows repeat another row of their style word for word" in said for said in found.sentences())


def test_what_is_there_twice(tmp_path: Path, written: list[dict[str, str]]) -> None:
    answers = {(row["style"], row["prompt"]): row for row in written}
    pool, user, test = prompts("pool", 2), prompts("user", 2), prompts("test", 2)
    answers["rude", pool[1]]["answer"] = answers["rude", pool[0]]["answer"]  # within a style
    answers["terse", pool[0]]["answer"] = answers["plain", pool[0]]["answer"]  # across styles
    answers["rude", test[0]]["answer"] = answers["rude", user[1]]["answer"]  # held out, and trained on
    found = surveyed(tmp_path, written, *FEW).repeated
    assert (found.texts, found.held_out) == (46, 9)
    assert (found.within, found.across, found.leaked) == (2, 2, 1)
    assert (found.leaked_prompts, found.leaked_across) == (0, 0)


def test_prompts_that_are_held_out_in_one_style_only(tmp_path: Path) -> None:
    """In XPerT's format every style says for itself what is held out."""
    for style, train, test in (("0", "abcdef", "g"), ("1", "abcdefg", "h"), ("2", "abcdefgh", "a")):
        for end, some in (("train", train), ("test", test)):
            lines = [json.dumps({"Context": c, "Input": "", "Response": f"{style} says {c}"}) for c in some]
            (tmp_path / f"{style}_{end}.json").write_text("\n".join(lines))
    settings = ["corpus.source=xpert", f"corpus.path={tmp_path}", "population.texts=1", "population.held_out=1"]
    found = survey(Config.load(None, [*settings, "ladder.users=0"]))
    assert found.table["dropped"].tolist() == [0, 0, 1]  # "a" of style 2 is held out, and so is not trained on
    assert found.repeated.leaked_across == 3
    assert found.repeated.leaked_prompts == 0


def test_what_is_cut(tmp_path: Path, written: list[dict[str, str]]) -> None:
    written[0]["prompt"] += " and" * 500
    written[1]["answer"] += " and" * 500
    lengths = surveyed(tmp_path, written, *FEW, "training.max_tokens=64").lengths.table
    assert lengths["prompt_cut"].sum() == 1
    assert lengths["answer_cut"].sum() >= 1
    assert (lengths["whole"] == lengths["prompt"] + lengths["answer"]).all()
    assert not surveyed(tmp_path, written, *FEW, "training.max_tokens=4096").lengths.table["answer_cut"].any()


def test_the_largest_settings_work_and_one_more_does_not(tmp_path: Path, written: list[dict[str, str]]) -> None:
    found = surveyed(tmp_path, written, *FEW)
    most = {limit.key: (limit.largest, limit.binds.style, limit.binds.part) for limit in found.limits if limit.binds}
    assert most["population.texts"] == (5, "terse", "user")
    assert most["population.held_out"] == (2, "terse", "test")
    assert most["pool.texts"][0] == 9  # 80 % of them in the pLLM's style: 7 of 7 of style terse
    for key, (largest, *_) in most.items():
        for value, enough in ((largest, True), (largest + 1, False)):
            config = Config.changed(found.config, [(key, value)])
            if enough:
                open_texts(config)
            else:
                with pytest.raises(UserError, match="texts of style 'terse' wanted"):
                    open_texts(config)


def test_owners_who_write_as_much_as_users_bind_users(tmp_path: Path) -> None:
    """With pool.texts = "peers" more texts of users are more texts of owners, who may have fewer."""
    found = surveyed(tmp_path, [*rows("plain", 9, 9, 3), *rows("rude", 4, 9, 3)], "population.held_out=1", *FEW)
    (texts,) = [limit for limit in found.limits if limit.key == "population.texts"]
    assert (texts.largest, texts.binds and texts.binds.part) == (5, "pool")


def test_text_without_end_has_no_largest_settings() -> None:
    found = survey(Config())
    assert [limit.binds for limit in found.limits] == [None] * 3
    assert "pool" not in found.table
    assert len(found.table) == 29
    assert any("no end" in said for said in found.sentences())


def test_mixed_users_need_less_of_each_style(tmp_path: Path, written: list[dict[str, str]]) -> None:
    config = surveyed(tmp_path, written, *FEW, "population.styles_per_user=2").config
    preparation = open_texts(config)
    (texts, *_) = limits(config, preparation.corpus, preparation.user_styles)
    assert texts.largest == 9  # then owners have too few: as many, of one style
    check_texts(config, preparation.corpus, preparation.user_styles)
