"""Any file or folder of texts becomes a corpus that is split by prompt, or is refused by a UserError that names it."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.common.errors import UserError
from sim.corpus import open_corpus
from sim.corpus.base import Part
from sim.corpus.names import in_natural_order
from sim.experiment.sections import CorpusSection
from tests.odd import accepted, changed, fill, texts, values

pytestmark = pytest.mark.fuzz

STYLES = st.sampled_from(["0", "1", "plain", "Plain", "plain ", "①", "x²", "٣", "3", "003", "C++", "[/]", 7, 1.5])
PROMPTS = st.sampled_from(["a", "b", "c", "d", "e", "f", "g", "<|end|>", "$x$", "=1+1", "NaN", "\ufeff", "\u2028"])
ROWS = st.builds(lambda p, a, s: {"prompt": p, "answer": a, "style": s}, PROMPTS, PROMPTS, STYLES)
GOOD = st.lists(ROWS.map(json.dumps), max_size=20).map(lambda rows: [*rows, *BOTH])
LINES = (ROWS.flatmap(changed) | values()).map(json.dumps) | texts
BOTH = [json.dumps({"prompt": f"p{i}", "answer": f"a {i}", "style": s}) for i in range(6) for s in ("0", "1")]
FILES = GOOD | st.lists(LINES, max_size=6) | st.tuples(GOOD, LINES).map(lambda both: [*both[0], both[1]])
ENCODINGS = st.sampled_from(["utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1"])
PARTS: tuple[Part, ...] = ("pool", "user", "test")


def check(path: Path, source: str) -> None:
    section = CorpusSection(source=source, path=str(path))
    corpus = accepted(lambda: open_corpus(section), UserError, str(path))
    if corpus is None:
        return
    names = list(corpus.styles)
    assert names == sorted(names, key=in_natural_order)
    prompts: dict[Part, set[Any]] = {part: set() for part in PARTS}
    of_files = source == "xpert"  # whose folder says what is held out, style by style
    for part in PARTS:
        for style in (corpus.default, *names):
            count = corpus.available(style, part)
            texts = corpus.draw(style, part, count, np.random.default_rng(0))
            assert len({(t.prompt, t.answer) for t in texts}) == count
            prompts[part] |= {(style if of_files else "", t.prompt) for t in texts}
    for one, other in combinations(PARTS, 2):
        assert not prompts[one] & prompts[other]
    if of_files and (also := {p for _, p in prompts["test"]} & {p for _, p in prompts["pool"] | prompts["user"]}):
        assert any("held out in another style" in remark for remark in corpus.remarks), also
    assert open_corpus(section).fingerprint() == corpus.fingerprint()


@given(FILES, ENCODINGS, st.sampled_from(["\n", "\r\n", "\r"]))
def test_any_lines(tmp_path_factory: pytest.TempPathFactory, lines: list[str], encoding: str, end: str) -> None:
    path = tmp_path_factory.getbasetemp() / "texts.jsonl"
    path.write_bytes(end.join(lines).encode(encoding, errors="replace"))
    check(path, "jsonl")


@given(st.binary(max_size=60))
def test_any_bytes(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "bytes.jsonl"
    path.write_bytes(data)
    check(path, "jsonl")


@given(st.dictionaries(st.sampled_from(["0", "1", "①", "٣", ""]), st.tuples(FILES, FILES), max_size=3))
def test_any_folder(tmp_path_factory: pytest.TempPathFactory, styles: dict[str, Any]) -> None:
    folder = fill(tmp_path_factory.getbasetemp() / "xpert", {})
    for style, files in styles.items():
        for part, lines in zip(("train", "test"), files, strict=True):
            text = "\n".join(lines).replace('"prompt"', '"Context"').replace('"answer"', '"Response"')
            (folder / f"{style}_{part}.json").write_bytes(text.encode(errors="replace"))
    check(folder, "xpert")
