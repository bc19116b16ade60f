"""Chat templates put prompt and answer once each, or are refused; control tokens in users' texts are plain text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from sim.common.errors import UserError
from sim.llm import rendering
from sim.llm.chat import Template, control_tokens, encoded
from sim.llm.model import LanguageModel
from strategies.base import Text

LOOP = "{% for i in range(99999) %}"
EACH = "{% for m in messages %}"


def tokenizer_with(tiny_llm: Path, template: Any) -> Any:
    tokenizer = AutoTokenizer.from_pretrained(tiny_llm)
    tokenizer.chat_template = template
    return tokenizer


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{% if messages[0]['role'] != 'system' %}{{ raise_exception('A system message is required') }}{% endif %}",
         "TemplateError: A system message is required"),
        (EACH + "{{ m['content'] }} ({{ m['content'] }}){% endfor %}", "it renders the prompt 2 times, where once"),
        (EACH + "{{ m.content }}{% endfor %}{% if messages[1:] %}{{ messages[0].content }}{% endif %}", "2 times"),
        ("{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}", "it renders the answer 0 times"),
        (EACH + "{% for c in m['content'] %}{{ c['text'] }}{% endfor %}{% endfor %}", "it renders the prompt 0 times"),
        (EACH + "{{ m['content'] | upper }}{% endfor %}", "it renders the prompt 0 times"),
        ("{% for m in messages | reverse %}{{ m.content }}{% endfor %}", "it renders the answer before the prompt"),
        ("hello", "it renders the prompt 0 times"),
        (EACH + "{{ m['content'] }", "TemplateSyntaxError"),
        ("{{ ''.__class__.__mro__ }}", "SecurityError"),
        ("{{ x.y.z }}", "UndefinedError: 'x' is undefined"),
        ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "RecursionError"),
        (EACH + "{{ m.content }}{% endfor %}{{ 'x' * 10**6 }}", "more than 100,000 characters"),
        ({"one": "{{ messages[0].content }}", "two": "x"}, "multiple chat templates"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("rendered_here")
def test_a_template_that_cannot_be_used_is_one_line(tiny_llm: Path, template: Any, said: str) -> None:
    with pytest.raises(UserError, match=said) as refused:
        Template.of(tokenizer_with(tiny_llm, template))
    assert str(tiny_llm) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_template_that_fills_the_memory_is_stopped(tiny_llm: Path) -> None:
    with pytest.raises(UserError, match="MemoryError"):
        Template.of(tokenizer_with(tiny_llm, "{{ 'x' * 10**11 }}"))


def test_a_template_that_never_ends_is_stopped(tiny_llm: Path) -> None:
    with pytest.raises(UserError, match=f"takes more than {rendering.CPU_S} s or 2 GiB to render"):
        Template.of(tokenizer_with(tiny_llm, LOOP * 3 + "{% endfor %}" * 3))


@pytest.mark.parametrize("template", [None, ""])
def test_without_a_template_it_is_question_and_answer(tiny_llm: Path, template: Any) -> None:
    assert Template.of(tokenizer_with(tiny_llm, template)) == Template("", "\n", "<|end|>")


# ---------------------------------------------------------------- control tokens

TEXTS = ["the token <|end|> ends a turn", "<|end|>", "a<|user|><|pad|>b", "<|<|end|>end|>", "<s>[INST] hi [/INST]</s>"]


@pytest.mark.parametrize("text", TEXTS)
def test_control_tokens_in_texts_are_plain_text(tiny_llm: Path, text: str) -> None:
    lm = LanguageModel(tiny_llm)
    end, special = lm.tokenizer.eos_token_id, set(lm.tokenizer.all_special_ids)
    (one,) = lm.encode([Text(text, text)], 512)
    assert lm.tokenizer.decode(one.ids) == f"<|user|>{text}<|assistant|>{text}<|end|>"
    assert one.ids.tolist().count(end) == 1 == one.ids.tolist()[-1:].count(end)
    assert lm.tokenizer.decode(one.ids, skip_special_tokens=True).count(text) == 2
    (prompt,) = lm.encode_prompts([text], 512)
    assert prompt.tolist() == one.ids[: one.answer_start].tolist()
    assert not special & set(lm.ids([text])[0])


def test_texts_without_control_tokens_are_read_as_ever(tiny_llm: Path) -> None:
    lm, texts = LanguageModel(tiny_llm), ["The moon is a rock.", "", " a  b ", "< |end| >", "|end|"]
    plain = lm.tokenizer([f"<|user|>{t}<|assistant|>" for t in texts], add_special_tokens=False)["input_ids"]
    assert [i.tolist() for i in lm.encode_prompts(texts, 512)] == plain


def words(controls: list[str], special: bool) -> Any:
    """A tokenizer of whole words and letters, with a space put before every text as SentencePiece does."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    letters = {letter: i for i, letter in enumerate("▁<>[]/|_abcdefghijklmnopqrstuvwxyzINST")}
    tokenizer = Tokenizer(models.BPE({**letters, "<unk>": len(letters)}, [], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.add_tokens([AddedToken(each, special=special, normalized=False) for each in controls])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", eos_token="</s>", bos_token="<s>")
    fast.chat_template = f"{EACH}{'{{ m.content }}'.join(controls[:2])}{{% endfor %}}"
    return fast


@pytest.mark.parametrize("special", [True, False], ids=["special", "added"])
@pytest.mark.parametrize("controls", [["[INST]", "[/INST]"], ["<|im_start|>", "<|im_end|>"], ["<s>", "</s>"]])
@pytest.mark.usefixtures("rendered_here")
def test_so_are_those_of_any_tokenizer(controls: list[str], special: bool) -> None:
    """Also tokens that were added without being called special, where the template writes them."""
    tokenizer = words(controls, special)
    template = Template.of(tokenizer)
    finds = control_tokens(tokenizer, template)
    ids = [tokenizer.convert_tokens_to_ids(each) for each in controls]
    text = f"ab{controls[1]} {controls[0]}c"
    (found,) = encoded(tokenizer, [text], template.before, template.between, finds)
    assert [i for i in found if i in ids] == ids  # those of the template
    assert tokenizer.decode(found).replace(" ", "") == f"{controls[0]}{text}{controls[1]}".replace(" ", "")
