"""Real people as users: each file is somebody, what came last is held out, and the pool knows nobody."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sim.cloud.preparation import open_texts
from sim.common.errors import UserError
from sim.corpus import Corpus, open_corpus
from sim.experiment.config import Config
from sim.experiment.sections import CorpusSection
from sim.pocket import pocket_digest
from sim.pool.plan import plan_pool
from sim.population.users import draw_users, possible_styles
from tests.runs import run, tiny_config


def chat(path: Path, *rows: tuple[str, str]) -> None:
    path.write_text("".join(json.dumps({"prompt": prompt, "answer": answer}) + "\n" for prompt, answer in rows))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ann's chat of ten messages, Ben's essay of eleven paragraphs, and a picture."""
    folder = tmp_path / "people"
    folder.mkdir()
    chat(folder / "ann.jsonl", *((f"question {i}?", f"answer {i}.") for i in range(10)))
    (folder / "ben.txt").write_text("\n\n".join(f"Paragraph {i},\nof two lines." for i in range(11)))
    (folder / "cat.png").write_bytes(b"\x89PNG")
    return folder


def opened(folder: Path, **more: object) -> Corpus:
    return open_corpus(CorpusSection.model_validate({"people": str(folder), **more}))


def test_each_file_is_a_person_and_what_came_last_is_held_out(folder: Path) -> None:
    corpus = opened(folder)
    assert list(corpus.people) == ["ann", "ben"]
    for name in corpus.people:
        assert [corpus.available(name, part) for part in ("pool", "user", "test")] == [0, 8, 2]
    rng = np.random.default_rng(0)
    assert {text.prompt for text in corpus.draw("ann", "test", 2, rng)} == {"question 8?", "question 9?"}
    assert {text.answer for text in corpus.draw("ann", "user", 8, rng)} == {f"answer {i}." for i in range(8)}
    before = {text.answer: text.prompt for text in corpus.draw("ben", "user", 8, rng)}
    assert before["Paragraph 1,\nof two lines."] == "Paragraph 0,\nof two lines."
    assert any("1 entries are neither .jsonl nor .txt" in remark for remark in corpus.remarks)


def test_no_prompt_or_answer_is_on_both_sides_and_what_is_dropped_is_said(folder: Path) -> None:
    rows = [("a?", "same"), ("b?", "b."), ("b?", "b."), ("c?", "old"), ("d?", "d."), ("c?", "new"), ("e?", "same")]
    chat(folder / "ann.jsonl", *rows)
    corpus = opened(folder, held_out=0.3)
    rng = np.random.default_rng(0)
    assert {text.prompt for text in corpus.draw("ann", "user", 2, rng)} == {"b?", "d?"}
    assert corpus.dropped("ann") == {"repeat others": 1, "are held out in another row": 2}
    assert any("2 rows are held out in another row; not used" in remark for remark in corpus.remarks)


def test_each_person_is_a_user_before_anybody_is_twice(folder: Path) -> None:
    config = Config.load(None, [f"corpus.people={folder}", "population.users=3", "population.texts=8"])
    corpus = open_corpus(config.corpus)
    styles = possible_styles(config, corpus)
    users = draw_users(config, corpus, styles, [0, 1, 2])
    assert [user.styles for user in users] == [("ann",), ("ben",), ("ann",)]
    assert {user.taught for user in users} == {None}
    config = Config.load(None, [f"corpus.people={folder}", "population.texts=8", "population.held_out=2"])
    assert any("some are several users" in remark for remark in open_texts(config).remarks)


def test_llms_and_pllms_do_not_depend_on_the_people(folder: Path) -> None:
    config, alone = Config.load(None, [f"corpus.people={folder}"]), Config.load(None)
    corpus, pool = open_corpus(config.corpus), open_corpus(alone.corpus)
    assert corpus.fingerprint() != pool.fingerprint()
    assert plan_pool(config, corpus, "x").folder == plan_pool(alone, pool, "x").folder
    assert pocket_digest(corpus) == pocket_digest(pool)
    assert corpus.probes(3, np.random.default_rng(0)) == pool.probes(3, np.random.default_rng(0))
    assert alone.digest() == Config.load(None, ["corpus.people="]).digest()


def test_a_run_of_people(tiny_llm: Path, tmp_path: Path, folder: Path) -> None:
    overrides = [f"corpus.people={folder}", "population.users=2", "strategies=scratch,oracle,random,exhaustive"]
    users = run(tiny_config(tiny_llm, tmp_path, *overrides))["users"]
    assert users.groupby("user_id")["style"].first().tolist() == ["ann", "ben"]
    assert set(users["oracle"]) == set(users["correct"]) == {""}  # nobody knows who is right for a person
    chosen = users.groupby("strategy")["chosen"].agg(set)
    assert chosen["oracle"] == {""}
    assert "" not in chosen["exhaustive"] | chosen["random"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("dora.txt", "only one paragraph", r"dora.txt has 0 texts"),
        ("dora.jsonl", '{"prompt": "a?"}', r"dora.jsonl:1: no text under 'answer'"),
        ("ann.txt", "a\n\nb\n\nc", r"'ann' in .* has two files"),
        ("dora.txt", "a\n\nb\x00", r"dora.txt"),
    ],
)
def test_a_file_that_is_nobodys_is_named(folder: Path, name: str, content: str, said: str) -> None:
    (folder / name).write_text(content)
    with pytest.raises(UserError, match=said):
        opened(folder)


def test_a_folder_of_nobody_and_a_name_that_is_a_style_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"corpus.people: no folder"):
        opened(tmp_path / "none")
    style = next(iter(open_corpus(CorpusSection()).styles))
    (folder / "ann.jsonl").rename(folder / f"{style}.jsonl")
    with pytest.raises(UserError, match="is a style of the corpus; rename"):
        opened(folder)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"no .jsonl and no .txt"):
        opened(tmp_path / "empty")


def test_people_mix_no_styles(folder: Path) -> None:
    with pytest.raises(UserError, match="a person writes as one"):
        Config.load(None, [f"corpus.people={folder}", "population.styles_per_user=2"])
