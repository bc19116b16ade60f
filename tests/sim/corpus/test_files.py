"""Readers: what is in the files is what is drawn, and what is wrong with them is said with file and line."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from sim.common.errors import UserError
from sim.corpus import open_corpus
from sim.corpus.base import Corpus, Part, bucket
from sim.experiment.sections import CorpusSection

ROOT = Path(__file__).resolve().parents[3]
SHARED = Path(os.environ.get("HEADSTART_SHARED", ROOT.parent / "shared"))
FIELDS = {"prompt": "prompt", "answer": "answer", "style": "style"}


def lines(rows: Sequence[Mapping[str, object]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def xpert(folder: Path, styles: Sequence[str], count: int = 30) -> Path:
    """A folder in the XPerT format; answers name their style."""
    for style in styles:
        for part, n in (("train", count), ("test", 8)):
            rows = [
                {"Context": f"{part} {i}", "Input": "more" if i % 2 else "", "Response": f"style {style} answer {i}"}
                for i in range(n)
            ]
            (folder / f"{style}_{part}.json").write_text(lines(rows), encoding="utf-8")
    return folder


def opened(source: str, path: Path, **settings: str) -> Corpus:
    return open_corpus(CorpusSection.model_validate({"source": source, "path": str(path), **settings}))


def refused(source: str, path: Path, **settings: str) -> str:
    with pytest.raises(UserError) as caught:
        opened(source, path, **settings)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def every(corpus: Corpus, style: str, part: Part) -> set[tuple[str, str]]:
    rng = np.random.default_rng(0)
    return {(t.prompt, t.answer) for t in corpus.draw(style, part, corpus.available(style, part), rng)}


def test_xpert_folder_gives_its_texts_by_style_and_part(tmp_path: Path) -> None:
    corpus = opened("xpert", xpert(tmp_path, ["0", "1", "2"]))
    assert list(corpus.styles) == ["1", "2"]
    assert corpus.default == "0"
    train = every(corpus, "1", "pool") | every(corpus, "1", "user")
    assert train == {(f"train {i}" + "\nmore" * (i % 2), f"style 1 answer {i}") for i in range(30)}
    assert every(corpus, "1", "test") == {(f"test {i}" + "\nmore" * (i % 2), f"style 1 answer {i}") for i in range(8)}


def test_pool_and_users_share_no_prompt_in_any_styles(tmp_path: Path) -> None:
    corpus = opened("xpert", xpert(tmp_path, ["0", "1", "2"]))
    prompts = {
        part: {prompt for style in "012" for prompt, _ in every(corpus, style, part)}
        for part in ("pool", "user", "test")
    }
    assert not prompts["pool"] & prompts["user"]
    assert not (prompts["pool"] | prompts["user"]) & prompts["test"]


def test_style_numbers_sort_as_numbers(tmp_path: Path) -> None:
    corpus = opened("xpert", xpert(tmp_path, ["10", "9", "2", "0", "100"]))
    assert list(corpus.styles) == ["2", "9", "10", "100"]


def test_other_default_style(tmp_path: Path) -> None:
    corpus = opened("xpert", xpert(tmp_path, ["3", "7"]), default="7")
    assert list(corpus.styles) == ["3"]
    assert {answer.split()[1] for _, answer in every(corpus, corpus.default, "pool")} == {"7"}


def test_missing_test_file_is_named(tmp_path: Path) -> None:
    (xpert(tmp_path, ["0", "1"]) / "1_test.json").unlink()
    assert "1_test.json is missing" in refused("xpert", tmp_path)


def test_folder_without_texts_is_named(tmp_path: Path) -> None:
    assert str(tmp_path) in refused("xpert", tmp_path)
    assert "nowhere" in refused("xpert", tmp_path / "nowhere")
    assert "nowhere.jsonl" in refused("jsonl", tmp_path / "nowhere.jsonl")


def test_default_that_is_not_there_is_named_with_what_is(tmp_path: Path) -> None:
    line = refused("xpert", xpert(tmp_path, ["1", "2"]))
    assert "corpus.default" in line
    assert "1, 2" in line


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ('{"prompt": "p", "answer": oops}', "not a JSON object"),
        ('["a list"]', "not a JSON object"),
        ('{"prompt": ' + "9" * 5000 + "}", "not a JSON object"),
        ("[" * 100_000, "not a JSON object"),
        ('{"two\\nlines": 1}', "the row has 'two\\nlines'"),
        ('{"prompt": "p", "style": "0"}', "'answer'"),
        ('{"prompt": "p", "answer": "  ", "style": "0"}', "'answer'"),
        ('{"prompt": 5, "answer": "a", "style": "0"}', "'prompt'"),
    ],
)
def test_broken_row_is_named_with_file_and_line(tmp_path: Path, row: str, said: str) -> None:
    path = tmp_path / "texts.jsonl"
    good = lines([{"prompt": f"p {i}", "answer": "a", "style": "0"} for i in range(2)])
    path.write_text(f"{good}\n{row}\n")  # line 3 is blank, which is no error
    line = refused("jsonl", path)
    assert f"{path}:4:" in line
    assert said in line


def test_broken_row_of_an_xpert_folder_is_named_with_file_and_line(tmp_path: Path) -> None:
    path = xpert(tmp_path, ["0", "1"]) / "1_train.json"
    path.write_text(path.read_text() + '{"Context": "cut off\n')
    assert f"{path}:31:" in refused("xpert", tmp_path)


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_empty_file_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "texts.jsonl"
    path.write_text(content)
    line = refused("jsonl", path)
    assert str(path) in line
    assert "no rows" in line


def test_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "texts.jsonl"
    path.write_bytes(b'{"prompt": "caf\xe9"}\n')
    assert str(path) in refused("jsonl", path)


@pytest.mark.parametrize("mark", ["\u2028", "\u0085", "\x0b", "\u00a0"])
def test_odd_separators_inside_a_string_do_not_end_the_row(tmp_path: Path, mark: str) -> None:
    path = tmp_path / "texts.jsonl"
    rows = [{"prompt": f"p{mark}{i}", "answer": f"a{mark}b", "style": s} for i in range(40) for s in "01"]
    path.write_text(lines(rows), encoding="utf-8")
    corpus = opened("jsonl", path)
    assert {a for _, a in every(corpus, "1", "user")} == {f"a{mark}b"}


def test_windows_line_ends_and_byte_order_mark_are_read(tmp_path: Path) -> None:
    path = tmp_path / "texts.jsonl"
    rows = [{"prompt": f"p {i}", "answer": f"a {i}", "style": s} for i in range(40) for s in "01"]
    path.write_bytes(b"\xef\xbb\xbf" + lines(rows).replace("\n", "\r\n").encode())
    assert sum(opened("jsonl", path).available("1", part) for part in ("pool", "user", "test")) == 40


def test_jsonl_with_own_columns_holds_out_a_share_by_prompt(tmp_path: Path) -> None:
    path = tmp_path / "texts.jsonl"
    rows = [{"q": f"p {i}", "a": f"a {i}", "who": s} for i in range(500) for s in ("plain", "rude")]
    path.write_text(lines(rows))
    corpus = opened("jsonl", path, prompt="q", answer="a", style="who", default="plain")
    assert list(corpus.styles) == ["rude"]
    for style in ("plain", "rude"):
        assert corpus.available(style, "test") == pytest.approx(100, abs=30)
    assert {p for p, _ in every(corpus, "plain", "test")} == {p for p, _ in every(corpus, "rude", "test")}


def test_a_style_may_be_a_number(tmp_path: Path) -> None:
    path = tmp_path / "texts.jsonl"
    path.write_text(lines([{"prompt": f"p {i}", "answer": f"a {i}", "style": s} for i in range(40) for s in (0, 1)]))
    assert list(opened("jsonl", path).styles) == ["1"]


def test_too_few_texts_are_refused_with_both_numbers(tmp_path: Path) -> None:
    corpus = opened("xpert", xpert(tmp_path, ["0", "1"]))
    with pytest.raises(UserError, match=r"100 user texts of style '1' wanted, but .* has \d+"):
        corpus.draw("1", "user", 100, np.random.default_rng(0))


def test_default_answers_exist_for_prompts_of_the_pool_alone(tmp_path: Path) -> None:
    corpus = opened("xpert", xpert(tmp_path, ["0", "1"]))
    rng = np.random.default_rng(0)
    for prompt, answer in every(corpus, "0", "pool"):
        text = corpus.answer_to(prompt, rng)
        assert text is not None
        assert text.answer == answer
    assert all(corpus.answer_to(prompt, rng) is None for prompt, _ in every(corpus, "0", "user"))


def test_fingerprint_follows_the_content(tmp_path: Path) -> None:
    folder = xpert(tmp_path, ["0", "1"])
    before = opened("xpert", folder).fingerprint()
    assert opened("xpert", folder).fingerprint() == before
    path = folder / "1_test.json"
    path.write_text(path.read_text().replace("answer 3", "answer three"))
    assert opened("xpert", folder).fingerprint() != before


def test_the_published_xpert_texts_are_read() -> None:
    folder = SHARED / "data" / "xpert"
    if not folder.is_dir():
        pytest.skip(f"no XPerT data in {folder} (set HEADSTART_SHARED)")
    corpus = opened("xpert", folder)
    assert list(corpus.styles) == ["1", "2", "3", "4", "5"]
    assert corpus.default == "0"
    rng = np.random.default_rng(0)
    for style in corpus.styles:
        pool, user = ({t.prompt for t in corpus.draw(style, part, 300, rng)} for part in ("pool", "user"))
        assert len(pool) == len(user) == 300
        assert not pool & user


def test_the_default_is_part_of_what_a_corpus_is(tmp_path: Path) -> None:
    """A base LLM and pLLMs are cached by it, and both depend on which style is the default."""
    folder = xpert(tmp_path, ["0", "1", "2"])
    assert opened("xpert", folder).fingerprint() != opened("xpert", folder, default="1").fingerprint()
    assert opened("xpert", folder).fingerprint() == opened("xpert", folder, default="0").fingerprint()


def test_only_the_styles_asked_for_are_there(tmp_path: Path) -> None:
    folder = xpert(tmp_path, ["0", "1", "2", "3"])
    (folder / "3_train.json").write_text(lines([{"Context": "one", "Response": "row"}]), encoding="utf-8")
    corpus = open_corpus(CorpusSection(source="xpert", path=str(folder), styles=["2", "1"]))
    assert list(corpus.styles) == ["1", "2"]
    rng = np.random.default_rng(0)
    assert {corpus.lesson(rng).id for _ in range(50)} == {"1", "2"}
    assert corpus.fingerprint() != opened("xpert", folder).fingerprint()
    with pytest.raises(UserError, match=r"corpus.styles: no style '9'"):
        open_corpus(CorpusSection(source="xpert", path=str(folder), styles=["1", "9"]))


def test_too_few_texts_name_the_keys_that_decide_how_many(tmp_path: Path) -> None:
    corpus = opened("xpert", xpert(tmp_path, ["0", "1"]))
    keys: dict[Part, str] = {
        "pool": "pool.texts or pool.similarity",
        "user": "population.texts",
        "test": "population.held_out or corpus.held_out",
    }
    for part, named in keys.items():
        with pytest.raises(UserError, match=rf"{part} texts of style '1' wanted.*; change {named}\.$"):
            corpus.need("1", part, 1000)


def test_styles_that_the_pool_has_no_texts_of_are_no_lessons(tmp_path: Path) -> None:
    folder = xpert(tmp_path, ["0", "1", "2"])
    user_only = next(f"prompt {i}" for i in range(99) if not bucket(f"prompt {i}", 2))
    (folder / "2_train.json").write_text(lines([{"Context": user_only, "Response": "row"}]), encoding="utf-8")
    corpus, rng = opened("xpert", folder), np.random.default_rng(0)
    assert list(corpus.styles) == ["1", "2"]
    assert {corpus.lesson(rng).id for _ in range(50)} == {"1"}


def test_half_a_character_is_refused_with_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "texts.jsonl"
    path.write_text(
        lines([{"prompt": "p", "answer": "a", "style": "0"}]) + '{"prompt": "p", "answer": "\\ud83d", "style": "1"}\n'
    )
    said = refused("jsonl", path)
    assert f"{path}:2" in said
    assert "'answer'" in said


@pytest.mark.parametrize(("answer", "said"), [(None, "'a'"), (" ", "'a'"), ("\ud83d", "lone surrogate"), (3, "'a'")])
def test_rows_of_the_hub_are_checked_as_well(
    answer: object, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Rows(list):  # type: ignore[type-arg]
        column_names = ("q", "a", "who")

    rows = Rows({"q": f"p {i}", "a": f"a {i}", "who": i % 2} for i in range(40))
    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=lambda *_, **__: rows))
    fields = {"prompt": "q", "answer": "a", "style": "who"}
    assert list(opened("hf", Path("me/mine"), **fields).styles) == ["1"]
    rows[7]["a"] = answer
    refusal = refused("hf", Path("me/mine"), **fields)
    assert "me/mine, row 7" in refusal
    assert said in refusal
