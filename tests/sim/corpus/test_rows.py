"""Texts by row: none is dropped unsaid, no prompt is in two parts, and names of styles have one order."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from sim.common.errors import UserError
from sim.corpus import open_corpus
from sim.corpus.base import Part
from sim.corpus.names import in_natural_order, look_alike
from sim.corpus.rows import Row, RowCorpus
from sim.experiment.sections import CorpusSection

PARTS: tuple[Part, ...] = ("pool", "user", "test")


def rows(style: str, prompts: int, answers: int) -> list[Row]:
    return [(style, f"p{i}", f"{style} {i} {j}", i % 5 == 0) for i in range(prompts) for j in range(answers)]


def corpus(*more: Row, prompts: int = 40, answers: int = 10) -> RowCorpus:
    return RowCorpus([*rows("plain", prompts, answers), *rows("formal", prompts, answers), *more], "plain", "it")


def jsonl(folder: Path, *lines: object) -> CorpusSection:
    path = folder / "c.jsonl"
    good = [{"prompt": f"p{i}", "answer": "a", "style": s} for i in range(4) for s in "01"]
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in [*good, *lines]))
    return CorpusSection(source="jsonl", path=str(path))


def refused(section: CorpusSection) -> str:
    with pytest.raises(UserError) as caught:
        open_corpus(section)
    return str(caught.value)


def test_all_answers_to_a_prompt_are_kept_and_in_one_part() -> None:
    found = corpus()
    counts = {part: found.available("formal", part) for part in PARTS}
    assert sum(counts.values()) == 400
    assert counts["test"] == 80
    prompts = {}
    for part, count in counts.items():
        texts = found.draw("formal", part, count, np.random.default_rng(0))
        assert len({text.answer for text in texts}) == count
        prompts[part] = {text.prompt for text in texts}
        assert len(prompts[part]) == count / 10
    assert not any(prompts[a] & prompts[b] for a, b in itertools.combinations(PARTS, 2))
    (remark,) = found.remarks
    assert remark.startswith("it: 800 of 800 rows have the same prompt as another row of their style; all are used")


def test_texts_are_drawn_on_distinct_prompts_while_there_are_enough() -> None:
    found = corpus()
    prompts = found.available("formal", "user") // 10
    for count, most in ((prompts, 1), (prompts + 3, 2), (3 * prompts, 3)):
        drawn = found.draw("formal", "user", count, np.random.default_rng(1))
        times = [sum(text.prompt == prompt for text in drawn) for prompt in {t.prompt for t in drawn}]
        assert len(times) == prompts
        assert max(times) == most
        assert drawn == found.draw("formal", "user", count, np.random.default_rng(1))


def test_a_corpus_of_one_answer_a_prompt_is_drawn_and_named_as_ever() -> None:
    """The draw that records of old runs depend on; the digest has cached pools found again."""
    found = corpus(prompts=60, answers=1)
    drawn = found.draw("formal", "pool", 5, np.random.default_rng(3))
    have = [t for t in rows("formal", 60, 1) if t[1] in found._defaults]
    assert [t.answer for t in drawn] == [
        have[i][2] for i in np.random.default_rng(3).choice(len(have), 5, replace=False)
    ]
    assert found.remarks == ()
    assert found.fingerprint() != corpus(prompts=60, answers=2).fingerprint()


def test_rows_that_repeat_others_or_tell_what_is_held_out_are_dropped_and_counted() -> None:
    found = corpus(("formal", "p1", "formal 1 0", False), ("formal", "p0", "not held out", False), answers=1)
    assert found.remarks == (
        "it: 1 of 82 rows repeat another row of their style word for word, and are used once.",
        "it: 1 of 82 rows are not used, for their prompt is held out in another row of their style.",
    )
    with pytest.raises(UserError, match=r"of its 42 rows of that style 8 are held out, .*; change") as caught:
        found.need("formal", "user", 99)
    assert "1 repeat others, 1 have a prompt that is held out" in str(caught.value)


def test_a_prompt_that_is_held_out_in_another_style_is_used_and_counted() -> None:
    found = RowCorpus(
        [(style, f"p{i}", f"{style} {i}", (i < 6) is (style == "a")) for style in "ab" for i in range(12)], "a", "it"
    )
    assert found.available("a", "test") == found.available("b", "test") == 6
    assert found.available("a", "pool") + found.available("a", "user") == 6
    assert found.remarks == ("it: 12 of 24 rows have a prompt that is held out in another style; they are used.",)


def test_styles_that_look_alike_are_pointed_out() -> None:
    names = ["formal", "Formal", " formal", "for\u200bmal", "ﬁne", "fine", "caf\u00e9", "cafe\u0301", "cafe", "rude"]
    assert look_alike(names) == [
        [" formal", "Formal", "formal", "for\u200bmal"],
        ["cafe\u0301", "caf\u00e9"],
        ["fine", "ﬁne"],
    ]
    found = RowCorpus([(s, f"p{i}", "a", False) for s in ("Plain", "plain") for i in range(9)], "plain", "it")
    assert found.remarks == (
        "it: the styles 'Plain', 'plain' differ in case, spaces or Unicode form alone; they are kept apart.",
    )


def test_names_have_one_order() -> None:
    names = ["style 10", "style 9", "style 09", "①", "x²", "٣", "3", "03", "12", "9" * 5000, "", "a"]
    ordered = sorted(names, key=in_natural_order)
    for some in (names[::-1], sorted(names), sorted(names, key=len)):
        assert sorted(some, key=in_natural_order) == ordered
    assert ordered.index("style 9") < ordered.index("style 10")
    assert ordered.index("3") < ordered.index("12") < ordered.index("9" * 5000)
    assert abs(ordered.index("3") - ordered.index("٣")) <= 2


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"prompt": "p", "answer": None, "style": "0"}, "'answer'; it is null"),
        ({"prompt": 5, "answer": "a", "style": "0"}, "'prompt'; it is a int"),
        ({"prompt": "p", "answer": float("nan"), "style": "0"}, "'answer'; it is nan"),
        ({"prompt": "p", "answer": "a", "style": float("nan")}, "'style'; it is nan"),
        ({"prompt": "p", "answer": "a", "style": True}, "'style'; it is a bool"),
        ({"prompt": "p", "answer": "a\0b", "style": "0"}, "has a NUL character"),
        ({"prompt": "p", "answer": "a", "style": "\x1b[2J"}, "'style' has a control character"),
        ({"prompt": "p", "answer": "\ud83d", "style": "0"}, "lone surrogate"),
        ('{"prompt": "p", "answer": "a", "answer": "b", "style": "0"}', "the key 'answer' is there twice"),
        ("[1]", "not a JSON object but a list"),
    ],
)
def test_what_is_no_text_is_refused_with_file_and_line(tmp_path: Path, row: object, said: str) -> None:
    refusal = refused(jsonl(tmp_path, row))
    assert f"{tmp_path / 'c.jsonl'}:9: " in refusal
    assert said in refusal


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\x1f\x8b\x08\0", "is a gzip file"),
        (b"PK\x03\x04", "is a zip file"),
        (b"PAR1", "is a Parquet file"),
        ('{"prompt": "é"}\n'.encode("utf-16"), "in UTF-16"),
        ('{"prompt": "é"}\n'.encode("utf-16-le"), "has NUL bytes"),
        ('{}\n{"prompt": "é"}\n'.encode("latin-1"), "c.jsonl:2: not in UTF-8 (byte 0xe9"),
    ],
)
def test_files_of_other_kinds_are_called_what_they_are(tmp_path: Path, data: bytes, said: str) -> None:
    section = jsonl(tmp_path)
    (tmp_path / "c.jsonl").write_bytes(data)
    assert said in refused(section)


def test_a_test_file_without_its_training_file_is_refused(tmp_path: Path) -> None:
    for name in ("0_train", "0_test", "1_test"):
        (tmp_path / f"{name}.json").write_text('{"Context": "p", "Response": "a"}\n')
    said = refused(CorpusSection(source="xpert", path=str(tmp_path)))
    assert "1_train.json is missing, and 1_test.json is there" in said
